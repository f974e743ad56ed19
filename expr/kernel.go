package expr

import (
	"slices"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
)

// kernel computes one operation for all rows of a frame. The result has f.n values and is the run's: nobody changes it.
type kernel interface {
	eval(f *frame) *col.Vec
}

// maker makes the kernels of expressions that run together over one schema: one for each text.
type maker struct {
	run  *run
	made map[string]kernel
}

func (m *maker) kernel(b *Bound) kernel {
	text := b.expr.String()
	if k := m.made[text]; k != nil {
		return k
	}
	k := b.make(m)
	switch k.(type) {
	case columnKernel, *literalKernel, *once:
	default:
		k = &once{k: k}
	}
	if m.made == nil {
		m.made = map[string]kernel{}
	}
	m.made[text] = k
	return k
}

func (m *maker) kernels(list []*Bound) []kernel {
	out := make([]kernel, len(list))
	for i, b := range list {
		out[i] = m.kernel(b)
	}
	return out
}

// once keeps what a kernel computed for a frame.
type once struct {
	k     kernel
	frame uint64
	v     *col.Vec
}

func (o *once) eval(f *frame) *col.Vec {
	if o.frame != f.id {
		o.v = o.k.eval(f)
		o.frame = f.id
	}
	return o.v
}

// run is the memory of expressions that run together.
type run struct {
	ids    uint64
	batch  *col.Batch
	all    *frame // the batch's rows
	some   *frame // those that count, moved together
	failed []Failure
	used   []*col.Vec // given out in this call
	free   [col.Nested + 1][]*col.Vec
}

// frame is rows to compute for: those of a batch, or some of them moved together. Kernels know dense rows only.
type frame struct {
	run   *run
	id    uint64
	n     int
	batch *col.Batch
	rows  []int32 // the physical rows; nil: all
	taken []*col.Vec
}

func (r *run) begin(b *col.Batch) {
	r.batch, r.failed = b, r.failed[:0]
}

// end takes back all columns but the results. The text of a batch stays alive until the next one comes.
func (r *run) end(results ...*col.Vec) {
	for _, v := range r.used {
		if !slices.ContainsFunc(results, func(res *col.Vec) bool { return res != nil && shares(v, res) }) {
			r.free[v.Kind] = append(r.free[v.Kind], v)
		}
	}
	r.used = r.used[:0]
	r.batch, r.all, r.some = nil, nil, nil
}

// shares tells whether columns share memory. Columns without any do not.
func shares(a, b *col.Vec) bool {
	return a == b || same(a.Bools, b.Bools) || same(a.Ints, b.Ints) || same(a.Uints, b.Uints) || same(a.Floats, b.Floats) || same(a.Texts, b.Texts) ||
		same(a.Decimals, b.Decimals)
}

func same[T any](a, b []T) bool {
	return cap(a) > 0 && unsafe.SliceData(a) == unsafe.SliceData(b)
}

func (r *run) frame(b *col.Batch, rows []int32, n int) *frame {
	r.ids++
	f := &frame{run: r, id: r.ids, n: n, batch: b, rows: rows}
	if b != nil && rows != nil {
		f.taken = make([]*col.Vec, len(b.Cols))
	}
	return f
}

func (r *run) whole() *frame {
	if r.all == nil {
		r.all = r.frame(r.batch, nil, r.batch.N)
	}
	return r.all
}

func (r *run) chosen() *frame {
	if r.some == nil {
		r.some = r.frame(r.batch, r.batch.Sel, len(r.batch.Sel))
	}
	return r.some
}

// narrow is the frame of rows idx of f.
func (f *frame) narrow(idx []int32) *frame {
	if len(idx) == f.n {
		return f
	}
	rows := idx
	if f.rows != nil {
		rows = make([]int32, len(idx))
		for i, j := range idx {
			rows[i] = f.rows[j]
		}
	}
	return f.run.frame(f.batch, rows, len(idx))
}

// vec is a column of values of any content without nulls.
func (f *frame) vec(t arrow.DataType) *col.Vec { return f.run.vec(t, f.n) }

func (r *run) vec(t arrow.DataType, n int) *col.Vec {
	kind, ok := col.KindOf(t)
	assert.True(ok && kind != col.Nested, "a column of %s is not made value by value", t)
	var v *col.Vec
	if list := r.free[kind]; len(list) > 0 {
		v, r.free[kind] = list[len(list)-1], list[:len(list)-1]
	} else {
		v = &col.Vec{Kind: kind}
	}
	v.Type = t
	v.Resize(n)
	r.used = append(r.used, v)
	return v
}

// fail reports row i of f.
func (f *frame) fail(i int, reason string) {
	row := int32(i)
	if f.rows != nil {
		row = f.rows[i]
	}
	f.run.failed = append(f.run.failed, Failure{row, reason})
}

func (r *run) failures() []Failure {
	if len(r.failed) > 1 {
		slices.SortStableFunc(r.failed, func(a, b Failure) int { return int(a.Row) - int(b.Row) })
		r.failed = slices.CompactFunc(r.failed, func(a, b Failure) bool { return a.Row == b.Row })
	}
	return r.failed
}

// spread puts compact values to the places idx of a column of n.
func spread(r *run, v *col.Vec, idx []int32, n int) *col.Vec {
	if v.Kind == col.Nested {
		return &col.Vec{Type: v.Type, Kind: v.Kind, N: n, Array: spreadArray(v.Arrow(), idx, n)}
	}
	out := r.vec(v.Type, n)
	out.Clear()
	out.Put(idx, v)
	return out
}

func spreadArray(a arrow.Array, idx []int32, n int) arrow.Array {
	if len(idx) == 0 {
		return array.MakeArrayOfNull(memory.DefaultAllocator, a.DataType(), n)
	}
	at := make([]int32, n) // rows that do not count are the first again
	for j, i := range idx {
		at[i] = int32(j)
	}
	v := &col.Vec{Type: a.DataType(), Kind: col.Nested, N: a.Len(), Array: a}
	return v.Take(at).Array
}

// columnKernel is a column of the batch.
type columnKernel int

func (k columnKernel) eval(f *frame) *col.Vec {
	c := f.batch.Cols[k]
	if f.rows == nil {
		return c
	}
	if f.taken[k] == nil {
		if c.Kind == col.Nested {
			f.taken[k] = c.Take(f.rows)
		} else {
			f.taken[k] = f.run.vec(c.Type, 0)
			c.TakeInto(f.taken[k], f.rows)
		}
	}
	return f.taken[k]
}

// loop fills out, whose nulls are those of the arguments if the kernel is strict, for f.n rows.
type loop func(f *frame, out *col.Vec, a []*col.Vec)

// loopKernel computes its arguments and then runs a loop.
type loopKernel struct {
	typ    arrow.DataType
	args   []kernel
	in     []*col.Vec
	strict bool
	loop   loop
}

func (k *loopKernel) eval(f *frame) *col.Vec {
	for i, a := range k.args {
		k.in[i] = a.eval(f)
	}
	out := f.vec(k.typ)
	if k.strict {
		for _, v := range k.in {
			orNulls(out, v)
		}
	}
	k.loop(f, out, k.in)
	if k.strict {
		out.ZeroNulls()
	}
	return out
}

// orNulls makes out null where v is.
func orNulls(out, v *col.Vec) {
	null := nullsOf(v)
	switch {
	case null == nil:
	case out.Null == nil:
		out.Null = slices.Clone(null[:out.N])
	default:
		for i, n := range null[:out.N] {
			out.Null[i] = out.Null[i] || n
		}
	}
}

// nullsOf are a column's nulls, nil if it has none.
func nullsOf(v *col.Vec) []bool {
	switch {
	case v.Kind != col.Nested:
		return v.Null
	case v.Parts != nil:
		return v.Parts.Null
	case v.Array.NullN() == 0:
		return v.Null
	}
	null := make([]bool, v.N)
	for i := range null {
		null[i] = v.Array.IsNull(i)
	}
	return null
}

// looped is a function of args that is null where one of them is. partial: elsewhere too.
func looped(t arrow.DataType, args []*Bound, partial bool, l loop) *Bound {
	b := &Bound{typ: t, nullable: partial, make: func(m *maker) kernel {
		return &loopKernel{typ: t, args: m.kernels(args), in: make([]*col.Vec, len(args)), strict: true, loop: l}
	}}
	for _, a := range args {
		b.nullable = b.nullable || a.nullable
		b.careful = b.careful || a.careful
		b.fails = b.fails || a.fails
	}
	return b
}

// free is a function of args whose loop sets all nulls itself.
func free(t arrow.DataType, args []*Bound, nullable bool, l loop) *Bound {
	b := looped(t, args, nullable, l)
	b.nullable = nullable
	b.make = func(m *maker) kernel {
		return &loopKernel{typ: t, args: m.kernels(args), in: make([]*col.Vec, len(args)), loop: l}
	}
	return b
}

// viewed is a function of one argument that gives a column at a time, its memory perhaps that of the argument.
func viewed(t arrow.DataType, arg *Bound, nullable bool, view func(f *frame, v *col.Vec) *col.Vec) *Bound {
	return &Bound{typ: t, nullable: nullable, careful: arg.careful, fails: arg.fails, make: func(m *maker) kernel { return &viewKernel{m.kernel(arg), view} }}
}

type viewKernel struct {
	arg  kernel
	view func(f *frame, v *col.Vec) *col.Vec
}

func (k *viewKernel) eval(f *frame) *col.Vec { return k.view(f, k.arg.eval(f)) }
