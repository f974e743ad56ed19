package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxRecordBytes is how long a record of text, JSON or CSV may be where MaxRecord does not say otherwise. A longer one is a bad
// record; sources of lines keep no more of it in memory than this.
const MaxRecordBytes = 1 << 20

// Option sets something about a source or a format. An option that means nothing to what it is given to is an error, reported when the job is built.
type Option struct {
	name   string
	format bool // for a format, not for a place
	set    func(*options)
	err    error
}

// options are all options of all kinds; which of them count is up to the kind.
type options struct {
	start      Start
	partitions int
	compacted  bool
	settle     time.Duration
	listen     bool

	maxRecord int
	header    bool
	comma     byte
	columns   []string
	null      string
}

// From says where a new job begins to read a topic; the default is Earliest. A job with a checkpoint goes on where it was.
// For Log… and Kafka….
func From(s Start) Option { return Option{name: "From", set: func(o *options) { o.start = s }} }

// Compacted says that the topic is compacted: its history changes, so the engine keeps the rows of a batch beside its plan until
// they are no longer needed (P18). Changelogs are taken as compacted always. For Log… and Kafka….
func Compacted() Option {
	return Option{name: "Compacted", set: func(o *options) { o.compacted = true }}
}

// Partitions is the number of partitions to spread rows over; the default is 1. For Memory and Rate.
func Partitions(n int) Option {
	op := Option{name: "Partitions", set: func(o *options) { o.partitions = n }}
	if n < 1 || n > 1<<12 {
		op.err = fmt.Errorf("option Partitions(%d): want 1 to 4096", n)
	}
	return op
}

// Settle is for how long a file must be unchanged to be taken as complete; the default is 2 s. 0 takes every file as
// complete at once: for writers that rename finished files into the directory. For Files….
func Settle(d time.Duration) Option {
	op := Option{name: "Settle", set: func(o *options) { o.settle = d }}
	if d < 0 {
		op.err = fmt.Errorf("option Settle(%s): want 0 or more", d)
	}
	return op
}

// Listen makes TCPText wait for connections at its address instead of connecting to it.
func Listen() Option { return Option{name: "Listen", set: func(o *options) { o.listen = true }} }

// MaxRecord is how long a record may be, in bytes; the default is MaxRecordBytes. A longer one is a bad record.
// For Text, JSON, CSV, Protobuf and Changelog.
func MaxRecord(n int) Option {
	op := Option{name: "MaxRecord", format: true, set: func(o *options) { o.maxRecord = n }}
	if n < 1 || n > 32<<20 {
		op.err = fmt.Errorf("option MaxRecord(%d): want 1 to %d", n, 32<<20)
	}
	return op
}

// Header says that the first line of each file names its columns, so that files may have them in different orders, and others besides. For FilesCSV.
func Header() Option {
	return Option{name: "Header", format: true, set: func(o *options) { o.header = true }}
}

// Columns names the columns of a line in order, where there is no header; the default is those of the row type in order. For CSV.
func Columns(names ...string) Option {
	return Option{name: "Columns", format: true, set: func(o *options) { o.columns = names }}
}

// Comma is what stands between two fields; the default is ','. For CSV.
func Comma(c byte) Option {
	return Option{name: "Comma", format: true, set: func(o *options) { o.comma = c }}
}

// NullText is text that stands for a missing value, such as "NA"; the empty text does so always, but for strings. For CSV.
func NullText(s string) Option {
	return Option{name: "NullText", format: true, set: func(o *options) { o.null = s }}
}

// split separates the options of a format from those of its place.
func split(opts []Option) (format, place []Option) {
	for _, op := range opts {
		if op.format {
			format = append(format, op)
		} else {
			place = append(place, op)
		}
	}
	return format, place
}

// collect applies the options that what knows, named in known, and reports all others and all bad values.
func collect(what string, opts []Option, known ...string) (options, error) {
	o := options{settle: 2 * time.Second, partitions: 1, maxRecord: MaxRecordBytes}
	var errs []error
	for _, op := range opts {
		switch {
		case !slices.Contains(known, op.name):
			takes := "it takes none"
			if len(known) > 0 {
				takes = "it takes " + strings.Join(known, ", ")
			}
			errs = append(errs, fmt.Errorf("option %s is not for %s; %s", op.name, what, takes))
		case op.err != nil:
			errs = append(errs, op.err)
		default:
			op.set(&o)
		}
	}
	return o, errors.Join(errs...)
}
