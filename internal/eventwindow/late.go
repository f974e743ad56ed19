package eventwindow

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// Late rows are a second output of an operator: those that it has counted as late, as they came. The operator then has the rows as a second input, and gives one stream of
// both: a flag, the columns of results, and those of rows, in which the others are null. Results and LateRows take it apart.

// Both is the schema of that stream.
func Both(results, rows *arrow.Schema) *arrow.Schema {
	fields := []arrow.Field{{Name: "_late", Type: arrow.FixedWidthTypes.Boolean}}
	for _, f := range results.Fields() {
		f.Nullable = true
		fields = append(fields, f)
	}
	for _, f := range rows.Fields() {
		f.Name, f.Nullable = "late "+f.Name, true
		fields = append(fields, f)
	}
	return arrow.NewSchema(fields, nil)
}

// WithLate makes a an operator that gives late rows too. It comes before Input and New.
func (a *Aggregation) WithLate() error {
	if !a.Spec.Timed() || a.Spec.Batch {
		return errNeverLate
	}
	var err error
	if a.owner, err = keyCodec(ownerFields(a.names)); err != nil {
		return err
	}
	a.Both = Both(a.Out, a.Rows)
	return nil
}

type lateError string

func (e lateError) Error() string { return string(e) }

const errNeverLate = lateError("no row is ever late for these windows")

// LateInput is the second input of an operator that gives late rows.
func (a *Aggregation) LateInput() task.Input { return RowInput(a.Rows, a.owner, a.Keys) }

// emitting is emit for results of an operator that may give late rows too.
func (a *Aggregation) emitting(emit func(task.Chunk) error) func(task.Chunk) error {
	if a.Both == nil {
		return emit
	}
	return func(c task.Chunk) error {
		b := c.Vals.(*col.Batch).Dense()
		return emit(both(a.Both, false, b, 1))
	}
}

// both is columns as rows of a stream of both: from column at on.
func both(schema *arrow.Schema, late bool, b *col.Batch, at int) task.Chunk {
	cols := make([]*col.Vec, schema.NumFields())
	flag := col.New(arrow.FixedWidthTypes.Boolean, b.N)
	for i := range flag.Bools {
		flag.Bools[i] = late
	}
	cols[0] = flag
	for i := 1; i < len(cols); i++ {
		if i >= at && i < at+len(b.Cols) {
			cols[i] = b.Cols[i-at]
		} else {
			cols[i] = nullVec(schema.Field(i).Type, b.N)
		}
	}
	return task.Chunk{N: b.N, Vals: col.Of(schema, b.N, cols...)}
}

// nullVec is a column of nulls.
func nullVec(t arrow.DataType, n int) *col.Vec {
	if kind, _ := col.KindOf(t); kind == col.Nested {
		return col.FromArray(col.Nothing(t, n))
	}
	v := col.New(t, n)
	v.Null = make([]bool, n)
	for i := range n {
		v.SetNull(i)
	}
	return v
}

// Part takes the results of a stream of both, or the late rows: the columns of schema, from column at on.
func Part(schema *arrow.Schema, late bool, at int) func() task.Kernel {
	return func() task.Kernel {
		return ops.KernelFunc(func(_ *task.Context, in task.Chunk) (task.Chunk, error) {
			b := in.Vals.(*col.Batch)
			idx := make([]int32, 0, in.N)
			rows(b, func(i int32) {
				if b.Cols[0].Bools[i] == late {
					idx = append(idx, i)
				}
			})
			out := &col.Batch{Schema: schema, N: b.N, Sel: idx, Cols: b.Cols[at : at+schema.NumFields()]}
			return task.Chunk{N: len(idx), Vals: out}, nil
		})
	}
}

// lateRows gives the rows of a second input for which judge says so, and those without a time. times are those of the rows, 0 where there is none.
func (a *Aggregation) lateRows(in []arrow.Record, emit func(task.Chunk) error, judge func(b *col.Batch, times []int64, late []bool) error) error {
	if a.Both == nil {
		return nil
	}
	time := a.Time.Eval()
	for _, rec := range in {
		b := col.FromRecord(rec)
		v := time.Vec(b)
		times, late := make([]int64, b.N), make([]bool, b.N)
		for i := range times {
			times[i] = min(max(v.Ints[i]+a.Shift, -maxTime), maxTime)
		}
		if err := judge(b, times, late); err != nil {
			return err
		}
		idx := make([]int32, 0, 16)
		for i := range late {
			if late[i] || v.IsNull(i) {
				idx = append(idx, int32(i))
			}
		}
		if len(idx) == 0 {
			continue
		}
		if err := emit(both(a.Both, true, b.Where(idx).Dense(), 1+a.Out.NumFields())); err != nil {
			return err
		}
	}
	return nil
}

// late says which rows no window takes any more.
func (r *reducer) late(b *col.Batch, times []int64, late []bool) error {
	panes := make([]int64, len(times))
	r.windows.Panes(times, panes)
	var list []int64
	for i, p := range panes {
		if list = r.windows.Windows(p, list[:0]); len(list) > 0 {
			late[i] = passed(r.windows.End(list[len(list)-1]), r.Emit.Lateness, r.mark.Before)
		}
	}
	return nil
}

// lateOf says which rows belong to sessions that were late as a whole.
func (r *sessions) lateOf(runs []run) func(b *col.Batch, times []int64, late []bool) error {
	var keys []*expr.Eval
	of := map[int32][]run{}
	for _, n := range runs {
		of[n.key] = append(of[n.key], n)
	}
	return func(b *col.Batch, times []int64, late []bool) error {
		if len(runs) == 0 {
			return nil
		}
		if keys == nil {
			keys = evals(r.Keys)
		}
		k, idx := &row.Keys{}, make([]int32, b.N)
		r.owner.AppendVecKeys(ownerCols(keys, b), nil, k)
		r.s.Dict.Find(k, idx)
		for i, key := range idx {
			for _, n := range of[key] {
				late[i] = late[i] || n.start <= times[i] && times[i]+r.Spec.Size <= n.end
			}
		}
		return nil
	}
}
