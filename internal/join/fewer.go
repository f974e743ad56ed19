package join

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/task"
)

// A join of which not all columns are read is made of fewer columns: the same join over sides that lack those which nothing needs, whose results lack them too.

// Reads marks the columns of a side that are read to make the columns out of the result: what the key, the condition and these columns are made of.
func (s *Spec) Reads(side int, out []bool) []bool {
	read := make([]bool, s.Sides[side].Schema.NumFields())
	for _, k := range s.Sides[side].Keys {
		markNames(read, s.Sides[side].Schema, k.Expr().Columns())
	}
	for i, needed := range s.pairColumns(out) {
		if at := s.From[i].of(side); needed && at >= 0 {
			read[at] = true
		}
	}
	return read
}

// of is the place of a column on a side.
func (f Source) of(side int) int { return [2]int{f.Left, f.Right}[side] }

// pairColumns marks the columns of Both that are needed for the columns out of the result, and for the condition.
func (s *Spec) pairColumns(out []bool) []bool {
	needed := make([]bool, len(s.From))
	copy(needed, out) // a result without pairs has the left side's columns, which are Both's first
	if s.If != nil {
		markNames(needed, s.Both, s.If.Expr().Columns())
	}
	return needed
}

func markNames(marks []bool, schema *arrow.Schema, names []string) {
	for _, name := range names {
		for _, i := range schema.FieldIndices(name) {
			marks[i] = true
		}
	}
}

// Fewer is s over sides that have only the columns that Reads marks, and the numbers of those columns of the result that it gives: those of out are among them.
func (s *Spec) Fewer(out []bool) (fewer *Spec, gives []int) {
	return s.fewer(out, [2][]bool{s.Reads(0, out), s.Reads(1, out)})
}

// fewer is Fewer for sides of the columns read, those that s needs among them. A side whose key is not read has none.
func (s *Spec) fewer(out []bool, read [2][]bool) (*Spec, []int) {
	f := *s
	var places [2][]int
	for i := range f.Sides {
		numbers := col.Marked(read[i])
		places[i] = placesOf(numbers, len(read[i]))
		f.Sides[i].Schema = chooseFields(s.Sides[i].Schema, numbers)
		f.Sides[i].Keys = rebound(f.Sides[i].Schema, s.Sides[i].Keys)
	}
	gives := col.Marked(s.pairColumns(out))
	f.Both, f.From = chooseFields(s.Both, gives), nil
	for _, c := range gives {
		from := Source{-1, -1}
		if at := s.From[c].Left; at >= 0 {
			from.Left = places[0][at]
		}
		if at := s.From[c].Right; at >= 0 {
			from.Right = places[1][at]
		}
		f.From = append(f.From, from)
	}
	if s.If != nil {
		f.If = rebound(f.Both, []*expr.Bound{s.If})[0]
	}
	if f.Out = f.Both; !s.Kind.Pairs() {
		f.Out, gives = f.Sides[0].Schema, col.Marked(read[0])
	}
	return &f, gives
}

// placesOf are the places at which 0 to n-1 stand in numbers, -1 for none.
func placesOf(numbers []int, n int) []int {
	places := slices.Repeat([]int{-1}, n)
	for i, c := range numbers {
		places[c] = i
	}
	return places
}

func chooseFields(s *arrow.Schema, numbers []int) *arrow.Schema {
	fields := make([]arrow.Field, len(numbers))
	for i, n := range numbers {
		fields[i] = s.Field(n)
	}
	return arrow.NewSchema(fields, nil)
}

// rebound are expressions bound to a schema that has the columns of them.
func rebound(schema *arrow.Schema, list []*expr.Bound) []*expr.Bound {
	var out []*expr.Bound
	for _, b := range list {
		again, err := expr.Bind(schema, b.Expr())
		assert.True(err == nil, "%s over fewer columns: %v", b.Expr(), err)
		out = append(out, again)
	}
	return out
}

// FewerInBatch is InBatch of which only the columns out are read.
func FewerInBatch(s *Spec, out []bool) (ops.Shuffle, []int) {
	f, gives := s.Fewer(out)
	return InBatch(f), gives
}

// Fewer is the join of which only the columns out are read: those of the table that nothing needs are not taken from it either.
func (w *WithTable) Fewer(out []bool) (ops.Shuffle, []int) {
	s := w.Spec
	s.Sides[1].Keys = nil // the table knows its rows by key, so that the key's columns need not be there
	s.From = slices.Clone(s.From)
	for i, from := range s.From {
		if from.Left >= 0 {
			s.From[i].Right = -1 // there is a left row always
		}
	}
	read := [2][]bool{s.Reads(0, out), s.Reads(1, out)}
	f, gives := s.fewer(out, read)
	fewer := &WithTable{Spec: *f, View: w.View.choose(col.Marked(read[1]))}
	return ops.Shuffle{Inputs: fewer.Inputs(), New: fewer.New}, gives
}

// Fewer is the kernel for a result in which only the columns out are needed: the others are nil.
func (l *Lookup) Fewer(out []bool) func() task.Kernel {
	f := *l
	every := func(side int) []bool { return slices.Repeat([]bool{true}, l.Sides[side].Schema.NumFields()) }
	s, gives := l.fewer(out, [2][]bool{every(0), every(1)})
	f.Spec = *s
	return func() task.Kernel {
		k := f.Kernel()
		return ops.KernelFunc(func(ctx *task.Context, in task.Chunk) (task.Chunk, error) {
			c, err := k.Process(ctx, in)
			if err == nil {
				c.Vals = c.Vals.(*col.Batch).Spread(l.Out, gives)
			}
			return c, err
		})
	}
}
