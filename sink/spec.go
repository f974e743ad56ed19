package sink

import (
	"context"
	"log/slog"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/row"
)

// Sink describes where rows go. It is a value: nothing is opened until the job runs.
type Sink struct{ spec *Spec }

// New is a Sink over a spec; for authors of connectors.
func New(spec *Spec) Sink { return Sink{spec} }

// Spec is the connector behind the sink.
func (s Sink) Spec() *Spec { return s.spec }

// Spec is a sink. It implements rdd.Outlet.
type Spec struct {
	Name       string               // unique in a job; default: kind and topic or path
	Kind       string               // "kafka", "log", "files", "console", "callback"
	Text       string               // kind, place and format in a canonical line; no secrets, no broker addresses
	Err        error                // a mistake in the options, reported when the job is built
	Durable    bool                 // exactly once, needs --checkpoint
	OnDisk     bool                 // writes files of the driver's machine: its lanes run where the checkpoint's directory is seen too, or in the driver's process (P23)
	OnDriver   bool                 // its lanes run in the driver's process (console, callbacks)
	Atomic     bool                 // one lane: a batch is visible as a whole (P6)
	EveryBatch bool                 // Stage and Publish are called for batches without rows too (callbacks)
	Encoded    *Format              // lanes take rows as the bytes of this format, in records of EncodedSchema (and columns too): tasks encode them. nil: columns only
	Check      func(s Schema) error // can rows of this schema be written? nil: any
	Open       func(ctx context.Context, env Env, s Schema) (Output, error)
}

// PlanText is Spec.Text. Spec is an rdd.EncodingOutlet too.
func (s *Spec) PlanText() string { return s.Text }

// Named gives the sink a name other than its default.
func (s Sink) Named(name string) Sink {
	c := *s.spec
	c.Name = name
	return Sink{&c}
}

// Schema is the form of the rows that a sink gets: row.Pair of key and value; the first Keys columns are the key. A scalar
// value (one column "value" that is not a struct) has ScalarValue set, and a scalar key ScalarKey: they are written bare, not as objects.
type Schema struct {
	Arrow                  *arrow.Schema
	Keys                   int
	ScalarKey, ScalarValue bool
}

// SchemaOf is the form of the rows of a key and a value; key is nil where rows have none.
func SchemaOf(key, val *row.Codec) Schema {
	s := Schema{Arrow: row.Pair(key, val), ScalarValue: val.Scalar()}
	if key != nil {
		s.Keys, s.ScalarKey = key.Schema().NumFields(), key.Scalar()
	}
	return s
}

// Env is what a sink is given by the process that opens it.
type Env struct {
	Job        string   // job name (--name)
	Brokers    []string // --brokers
	LogDir     string   // --log
	Checkpoint string   // checkpoint directory, "" without one
	TLS        *TLS     // for Kafka, nil: plaintext
	Log        *slog.Logger
	Clock      clock.Clock
	Terminal   bool // standard output is a terminal
	Elsewhere  bool // on another machine than its files (Spec.OnDisk): only Route will be called, and nothing may be touched
}

// TLS names files; their content is never shipped or logged.
type TLS struct{ Cert, Key, CA string }

// Output is an opened sink in one process.
type Output interface {
	// Lanes is how many lanes a new layout should have, given the job's slots; it makes topics and folders where they are missing. Driver only.
	Lanes(ctx context.Context, slots int) (int, error)
	// Route writes the lane of each row; see rdd.Router. It must be a pure function of its arguments.
	Route(task int, first int64, rec arrow.Record, lanes int, lane []int32)
	// Lane takes over lane n of lanes: it fences every earlier owner (lower epoch), and finds what was published last.
	Lane(ctx context.Context, n, lanes int, o Owner) (Lane, error)
	Close() error
}

// Owner is who writes: the checkpoint's identity and the epoch that fences (I9).
type Owner struct {
	UUID     string // checkpoint UUID, P5
	Timeline int64
	Epoch    int64
	Sink     string // sink name
}

// Marker is the last published batch of a lane, found in the sink itself, atomically with the rows (I5, P7).
type Marker struct {
	UUID     string `cbor:"1,keyasint"`
	Timeline int64  `cbor:"2,keyasint"`
	Batch    int64  `cbor:"3,keyasint"`
	PlanHash []byte `cbor:"4,keyasint"`
}

// Batch is what a lane is told of a batch.
type Batch struct {
	Number   int64
	Time     int64 // µs
	Attempt  int
	PlanHash []byte
	Final    bool
}

// Lane is one ordered output of a sink. One goroutine at a time; batches are staged and published in order.
type Lane interface {
	// Marker is what was published last, as found when the lane was opened; ok is false for a fresh output.
	Marker() (m Marker, ok bool)
	// Stage makes the rows ready, invisibly (P8). Records come in (upstream task, row) order. Staging a batch again replaces what was staged for it and everything after it.
	Stage(ctx context.Context, b Batch, rows []arrow.Record) error
	// Publish makes staged batch b visible, with its marker in the same atomic write. On return it is durable. A batch without rows needs no marker unless the sink wants one.
	Publish(ctx context.Context, b Batch) error
	// Discard drops staged batches above after.
	Discard(after int64) error
	// Flush makes everything that was published visible to readers now (a file lane rolls); called at drain and stop.
	Flush(ctx context.Context) error
	Close() error
}
