package ops

import (
	"fmt"

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

// Select computes columns; schema is that of the result. read marks the columns that are computed, nil: all.
func Select(schema *arrow.Schema, columns []*expr.Bound, read []bool) func() task.Kernel {
	return func() task.Kernel {
		evals := make([]*expr.Eval, len(columns))
		for i, c := range columns {
			if read == nil || read[i] {
				evals[i] = c.Eval()
			}
		}
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			b := in.Vals.(*col.Batch)
			out := &col.Batch{Schema: schema, N: b.N, Sel: b.Sel, Cols: make([]*col.Vec, len(evals))}
			for i, e := range evals {
				if e != nil {
					out.Cols[i] = e.Vec(b)
				}
			}
			return task.Chunk{N: in.N, Vals: out}, nil
		})
	}
}

// Where keeps the rows for which the condition is true.
func Where(condition *expr.Bound) func() task.Kernel {
	return func() task.Kernel {
		eval := condition.Eval()
		return KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			b := in.Vals.(*col.Batch)
			idx := eval.Where(b, make([]int32, 0, in.N))
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
