package source

import (
	"context"
	"errors"
	"log/slog"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/rdd"
)

// Source describes where rows of type T come from. It is a value: nothing is opened until the job runs.
type Source[T any] struct{ spec *Spec }

// Of is a Source over a spec whose decoder yields []T; for authors of connectors.
func Of[T any](spec *Spec) Source[T] { return Source[T]{spec} }

// Spec is the connector behind the source.
func (s Source[T]) Spec() *Spec { return s.spec }

// Named gives the source a name other than its default (kind and topic or path).
func (s Source[T]) Named(name string) Source[T] {
	c := *s.spec
	c.Name = name
	return Source[T]{&c}
}

// Spec is a source without its row type. It implements rdd.Leaf.
type Spec struct {
	Name    string // unique in a job; default: kind and topic or path
	Kind    string // "kafka", "log", "files", "tcp", "memory", "rate"
	Text    string // kind, place and format in a canonical line; no secrets, no broker addresses
	Err     error  // a mistake in the source's options, reported when the job is built
	Decoder func() rdd.Decoder
	Columns func(rdd.Projection) rdd.Decoder // in place of Decoder where a job reads columns, see rdd.Projecting; nil: there is none
	Open    func(ctx context.Context, env Env) (Connector, error)
	Mutable bool // history may change (compacted topic): rows are journalled beside the plan (P18)
	Local   bool // lives in one process (a Feed): refused outside local[N]
	// Bound chooses what a batch program reads: the partitions with the offsets [Start, End) that are wanted of them. nil: all that there is.
	Bound  func(parts []Partition) ([]Partition, error)
	OnDisk bool // reads files of the driver's machine: only executors that see the checkpoint's directory too get its partitions (P23)
}

// PlanText is Spec.Text.
func (s *Spec) PlanText() string { return s.Text }

// Renamed is the same source under another name.
func (s *Spec) Renamed(name string) rdd.Leaf {
	c := *s
	c.Name = name
	return &c
}

// NewDecoder is Spec.Decoder().
func (s *Spec) NewDecoder() rdd.Decoder { return s.Decoder() }

// Projects tells whether there is a decoder of columns.
func (s *Spec) Projects() bool { return s.Columns != nil }

// NewProjected is Spec.Columns(p).
func (s *Spec) NewProjected(p rdd.Projection) rdd.Decoder { return s.Columns(p) }

// Env is what a connector is given by the process that opens it.
type Env struct {
	Job        string   // job name (--name)
	Brokers    []string // --brokers
	LogDir     string   // --log
	Checkpoint string   // checkpoint directory, "" without one
	Reset      bool     // --on-offset-gone reset: go on at the earliest offset when retention removed ours
	TLS        *TLS     // for Kafka, nil: plaintext
	Log        *slog.Logger
	Clock      clock.Clock
	Driver     bool // opened by the driver (Partitions, Ingest), not by an executor
}

// TLS names files; their content is never shipped or logged.
type TLS struct{ Cert, Key, CA string }

// ErrOffsetGone is returned by Reader.Next when the offset to read was removed by retention. The message has topic, partition and both offsets.
var ErrOffsetGone = errors.New("offset is gone")

// ErrBeyondEnd is returned when a planned offset is beyond the log's end: the log was replaced or truncated (P11).
var ErrBeyondEnd = errors.New("offset is beyond the end")

// ErrLasting is what errors of Next are when another try would end in the same: the input is damaged.
var ErrLasting = errors.New("another try ends in the same")

// asKind is an error that is a kind of this package's, too, without a word more in its text.
type asKind struct {
	error
	kind error
}

// Unwrap is the error itself.
func (e asKind) Unwrap() error { return e.error }

// Is tells whether target is the kind.
func (e asKind) Is(target error) bool { return target == e.kind }

// Partition is one ordered, replayable piece of a source.
type Partition struct {
	Key      string // stable identity: "3" for a topic's partition 3, path and size and mtime for a file
	Meta     []byte // what Open needs besides Key; recorded in the first plan that reads the partition
	Start    int64  // where a new job begins (earliest, latest or a time, as the source's options say)
	End      int64  // records [.., End) exist now; -1 if that is not known: then a run up to what there is ends with a complete partition only
	Complete bool   // End will not grow (a file, a bounded source)
}

// Connector reads one source in one process. Methods may be called concurrently. Errors say what and where within the source; the engine puts its
// name before them.
type Connector interface {
	// Partitions lists what exists now, in a stable order in which new ones come last; the driver numbers them by Key. It is called at start and then every second or so.
	Partitions(ctx context.Context) ([]Partition, error)
	// Reader reads one partition from an offset on; prefetching goes through it. start is within the partition or at its end.
	Reader(ctx context.Context, p Partition, from int64) (Reader, error)
	// Close releases everything.
	Close() error
}

// Reader reads ahead in one partition. One goroutine at a time.
type Reader interface {
	// Next blocks until there are records, and returns them as one block of at most about 1 MiB (or one record). io.EOF: the
	// partition is complete. ErrOffsetGone, ErrBeyondEnd: see there. With nothing new it returns ctx's error once ctx is done.
	Next(ctx context.Context) (*records.Block, error)
	// End is the last known end offset, for lag; -1 unknown.
	End() int64
	Close() error
}

// Deferring is implemented by readers whose blocks may be deferred: their records are read when they are decoded (records.Defer).
type Deferring interface {
	Reader
	// NextDeferred is Next, but for that. What Next would find wrong with the records, Load of the block finds: ErrLasting if they are damaged.
	NextDeferred(ctx context.Context) (*records.Block, error)
}

// Ingester is implemented by connectors that must write rows into a log before they can be replayed (tcp). The driver runs it for the job's life.
type Ingester interface {
	Ingest(ctx context.Context) error
}

// Progress is implemented by connectors that report committed offsets elsewhere (Kafka's consumer group). Called by the driver after a batch is published.
type Progress interface {
	Committed(ctx context.Context, offsets map[string]int64) error
}
