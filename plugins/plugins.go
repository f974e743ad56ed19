package plugins

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
)

// Protocol is the version of this contract. Host and plugin with different ones refuse each other.
const Protocol = 1

// Batch is what a call may depend on besides its records and state (I2).
type Batch struct {
	Number    int64
	Time      int64 // batch time, µs since 1970 UTC
	Partition int   // the task's: source partition, reduce partition, or lane
	Final     bool  // the last batch of a finished job (P30)
}

// Map turns rows into rows, one record batch at a time; how rows are cut into record batches means nothing. One goroutine at a time uses
// an instance; instances are made as needed.
type Map interface {
	// Declare says what Process gives for rows of schema in, or why such rows cannot be taken. It is called while the job is built, in every
	// process, and gives the same everywhere.
	Declare(in *arrow.Schema) (Declaration, error)
	// Process computes the rows that in becomes, in order. in has the columns that the declaration reads.
	Process(ctx context.Context, b Batch, in arrow.Record) (Result, error)
}

// Declaration is what a Map does with the columns of its input.
type Declaration struct {
	Output *arrow.Schema
	// Reads are the columns of the input that Process is given, ascending; nil: all. What is not read need not be decoded, nor sent to a process.
	Reads []int
	// Keeps says, by column of Output, which column of the input its values are taken from, unchanged: it need not be sent back. -1: Process computes
	// it. nil: Process computes all of them.
	Keeps []int
}

// Computed are the columns of Output that Process gives, ascending.
func (d Declaration) Computed() []int {
	var out []int
	for i := range d.Output.Fields() {
		if d.Keeps == nil || d.Keeps[i] < 0 {
			out = append(out, i)
		}
	}
	return out
}

// Result is N rows.
type Result struct {
	N int
	// Rec has the computed columns of the N rows, in Output's order. nil where N is 0 or nothing is computed.
	Rec arrow.Record
	// From is, of a Map that keeps columns, the row of the input that each row comes from; any order, as often as wanted. nil: row i comes from row i, and N is the
	// number of rows of the input, or 0. A Map that keeps nothing may leave it nil in any case.
	From []int32
}

// Pipelined is a Map that works on several record batches at a time, in order: those of plugins that run in a process of their own are.
type Pipelined interface {
	Map
	// Window is how many record batches may be sent before the answer to the first is received; at least 1.
	Window() int
	// Send hands a record batch over.
	Send(ctx context.Context, b Batch, in arrow.Record) error
	// Receive waits for the answer to the oldest record batch that is out.
	Receive(ctx context.Context) (Result, error)
	// Close gives up what is out. The instance may be used again.
	Close() error
}

// Scalar is a function of columns, row by row, for expressions.
type Scalar interface {
	// Declare says what the function gives for arguments of these types, whose names mean nothing.
	Declare(args []arrow.Field) (arrow.Field, error)
	// Eval gives a value for each row of args.
	Eval(ctx context.Context, args arrow.Record) (arrow.Array, error)
}

// Aggregate combines the rows of each key in a batch. Partial runs before the shuffle, so that keys and not rows travel.
type Aggregate interface {
	// Schemas declares partial and final results, without key columns.
	Schemas(key, in *arrow.Schema) (partial, out *arrow.Schema, err error)
	// Partial gives one row a key: row i combines the rows r of in with of[r] == i, in order.
	Partial(ctx context.Context, b Batch, in arrow.Record, of []int32, keys int) (arrow.Record, error)
	// Merge is Partial for rows that are partial results, and gives final ones.
	Merge(ctx context.Context, b Batch, partials arrow.Record, of []int32, keys int) (arrow.Record, error)
}

// Keyed is an operator with state. Once a batch and partition it gets all keys that have rows or a timer that is due.
type Keyed interface {
	// Schemas declares state and output. The state's schema is a promise: a checkpoint is refused by another.
	Schemas(key, in *arrow.Schema) (state, out *arrow.Schema, err error)
	// Update computes a batch.
	Update(ctx context.Context, b Batch, in KeyedInput) (KeyedOutput, error)
}

// KeyedInput is one partition's share of a batch, for n keys in order of first appearance, timers first.
type KeyedInput struct {
	Keys   arrow.Record // n rows
	Rows   arrow.Record // in order of (upstream partition, row) (I7); nil where there are none
	Of     []int32      // key number of each row
	State  arrow.Record // n rows; those of keys without state are zero or null
	Exists []bool       // which keys have state
	Due    []bool       // which keys' timers fire in this batch: before its rows, exactly once
	Timers []int64      // the timer that each key has besides: its due time in µs of batch time, 0 for none, as where it fires now
}

// KeyedOutput is what becomes of it. State and Timers have n elements.
type KeyedOutput struct {
	Actions []Action     // n
	State   arrow.Record // n rows; those with another action than Set are not read
	Timers  []int64      // n: due time in µs of batch time, 0 for none; not read where the action is not Set. To keep a timer, give back that of the input
	Out     arrow.Record // nil where there are no rows
	OutOf   []int32      // key number of each output row
}

// Action says what happens to a key's state.
type Action uint8

// The actions: Keep leaves state and timer as they are, Set stores both, Delete removes both.
const (
	Keep Action = iota
	Set
	Delete
)

// Source reads replayable partitions: from an offset on, a partition gives the same rows whenever and by whomever it is read.
type Source interface {
	Schema() (*arrow.Schema, error)
	// Partitions lists what exists now, in a stable order in which new ones come last.
	Partitions(ctx context.Context) ([]Partition, error)
	// Read gives rows of p from offset from on, about limit bytes of them, and waits for the first. Its error is io.EOF once p is complete. It
	// may be called for several partitions at once.
	Read(ctx context.Context, p Partition, from int64, limit int) (Fetched, error)
}

// Partition is one ordered piece of a source.
type Partition struct {
	Key   string // identity, stable across restarts
	Meta  []byte // what Read needs besides; kept in the plan that reads the partition first
	Start int64  // where a new job begins
	End   int64  // records below exist now, -1 if unknown
}

// Fetched are read rows: those of the offsets [From, Next). Offsets ascend and may have gaps.
type Fetched struct {
	Rec     arrow.Record // nil where no row is left of these offsets
	Offsets []int64      // one a row
	Next    int64        // where to read on
	End     int64        // last known end of the partition, -1 if unknown
}

// Sink publishes rows once.
type Sink interface {
	// Check says why rows of this schema, of which the first keys columns are the key, cannot be written.
	Check(rows *arrow.Schema, keys int) error
	// Lane takes lane n of lanes over: every earlier owner is fenced before Lane returns, also one that is equal to o, whose lane is moved (I9). An owner of the ID that has
	// the lane, with a lower epoch, is refused (Fenced). One of another ID takes the lane over whatever its epoch is: by the marker the engine decides whether it may write (P7).
	Lane(ctx context.Context, n, lanes int, o Owner) (Lane, error)
}

// Owner is who writes a lane.
type Owner struct {
	ID    string // names the checkpoint and its timeline (P5)
	Epoch int64  // rises with each start of the driver; counts within the ID
}

// Lane is one ordered output. One goroutine at a time; batches come in order.
type Lane interface {
	// Marker is the one that was published last, read after fencing; nil for a fresh output (P7).
	Marker() []byte
	// Stage makes the rows ready, invisibly (P8). Staging a batch again replaces what was staged for it and for all after it.
	Stage(ctx context.Context, b Batch, rows []arrow.Record) error
	// Publish makes staged batch b visible and its marker durable in one atomic write.
	Publish(ctx context.Context, b Batch, marker []byte) error
	// Flush makes all that was published visible to readers now.
	Flush(ctx context.Context) error
	Close() error
}

// Plugin is what a process offers.
type Plugin struct {
	Name      string
	Version   string // part of the plan: another version is another program (P1)
	Operators []Operator
}

// Operator is one offer: a name, and a function that makes the operator out of the bytes that the job configures it with. Exactly one of
// the functions is set. The bytes are part of the plan; secrets are named in them by file (P21).
type Operator struct {
	Name      string
	Doc       string // a line for people
	Map       func(config []byte) (Map, error)
	Scalar    func(config []byte) (Scalar, error)
	Aggregate func(config []byte) (Aggregate, error)
	Keyed     func(config []byte) (Keyed, error)
	Source    func(config []byte) (Source, error)
	Sink      func(config []byte) (Sink, error)
}

// Kind is "map", "scalar", "aggregate", "keyed", "source" or "sink", and "" if not exactly one function is set.
func (o Operator) Kind() string {
	kind, set := "", 0
	for _, k := range []struct {
		name string
		set  bool
	}{{"map", o.Map != nil}, {"scalar", o.Scalar != nil}, {"aggregate", o.Aggregate != nil}, {"keyed", o.Keyed != nil}, {"source", o.Source != nil}, {"sink", o.Sink != nil}} {
		if k.set {
			kind = k.name
			set++
		}
	}
	if set != 1 {
		return ""
	}
	return kind
}

// Check lists all that is wrong with a plugin: names that are missing or taken twice, operators that are no or several things.
func (p Plugin) Check() error {
	var errs []error
	if p.Name == "" || p.Version == "" {
		errs = append(errs, fmt.Errorf("plugin %q version %q: both are mandatory", p.Name, p.Version))
	}
	seen := map[string]bool{}
	for i, o := range p.Operators {
		switch {
		case o.Name == "":
			errs = append(errs, fmt.Errorf("plugin %q: operator %d has no name", p.Name, i))
		case seen[o.Name]:
			errs = append(errs, fmt.Errorf("plugin %q: two operators are named %q", p.Name, o.Name))
		case o.Kind() == "":
			errs = append(errs, fmt.Errorf("plugin %q: operator %q: set exactly one of Map, Scalar, Aggregate, Keyed, Source and Sink", p.Name, o.Name))
		}
		seen[o.Name] = true
	}
	return errors.Join(errs...)
}
