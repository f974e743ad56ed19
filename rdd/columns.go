package rdd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/ops"
)

// Columns is what a node whose input is columns says about them, so that nobody makes those that are not read. A node without it reads all columns of its
// inputs, and makes all of its result's.
type Columns struct {
	// Reads marks the columns of input i that are read to make the columns out of the result; all of one length with their schemas. It gives a new slice.
	Reads func(i int, out []bool) []bool
	// Kernel is Node.Kernel for a result in which only the columns out are needed: the others are nil in its batches. nil: Node.Kernel does for all.
	Kernel func(out []bool) func() Kernel
	// Fewer is, of a wide node, the operator for a result in which only the columns out are needed, over inputs that have only the columns that Reads marks: its blocks
	// have these and no others. gives are the numbers of the result's columns that its chunks have; those of out are among them. nil: blocks have all columns that
	// Wide.Inputs says, whether they are needed or not.
	Fewer func(out []bool) (how ops.Shuffle, gives []int)
	// Where, for a filter, is its condition. The columns of the result are those of the input.
	Where *expr.Bound
	// Entry tells that the input is rows, or columns of the same schema: a source may give columns itself.
	Entry bool
	// Brief tells, of a narrow node, that its kernel keeps nothing of a chunk once Process has returned, Node.Exprs that keep what they are given apart. What it gives
	// may share memory with the chunk.
	Brief bool
	// InPlace tells, of a narrow node, that a row of its result stands at the physical place of the row that it was made of.
	InPlace bool
}

// Projection is what a job wants of a source's rows.
type Projection struct {
	Read  []bool        // by column of the rows' schema: whether it is read
	Where []*expr.Bound // bound to that schema: rows for which one of them is not true are not wanted
}

// Projecting is a Leaf that may be able to give columns instead of rows.
type Projecting interface {
	Leaf
	// Projects tells whether it is.
	Projects() bool
	// NewProjected makes a decoder for one task whose chunks are *col.Batch of the rows' schema, with the columns that are read, nil in place of the others, and
	// with the wanted rows only. Bad records are those of NewDecoder, for the same reasons.
	NewProjected(p Projection) Decoder
}

// project computes which columns of Frames are read, and tells kernels and sources. What is computed does not change, and so neither does the plan's text;
// only Explain has it.
func (p *Plan) project() {
	for _, n := range p.Nodes {
		if n.Kind != Hole {
			n.decoders, n.kernel, n.reads = nil, nil, ""
			if n.whole != nil {
				n.Wide, n.whole = n.whole, nil
			}
		}
	}
	pushed := map[*Node][]*Node{} // source -> filters that it applies itself
	for _, s := range p.Sources {
		if !projecting(s) {
			continue
		}
		pushed[s] = leading(s)
		for _, filter := range pushed[s] {
			filter.kernel = handOn
		}
	}
	live := make([][]bool, len(p.Nodes))
	for i := len(p.Nodes) - 1; i >= 0; i-- {
		n := p.Nodes[i]
		if n.Kind == Hole || n.Kind == Sink || n.Val == nil {
			continue
		}
		live[i] = n.live(live)
		if n.Kind == Narrow && n.Facts != "" && n.Cols != nil {
			n.reads = ", " + readsText(n.In[0].Val.Schema(), n.Cols.Reads(0, live[i]))
		}
		switch {
		case n.Kind == Source && projecting(n):
			n.projected(live[i], pushed[n])
		case n.Cols != nil && n.Cols.Kernel != nil && slices.Contains(live[i], false):
			n.kernel = n.Cols.Kernel(live[i])
		case n.Kind == Wide && n.Cols != nil && n.Cols.Fewer != nil:
			n.shuffleFewer(live[i])
		}
	}
}

// projecting tells whether a source can give columns, and all that reads it wants them.
func projecting(s *Node) bool {
	if leaf, ok := s.Leaf.(Projecting); !ok || !leaf.Projects() || len(s.Out) == 0 || s.Val == nil {
		return false
	}
	for _, to := range s.Out {
		if to.Cols == nil || !to.Cols.Entry {
			return false
		}
	}
	return true
}

// leading are the filters behind a source that it can apply itself: nothing else sees the rows that they drop, and they read columns that are the source's own.
func leading(s *Node) []*Node {
	if len(s.Out) != 1 {
		return nil
	}
	own := map[string]bool{}
	for _, f := range s.Val.Schema().Fields() {
		own[f.Name] = true
	}
	var filters []*Node
	for n := s.Out[0]; len(n.Out) == 1; {
		if n = n.Out[0]; n.Kind != Narrow || n.Cols == nil || n.Event != nil || len(n.In) != 1 || slices.ContainsFunc(n.Exprs, (*expr.Bound).MayFail) ||
			slices.ContainsFunc(n.Exprs, (*expr.Bound).CallsUsers) {
			break // rows that are dropped move watermarks before, and those that fail are counted: neither fewer nor more of them may be. Users may keep texts that lie in a block
		}
		if n.Cols.Where == nil {
			own = untouched(n, own)
			continue
		}
		if !slices.ContainsFunc(n.Cols.Where.Expr().Columns(), func(name string) bool { return !own[name] }) {
			filters = append(filters, n)
		}
	}
	return filters
}

// untouched are those of the columns own that n hands on as they are, under their names.
func untouched(n *Node, own map[string]bool) map[string]bool {
	left := map[string]bool{}
	for _, e := range n.Exprs {
		if name, ok := e.Expr().Column(); ok && own[name] && e.Expr().Name() == name {
			left[name] = true
		}
	}
	return left
}

// live marks the columns of n's rows that somebody reads; live has those of the nodes that read n.
func (n *Node) live(live [][]bool) []bool {
	read := make([]bool, n.Val.Schema().NumFields())
	for _, to := range n.Out {
		for i, in := range to.In {
			switch {
			case in != n:
			case to.Cols == nil:
				mark(read, nil)
			case to.Cols.Where != nil && to.kernel != nil: // the source has done it
				mark(read, live[to.ID])
			default:
				mark(read, to.Cols.Reads(i, live[to.ID]))
			}
		}
	}
	if len(n.Out) == 0 {
		mark(read, nil)
	}
	return read
}

// mark adds the columns more (nil: all) to read.
func mark(read, more []bool) {
	for i := range read {
		read[i] = read[i] || more == nil || more[i]
	}
}

// projected makes a source give columns.
func (s *Node) projected(read []bool, filters []*Node) {
	pr := Projection{Read: read}
	seen := slices.Clone(read)
	for _, f := range filters {
		bound := rebound(s.Val.Schema(), []*expr.Bound{f.Cols.Where})[0]
		pr.Where = append(pr.Where, bound)
		mark(seen, marked(s, bound))
	}
	leaf := s.Leaf.(Projecting)
	s.decoders = &decoders{new: func() Decoder { return leaf.NewProjected(pr) }}
	s.reads = ", " + readsText(s.Val.Schema(), seen)
	for i, w := range pr.Where {
		s.reads += [...]string{", where ", " and "}[min(i, 1)] + w.Expr().String()
	}
}

// ReadBy is what a node says that reads only what expressions over its only input read, whatever of its result is wanted; for packages that make operators.
func ReadBy(in *Node, list ...*expr.Bound) *Columns {
	return &Columns{Reads: func(int, []bool) []bool { return marked(in, list...) }}
}

// marked are the columns of n's rows that expressions read.
func marked(n *Node, list ...*expr.Bound) []bool {
	read := make([]bool, n.Val.Schema().NumFields())
	for _, b := range list {
		for _, name := range b.Expr().Columns() {
			for _, i := range n.Val.Schema().FieldIndices(name) {
				read[i] = true
			}
		}
	}
	return read
}

func readsText(schema *arrow.Schema, read []bool) string {
	var names []string
	for i, f := range schema.Fields() {
		if read[i] {
			names = append(names, f.Name)
		}
	}
	text := "reads nothing"
	if len(names) > 0 {
		text = "reads " + strings.Join(names, ", ")
	}
	return text + fmt.Sprintf(" of %d columns", len(read))
}

// newDecoder makes a source's decoder for one task.
func (n *Node) newDecoder() Decoder {
	if n.decoders != nil {
		return n.decoders.take()
	}
	return n.Leaf.NewDecoder()
}

// newKernel makes a narrow node's kernel for one task.
func (n *Node) newKernel() Kernel {
	if n.kernel != nil {
		return n.kernel()
	}
	return n.Kernel()
}
