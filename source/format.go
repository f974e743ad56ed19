package source

import (
	"fmt"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/millrace/millrace/internal/decode"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// Format says how records become rows of type T.
type Format[T any] struct {
	text   string // canonical, for Spec.Text
	err    error  // a mistake in type or options
	header bool   // the first line of a file is its header
	limit  int    // of a record's bytes; 0: none
	reader func() recordReader[T]
	direct *decode.JSONPlan // where records become columns without rows in between
	plain  bool             // a row is the record's text
	binary bool             // records are no lines
}

// recordReader reads record i of b into dst, a zero T. The result is "", or why the record is bad.
type recordReader[T any] func(b *records.Block, i int, dst *T) string

// decoder is a Format's rdd.Decoder.
type decoder[T any] struct {
	read  recordReader[T]
	limit int
}

// Decode implements rdd.Decoder. Rows may alias b.Data, whose memory is never used again.
func (d *decoder[T]) Decode(b *records.Block, lo, hi int) (rdd.Chunk, []int32, []rdd.Bad) {
	out := make([]T, hi-lo)
	n, rows, bad := d.into(out, b, lo, hi)
	return rdd.Chunk{N: n, Vals: out[:n:n]}, rows, bad
}

// into reads records [lo, hi) into out, zero rows: n of them, and otherwise as rdd.Decoder says.
func (d *decoder[T]) into(out []T, b *records.Block, lo, hi int) (n int, rows []int32, bad []rdd.Bad) {
	s := sorting{lo: lo, hi: hi}
	for i := lo; i < hi; i++ {
		why := ""
		if l := b.Values[i].Len; d.limit > 0 && l != records.Null && int(l) > d.limit {
			why = tooLong(d.limit)
		} else {
			why = d.read(b, i, &out[n])
		}
		if why == "" {
			s.good(i)
			n++
			continue
		}
		clear(out[n : n+1]) // a bad record may have been read in part
		s.refuse(i, why)
	}
	return n, s.rows, s.bad
}

// noValue is why a tombstone is bad where a value is read.
const noValue = "record has no value"

func tooLong(limit int) string { return fmt.Sprintf("too long: more than %d bytes", limit) }

// sorting tells the good of records [lo, hi), which are looked at in order, from the bad.
type sorting struct {
	lo, hi int
	rows   []int32 // the good ones, nil as long as all are
	bad    []rdd.Bad
}

func (s *sorting) good(i int) {
	if s.rows != nil {
		s.rows = append(s.rows, int32(i))
	}
}

func (s *sorting) goodRun(i, until int) {
	for ; s.rows != nil && i < until; i++ {
		s.rows = append(s.rows, int32(i))
	}
}

func (s *sorting) refuse(i int, why string) {
	if s.rows == nil {
		s.rows = make([]int32, i-s.lo, s.hi-s.lo)
		for k := range s.rows {
			s.rows[k] = int32(s.lo + k)
		}
	}
	if !fault.Planted("P13-bad-lost") {
		s.bad = append(s.bad, rdd.Bad{Index: i, Reason: why})
	}
}

// spec is a Spec of kind and place that decodes by f.
func (f Format[T]) spec(kind, place string) *Spec {
	s := &Spec{Name: kind, Kind: kind, Text: kind}
	if place != "" {
		s.Name, s.Text = kind+":"+place, kind+" "+place
	}
	s.Text, s.Err = s.Text+" "+f.text, f.err
	s.Decoder = func() rdd.Decoder { return &decoder[T]{f.reader(), f.limit} }
	if codec, err := row.For[T](); err == nil {
		s.Columns = func(p rdd.Projection) rdd.Decoder {
			if d, ok := newDirect(f.direct, f.limit, codec, p); ok {
				return d
			}
			if d, ok := newTexts(f, codec, p); ok {
				return d
			}
			return newColumns(f, codec, p)
		}
	}
	return s
}

// Text is one row a record: its value as UTF-8.
func Text(opts ...Option) Format[string] {
	o, err := collect("text", opts, "MaxRecord")
	return Format[string]{text: "text", plain: true, err: err, limit: o.maxRecord, reader: func() recordReader[string] { return readText }}
}

func readText(b *records.Block, i int, dst *string) string {
	v := b.Value(i)
	if v == nil {
		return noValue
	}
	if !utf8.Valid(v) {
		return invalidText
	}
	*dst = unsafe.String(unsafe.SliceData(v), len(v))
	return ""
}

// Record is a row of Raw: a record as it is.
type Record struct {
	Offset    int64
	Time      time.Time // of the record; zero where the source has none
	Key       []byte    // nil where there is none
	Value     []byte
	Tombstone bool // the record has no value at all
}

// Raw is one row a record, undecoded. Key and Value alias the block and must not be changed.
func Raw(opts ...Option) Format[Record] {
	_, err := collect("raw records", opts)
	return Format[Record]{text: "raw", err: err, reader: func() recordReader[Record] { return readRaw }}
}

func readRaw(b *records.Block, i int, dst *Record) string {
	dst.Offset = b.Offset(i)
	if b.Times != nil {
		dst.Time = time.UnixMicro(b.Times[i]).UTC()
	}
	if k := b.Key(i); len(k) > 0 { // nil and empty are one (P24)
		dst.Key = k
	}
	v := b.Value(i)
	dst.Tombstone = v == nil
	if len(v) > 0 {
		dst.Value = v
	}
	return ""
}

// Func is a format of the user's own. decode gets a record's key and value (nil where absent), which it may keep but not change, and
// its time; an error makes a bad record. It must depend on nothing else (I2), and runs concurrently. name and its version are part of the plan:
// give the format another name when it reads the same record differently.
func Func[T any](name string, decode func(key, value []byte, at time.Time) (T, error)) Format[T] {
	f := Format[T]{text: "func " + name}
	if decode == nil || name == "" {
		f.err = fmt.Errorf("format Func(%q): want a name and a function", name)
	}
	f.reader = func() recordReader[T] {
		return func(b *records.Block, i int, dst *T) string {
			var at time.Time
			if b.Times != nil {
				at = time.UnixMicro(b.Times[i]).UTC()
			}
			row, err := decode(b.Key(i), b.Value(i), at)
			if err != nil {
				return err.Error()
			}
			*dst = row
			return ""
		}
	}
	return f
}
