package ops

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// ToColumns makes columns of rows; val is their codec, and read marks the columns that are made, nil: all. Rows that are columns already stay as they are.
func ToColumns(val *row.Codec, read []bool) func() task.Kernel {
	return func() task.Kernel {
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			if _, ok := in.Vals.(*col.Batch); ok {
				return in, nil
			}
			return task.Chunk{N: in.N, Vals: val.Batch(in.Vals, nil, read)}, nil
		})
	}
}

// ToRows makes rows of type T of columns.
func ToRows[T any](val *row.Codec) func() task.Kernel {
	return func() task.Kernel {
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			return task.Chunk{N: in.N, Vals: val.FromBatch(in.Vals.(*col.Batch)).([]T)}, nil
		})
	}
}

// ToKeys takes the columns of which keys are made, and of which values.
func ToKeys(keys, vals []int) func() task.Kernel {
	return func() task.Kernel {
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			b := in.Vals.(*col.Batch)
			return task.Chunk{N: in.N, Keys: b.Choose(keys), Vals: b.Choose(vals)}, nil
		})
	}
}

// ToKeyedRows makes keys of type K and values of type V of columns.
func ToKeyedRows[K, V any](key, val *row.Codec) func() task.Kernel {
	return func() task.Kernel {
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			keys, vals := key.FromBatch(in.Keys.(*col.Batch)), val.FromBatch(in.Vals.(*col.Batch))
			return task.Chunk{N: in.N, Keys: keys.([]K), Vals: vals.([]V)}, nil
		})
	}
}

// Select computes columns; schema is that of the result. read marks the columns that are computed, nil: all; those that may fail rows always are. Rows that an expression does not accept are left
// out and set aside.
func Select(schema *arrow.Schema, columns []*expr.Bound, read []bool) func() task.Kernel {
	computed := slices.Clone(columns)
	for i := range computed {
		if c := computed[i]; read != nil && !read[i] && (c == nil || !c.MayFail()) {
			computed[i] = nil
		}
	}
	return func() task.Kernel {
		evals := expr.NewEvals(computed)
		return KernelFunc(func(ctx *task.Context, in task.Chunk) (task.Chunk, error) {
			b := in.Vals.(*col.Batch)
			out := &col.Batch{Schema: schema, N: b.N, Sel: b.Sel, Cols: evals.Vecs(b, make([]*col.Vec, 0, len(computed)))}
			out = without(ctx, out, evals.Failed())
			return task.Chunk{N: out.Len(), Vals: out}, nil
		})
	}
}

// refuse sets aside the rows that failed.
func refuse(ctx *task.Context, failed []expr.Failure) {
	for _, f := range failed {
		ctx.Refuse(f.Row, f.Reason)
	}
}

// Accept lets the rows pass that all expressions accept, and sets the others aside.
func Accept(list []*expr.Bound) func() task.Kernel {
	return func() task.Kernel {
		evals := expr.NewEvals(list)
		var values []*col.Vec // of no use
		return KernelFunc(func(ctx *task.Context, in task.Chunk) (task.Chunk, error) {
			b := in.Vals.(*col.Batch)
			values = evals.Vecs(b, values[:0])
			out := without(ctx, b, evals.Failed())
			return task.Chunk{N: out.Len(), Vals: out}, nil
		})
	}
}

// without is b without the rows that failed, which it sets aside.
func without(ctx *task.Context, b *col.Batch, failed []expr.Failure) *col.Batch {
	if len(failed) == 0 {
		return b
	}
	refuse(ctx, failed)
	kept := make([]int32, 0, b.Len())
	keep := func(row int32) {
		if len(failed) > 0 && failed[0].Row == row {
			failed = failed[1:]
			return
		}
		kept = append(kept, row)
	}
	if b.Sel != nil {
		for _, row := range b.Sel {
			keep(row)
		}
	} else {
		for row := range b.N {
			keep(int32(row))
		}
	}
	return b.Where(kept)
}

// Where keeps the rows for which the condition is true. Rows that it does not accept are set aside.
func Where(condition *expr.Bound) func() task.Kernel {
	return func() task.Kernel {
		eval := condition.Eval()
		return KernelFunc(func(ctx *task.Context, in task.Chunk) (task.Chunk, error) {
			b := in.Vals.(*col.Batch)
			idx := eval.Where(b, make([]int32, 0, in.N))
			refuse(ctx, eval.Failed())
			return task.Chunk{N: len(idx), Vals: b.Where(idx)}, nil
		})
	}
}

// SameColumns is nil if columns of schema from can be read as rows of c: the same types by place, under the same names; a scalar has none. A column that is
// never null may be read as one that can be.
func SameColumns(from *arrow.Schema, c *row.Codec) error {
	to := c.Schema()
	for i := range max(from.NumFields(), to.NumFields()) {
		switch {
		case i >= from.NumFields():
			return fmt.Errorf("column %q is missing", to.Field(i).Name)
		case i >= to.NumFields():
			return fmt.Errorf("column %q has no field", from.Field(i).Name)
		}
		f, t := from.Field(i), to.Field(i)
		if f.Name != t.Name && !c.Scalar() || !arrow.TypeEqual(f.Type, t.Type) || f.Nullable && !t.Nullable {
			return fmt.Errorf("column %d is %q, the field wants %q", i+1, row.FieldsText([]arrow.Field{f}), row.FieldsText([]arrow.Field{t}))
		}
	}
	return nil
}
