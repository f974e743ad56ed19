package rdd

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
)

// Kind is what a node is to the scheduler.
type Kind int

// The kinds of node. Source and Wide nodes are roots: each of their partitions is a task. Narrow nodes are fused into the
// task of the root above them. Sink nodes end a pipeline; each of their lanes is a task that gathers and stages. A Hole is a place that
// Build keeps free before a transform node, for what is built there for a batch: it is no operator and never runs.
const (
	Source Kind = iota
	Narrow
	Wide
	Sink
	Hole
)

// Node is one operator of the static plan. An RDD is a node at a batch number. Nodes are immutable after the plan is built.
type Node struct {
	ID   int // index in Plan.Nodes; inputs have lower IDs
	Kind Kind
	Op   string     // "map", "reduceByKey", "runningCount", …
	Name string     // the user's name; mandatory and unique for stateful nodes, sources and sinks
	Site string     // the user's file:line
	In   []*Node    // inputs, in order
	Key  *row.Codec // nil for streams without keys
	Val  *row.Codec

	Leaf   Leaf          // Source
	Kernel func() Kernel // Narrow: one instance a task
	Wide   *WideSpec     // Wide
	Outlet Outlet        // Sink
	Dead   *Node         // Source: the sink node that takes records that could not be decoded, and rows that were set aside; Wide: the one for such rows, if its tasks may have any
	Expand Expand        // Narrow, in place of Kernel: builds what stands here for each batch (P22)
	Exprs  []*expr.Bound // of a Frame: what it computes of the rows of its inputs, in the plan's text
	Facts  string        // Narrow: what else decides what is computed, for the plan's text
	Cols   *Columns      // Narrow and Wide whose inputs are columns: which of them it reads; nil: all
	Event  *EventTime    // Narrow: rows have event time from here on
	Held   any           // Wide without inputs: its rows, a slice, for those who want them as they are
	Room   int           // with Expand: how many nodes it may build for a batch; 0: FragmentRoom

	Out []*Node // consumers, ascending by ID; filled by Plan.Build

	owned bool // by a plan, the job's or a batch's: nothing may be changed in it

	decoders *decoders // Source: in place of Leaf's; kernel: in place of Kernel; both make only what is read, as project found
	kernel   func() Kernel
	reads    string    // what is read of its columns, for Explain: of sources, wide nodes, and narrow ones with Facts
	whole    *WideSpec // Wide, as it was described, where Wide is for fewer columns
}

// Plan is a whole job. Build fills what follows from Nodes.
type Plan struct {
	Nodes   []*Node
	Sources []*Node // Kind Source, ascending
	Wides   []*Node
	Sinks   []*Node
	Values  []Value // shared values, by name
	Text    string  // canonical text: what Hash covers
	Hash    [32]byte

	Accumulators []*Accumulator // in the order in which they were declared
	Broadcasts   []*Broadcast

	// Gates says which sources wait for which (P32): the source of that name is read only once every source listed has been read
	// up to its target, because they feed tables that its stream is joined with. Sorted, without cycles.
	Gates map[string][]string

	// Events are the nodes with Event, ascending: their places number the marks of Context.Highs.
	Events []*Node

	// Fragments are what was built for the batch, in order of their transform nodes, and Fragment is the hash of their texts. Only a plan that For
	// made has them.
	Fragments []Fragment
	Fragment  [32]byte

	transforms []*Node // nodes with Expand, ascending

	inputs []eventInput // of event time, as Events
	lags   [][]lag      // by node: how far behind watermarks of Events its rows may come; empty: none of them has event time

	feeders map[EdgeID][]*Node
	edges   map[int][]EdgeID
	names   map[string]*Node
}

// EventTime says where a source's rows have their event time, and how far its watermark lies behind the highest that was met (P28, P29). Times are µs.
type EventTime struct {
	Column string // for people: the column's or the function's name
	Delay  int64  // the watermark of a partition is its highest event time minus Delay
	Idle   int64  // a partition without rows for so long does not hold the watermark back; 0: at once
	Ahead  int64  // event times more than that ahead of the batch time do not move the watermark; 0: no limit
	Follow int64  // IdleAdvance: with every partition idle the watermark is the batch time minus Follow at least; 0: it stands still
}

// Value is a shared value: computed once on the driver, the same bytes everywhere (P21).
type Value struct {
	Name string
	Hash [32]byte
	Data []byte // canonical CBOR; of pinned rows, their record batch
}

// Leaf is what a source node needs of its connector; *source.Spec implements it.
type Leaf interface {
	// PlanText names kind, place and format: everything that decides what the rows are.
	PlanText() string
	// NewDecoder makes a decoder for one task.
	NewDecoder() Decoder
}

// Decoder turns raw records into rows. One goroutine at a time.
type Decoder interface {
	// Decode reads records [lo, hi) of b. Records that cannot be read are left out of the chunk and reported in bad. rows[i], where not
	// nil, is the record index (in b) that row i came from; nil means row i is record lo+i.
	Decode(b *records.Block, lo, hi int) (out Chunk, rows []int32, bad []Bad)
}

// Copying is a Decoder whose rows share no memory with the block that they come from.
type Copying interface {
	Decoder
	// Copies tells whether it is.
	Copies() bool
}

// Bad is a record that could not be decoded.
type Bad struct {
	Index  int // record index in the block
	Reason string
}

// DeadLetter is the row type of a source's dead-letter output (P13): a record that could not be decoded, or that of a row which was set aside.
type DeadLetter struct {
	Source    string `arrow:"source"`    // behind a shuffle the names of all sources that may have been the row's, joined by "+"
	Partition int32  `arrow:"partition"` // behind a shuffle that of the task
	Offset    int64  `arrow:"offset"`    // -1 where the record is not known; Key and Value are empty then
	Reason    string `arrow:"reason"`
	Key       []byte `arrow:"key"`   // base64 in JSON
	Value     []byte `arrow:"value"` // at most MaxDeadBytes of it
}

// MaxDeadBytes is how much of a bad record's value a dead letter keeps.
const MaxDeadBytes = 64 << 10

// Outlet is what a sink node needs of its connector; *sink.Spec implements it.
type Outlet interface {
	PlanText() string
}

// WideSpec is an operator that gathers rows by key: each input is written by the tasks above into blocks, one a reduce partition.
type WideSpec struct {
	Inputs             []Input        // as Node.In
	New                func() Reducer // one a task
	State              bool           // keeps a state.Table under Node.Name, with codecs StateKey, StateVal
	StateKey, StateVal *row.Codec
	More               []Store                                             // further tables, which go with the first: to a checkpoint each is an operator of its own, NODE/STORE
	Derive             func(first *state.Table, more []*state.Table) error // fills the first table, which is empty, from the others: it is not kept in checkpoints then. It must be equal to what batches have made of it
	View               func(states any) (values any, hidden []bool)        // what readers of the first table see: []StateVal as []Val, and which are not to be seen (nil: none). nil: states are values
	Tables             []*Node                                             // stateful wide nodes whose (first) tables the reducer reads: the same partition's task of theirs runs before
	Facts              string                                              // settings that decide what is computed, for the plan's text: "expire 10m0s"
	OnEmpty            bool                                                // acts on a batch without input (P28); due timers always do
	Every              int64                                               // µs; acts on batches whose time is a multiple of it, without input too: there is one at each multiple (P31). 0: none
	Reach              int64                                               // µs; how far back rows count: behind silence of that length its windows are empty
	CheckpointEvery    int64                                               // batches after which its state is written, rounded up to a multiple of --checkpoint-every. 0: with every file
	Event              bool                                                // due times of its tables are event times: they are due at the lowest Mark.After of its inputs, not at the batch time
	Hold               int64                                               // µs; its rows may have event times so far behind the lowest watermark of its inputs (P29)
	Bootstrap          bool                                                // this node keeps a table that is loaded before the streams that read it (P32)
	First              []*Node                                             // inputs that are loaded before the others: states to begin with (P32)
}

// TaskID names a task within a batch: a root node and one of its partitions, or a sink node and one of its lanes.
type TaskID struct {
	Node int `cbor:"1,keyasint"`
	Part int `cbor:"2,keyasint"`
}

// EdgeID names where blocks go: input Input of wide node Node, or a sink node (Input 0).
type EdgeID struct {
	Node  int `cbor:"1,keyasint"`
	Input int `cbor:"2,keyasint"`
}

// Block is the output of one task for one partition or lane of an edge. Rec is nil where there are no rows.
type Block struct {
	Edge EdgeID
	Part int
	From TaskID
	Rec  arrow.Record
	Sum  uint64 // batch.Sum(Rec)
}
