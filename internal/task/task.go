package task

import (
	"context"
	"math"
	"slices"

	"github.com/millrace/millrace/internal/state"
)

// ChunkRows is how many source records go through the fused operators at a time: enough to spread the cost of a call,
// few enough that a chunk stays in the cache (512 to 4,096 measure the same). What is computed does not depend on it.
const ChunkRows = 2048

// Chunk is a run of rows between fused operators of one task: Go slices of the node's types. Operators must not
// change a chunk that they were given: other consumers see it too.
type Chunk struct {
	N    int
	Keys any // []K with N elements; nil where the stream has no keys
	Vals any // []V with N elements
}

// Kernel is a narrow operator in one task. A panic in user code passes through; the runtime turns it into a task error with its stack and
// finds the source record by running the chunk's records one by one.
type Kernel interface {
	// Process computes the output rows of a chunk. The result may share memory with in.
	Process(ctx *Context, in Chunk) (Chunk, error)
}

// Finisher is a kernel that holds rows back until all rows of its task have come: what it gives depends on the whole partition.
type Finisher interface {
	Kernel
	// Finish gives the rows that were held back, after the last call of Process, and leaves the kernel as new.
	Finish(ctx *Context) (Chunk, error)
}

// Gatherer is a kernel that puts the rows of several chunks together before it computes, and gives what it computes in chunks of its own: a row goes on some time
// after it came, and which record it came from is not known any more. Process and Finish give the first chunk that is ready, and Next one after the other of those
// behind it. Empty ones end the row.
//
// One that is an io.Closer is closed when its task ends, in whatever way.
type Gatherer interface {
	Finisher
	Next() Chunk
}

// Context is what a kernel may depend on besides its input and its state (I2). Time is the batch time in µs since 1970 UTC.
type Context struct {
	Batch     int64
	Time      int64
	Layout    *Layout
	Partition int            // the task's index: source partition, or reduce partition
	State     *state.Table   // Wide with State: this partition's table, batch begun; otherwise nil
	More      []*state.Table // Wide with More: theirs, begun as State is
	Tables    []*state.Table // Wide with Tables: theirs, at this batch's version, read only
	Final     bool           // the last batch of a finished job (P30)
	Debug     bool           // tests: rows go through columns between all operators, and inputs are checked for mutation (P24)
	Spoil     bool           // tests: columns of a source that all operators of the task copy at once are overwritten then
	Brief     bool           // Source tasks: nobody reads a chunk that an operator gives any more when it is given the next (decision 0038)
	Encoded   bool           // rows for sinks that write them as bytes leave the task as such (rdd.EncodingOutlet); otherwise as columns
	Counters  *Counters
	Outcomes  []Outcome       // by node, ascending: which operators the Late, Ahead and Shed of Counters are about. Pipeline.Finish fills it
	Marks     []Mark          // Wide: by input, its watermarks of event time. Where none of an input's rows has event time they are NoTime
	Mark      Mark            // Wide: the lowest of Marks, inputs without event time left out
	Highs     []int64         // Source tasks: by number of rdd.Plan.Events, the highest event time that the task has met in this batch, NoTime for none
	Tally     *Tally          // what the task adds to accumulators; nil where the plan has none
	Versions  []*Version      // of the plan's broadcasts, those that the batch was planned with
	Wanted    context.Context // is done when nobody wants the task any more, for kernels that wait for others; nil: never. No result depends on it
	Refused   []Refusal       // rows that the kernel which runs leaves out because an expression does not accept them; see Refuse
}

// Waits is the context for calls that wait.
func (c *Context) Waits() context.Context {
	if c.Wanted == nil {
		return context.Background()
	}
	return c.Wanted
}

// Refusal is a row of a chunk that an operator leaves out, and why.
type Refusal struct {
	Row    int32 // physical
	Reason string
}

// Refuse counts a row as bad and has it set aside: whoever runs the kernel looks for its record. Rows are given in ascending order.
func (c *Context) Refuse(row int32, reason string) {
	c.Counters.Bad++
	c.Refused = append(c.Refused, Refusal{row, reason})
}

// Mark is an input's watermark of event time, µs since 1970 UTC: in batch t an operator judges lateness by Before, the one of t−1, takes all rows of t,
// and then finalises by After, the one of t (P29).
type Mark struct{ Before, After int64 }

// Event times that no row has: before any is known, and behind the last.
const (
	NoTime    = math.MinInt64
	EndOfTime = math.MaxInt64
)

// NoMarks are the marks of n inputs without event time. The caller must not change them.
func NoMarks(n int) []Mark {
	if n <= len(noMarks) {
		return noMarks[:n:n]
	}
	return slices.Repeat(noMarks[:1], n)
}

var noMarks = func() (m [8]Mark) {
	for i := range m {
		m[i] = Mark{NoTime, NoTime}
	}
	return m
}()

// Earlier is the event time d µs before at. Times that no row has stay as they are.
func Earlier(at, d int64) int64 {
	if at == NoTime || at == EndOfTime {
		return at
	}
	if at < NoTime+2+d {
		return NoTime + 2 // NoTime + 1 is rdd.Timeline's
	}
	return at - d
}

// Dated is the kernel of a node with event time.
type Dated interface {
	Kernel
	// Date takes the rows without event time out of a chunk, and says what it found in the others. Times above limit count as ahead, and for
	// nothing else.
	Date(in Chunk, limit int64) (out Chunk, found Dates)
}

// Dates is what a chunk's rows have for event times.
type Dates struct {
	Highest int64 // NoTime for none
	Ahead   int64 // rows
	Without int64 // rows
}

// Counters count what a task did; they ride in the accepted result only (P17).
type Counters struct {
	RowsIn, RowsOut, Bad int64
	Late                 int64 // rows that came behind the watermark by which their operator judges
	Ahead                int64 // rows whose event time is too far ahead of the batch time to move a watermark
	Shed                 int64 // rows of state that a limit let go of
}

// Outcome is what became of rows in a task by their event time, for one operator: a task has more of them than its root. Absent where all is 0.
type Outcome struct {
	Node              int
	Late, Ahead, Shed int64 // as in Counters
}
