package join

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/task"
)

// Late rows are a second output of joins that judge lateness: those that they count, as they came. Such a join then gives one stream of both: what a row is, and the columns of
// both sides. ResultPart and LatePart take it apart.

const whole = "what it is" // column: 0 a result, 1 a late row of the left side, 2 of the right

// WithLate makes s a join that gives late rows too. It comes behind Prepare and before New.
func (s *Spec) WithLate() {
	fields := []arrow.Field{{Name: whole, Type: arrow.PrimitiveTypes.Int8}}
	for _, f := range s.Both.Fields() {
		f.Nullable = true
		fields = append(fields, f)
	}
	s.Stream = arrow.NewSchema(fields, nil)
}

// results is emit for results of a join that may give late rows too.
func (s *Spec) results(emit func(task.Chunk) error) func(task.Chunk) error {
	if s.Stream == nil {
		return emit
	}
	return func(c task.Chunk) error {
		b := c.Vals.(*col.Batch).Dense()
		if !s.Kind.Pairs() {
			b = s.beside(0, b, numbered(b.N))
		}
		return emit(s.streamed(0, b))
	}
}

// lateRows gives rows idx of a side, if somebody reads late rows.
func (s *Spec) lateRows(side int, b *col.Batch, idx []int32, emit func(task.Chunk) error) error {
	for s.Stream != nil && len(idx) > 0 {
		n := min(len(idx), task.ChunkRows)
		if err := emit(s.streamed(int64(1+side), s.beside(side, b, idx[:n]))); err != nil {
			return err
		}
		idx = idx[n:]
	}
	return nil
}

// beside are rows idx of one side beside nulls.
func (s *Spec) beside(side int, b *col.Batch, idx []int32) *col.Batch {
	none := make([]int32, len(idx))
	for i := range none {
		none[i] = -1
	}
	if side == 0 {
		return s.rows(b, emptyBatch(s.Sides[1].Schema), idx, none)
	}
	return s.rows(emptyBatch(s.Sides[0].Schema), b, none, idx)
}

// streamed are rows of both sides in the stream of results and late rows.
func (s *Spec) streamed(what int64, b *col.Batch) task.Chunk {
	flag := col.New(arrow.PrimitiveTypes.Int8, b.N)
	for i := range flag.Ints {
		flag.Ints[i] = what
	}
	return task.Chunk{N: b.N, Vals: col.Of(s.Stream, b.N, append([]*col.Vec{flag}, b.Cols...)...)}
}

// ResultPart takes the results of a join, whether it gives late rows too or not.
func (s *Spec) ResultPart() task.Kernel {
	if s.Stream == nil {
		return ops.Pass()
	}
	at := make([]int, s.Out.NumFields())
	for i := range at {
		at[i] = 1 + i
	}
	return part(0, s.Out, at)
}

// LatePart takes the late rows of a side.
func (s *Spec) LatePart(side int) func() task.Kernel {
	return func() task.Kernel {
		at := make([]int, s.Sides[side].Schema.NumFields())
		for i, from := range s.From {
			if c := [2]int{from.Left, from.Right}[side]; c >= 0 {
				at[c] = 1 + i
			}
		}
		return part(int64(1+side), s.Sides[side].Schema, at)
	}
}

// part takes the rows that are what, under a schema, whose columns are those at places at.
func part(what int64, schema *arrow.Schema, at []int) task.Kernel {
	return ops.KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
		b := in.Vals.(*col.Batch).Dense()
		idx := make([]int32, 0, b.N)
		for i, w := range b.Cols[0].Ints[:b.N] {
			if w == what {
				idx = append(idx, int32(i))
			}
		}
		out := &col.Batch{Schema: schema, N: b.N, Sel: idx}
		for _, c := range at {
			out.Cols = append(out.Cols, b.Cols[c])
		}
		return task.Chunk{N: len(idx), Vals: out}, nil
	})
}
