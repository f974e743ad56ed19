package rdd

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
)

// shuffleFewer makes a wide node one whose blocks have only the columns that are read. It does not change what the node computes, nor its place in the plan's text; blocks
// live no longer than their batch is in flight, so that another version of the program may read other columns.
func (n *Node) shuffleFewer(out []bool) {
	read, all := make([][]bool, len(n.In)), !slices.Contains(out, false)
	for i, in := range n.In {
		if read[i] = n.Cols.Reads(i, out); read[i] == nil {
			read[i] = slices.Repeat([]bool{true}, in.Val.Schema().NumFields())
		}
		all = all && !slices.Contains(read[i], false)
	}
	if all {
		return
	}
	how, gives := n.Cols.Fewer(out)
	w := *n.Wide
	w.Inputs, w.New = slices.Clone(how.Inputs), how.New
	for i, input := range w.Inputs {
		if !slices.Contains(read[i], false) {
			continue
		}
		numbers := col.Marked(read[i])
		w.Inputs[i].New = func() Writer { return &choosingWriter{input.New(), numbers} }
		n.reads += ", " + readsText(n.In[i].Val.Schema(), read[i])
		if len(n.In) > 1 {
			n.reads += fmt.Sprintf(" of input %d", i)
		}
	}
	if schema := n.Val.Schema(); len(gives) < schema.NumFields() {
		w.New = func() Reducer { return &spreadingReducer{how.New(), schema, gives} }
	}
	n.whole, n.Wide = n.Wide, &w
}

// choosingWriter hands a writer some of the columns of its input.
type choosingWriter struct {
	Writer
	numbers []int
}

// Add takes a chunk of the input's rows.
func (w *choosingWriter) Add(ctx *Context, in Chunk) error {
	in.Vals = in.Vals.(*col.Batch).Choose(w.numbers)
	return w.Writer.Add(ctx, in)
}

// spreadingReducer puts the columns that a reducer gives at their places among those of its node.
type spreadingReducer struct {
	Reducer
	schema  *arrow.Schema
	numbers []int
}

// Reduce computes a partition of the batch.
func (r *spreadingReducer) Reduce(ctx *Context, in [][]Record, emit func(Chunk) error) error {
	return r.Reducer.Reduce(ctx, in, func(c Chunk) error {
		c.Vals = c.Vals.(*col.Batch).Spread(r.schema, r.numbers)
		return emit(c)
	})
}
