package expr

import (
	"slices"
	"unsafe"

	"github.com/millrace/millrace/internal/col"
)

// Eval is a bound expression with memory for one task. One goroutine at a time.
type Eval struct {
	run   *run
	all   value
	parts []value // of a condition
}

// value is a kernel and when it may be run.
type value struct {
	kernel  kernel
	careful bool
}

// Eval is a new evaluator.
func (b *Bound) Eval() *Eval { return b.evalWith(&maker{run: &run{}}) }

func (b *Bound) evalWith(m *maker) *Eval {
	e := &Eval{run: m.run, all: value{m.kernel(b), b.careful}}
	for _, p := range b.conjuncts() {
		e.parts = append(e.parts, value{m.kernel(p), p.careful})
	}
	return e
}

func (b *Bound) conjuncts() []*Bound {
	if b.parts == nil {
		return []*Bound{b}
	}
	var all []*Bound
	for _, p := range b.parts {
		all = append(all, p.conjuncts()...)
	}
	return all
}

// Failure is a row that an expression does not accept: a Cast that is not possible, an error of a user's function.
type Failure struct {
	Row    int32 // physical
	Reason string
}

// Vec computes the expression for the rows of b that count. Values stand at the rows' physical places; those of other rows are of any content. The
// result is the caller's: the evaluator does not use it again, but it may be a column of b itself.
func (e *Eval) Vec(b *col.Batch) *col.Vec {
	e.run.begin(b)
	v := e.vec(b)
	e.run.end(v)
	return v
}

// Lend is Vec for who is done with the result when the evaluator is used again: then its memory is, too.
func (e *Eval) Lend(b *col.Batch) *col.Vec {
	e.run.begin(b)
	v := e.vec(b)
	e.run.end()
	return v
}

func (e *Eval) vec(b *col.Batch) *col.Vec {
	if !e.run.selective(b, e.all.careful, len(b.Sel)) {
		return e.all.kernel.eval(e.run.whole())
	}
	f := e.run.chosen()
	if k, ok := e.all.kernel.(columnKernel); ok {
		return b.Cols[k]
	}
	return spread(e.run, e.all.kernel.eval(f), b.Sel, b.N)
}

// selective tells whether an expression is computed for chosen rows of b only, which are moved together: always if it is careful, else where
// they are few.
func (r *run) selective(b *col.Batch, careful bool, rows int) bool {
	return b.Sel != nil && (careful || rows*4 < b.N)
}

// Failed are the rows that the last call of Vec, Where or Vecs did not accept, ascending, each with its first reason. What is computed for them is
// null, or of any content; Where leaves them out.
func (e *Eval) Failed() []Failure { return e.run.failures() }

// Where appends the numbers of the physical rows of b that count and for which the expression, a boolean, is true to idx, ascending. Parts of a conjunction are
// computed one after another, each for the rows that are left.
func (e *Eval) Where(b *col.Batch, idx []int32) []int32 {
	e.run.begin(b)
	rows, start := b.Sel, len(idx)
	for i, p := range e.parts {
		if i > 0 {
			rows = idx[start:]
			if len(rows) == 0 {
				break
			}
		}
		idx = e.run.pass(b, p, rows, idx[:start])
	}
	e.run.end()
	if failed := e.Failed(); len(failed) > 0 {
		kept := slices.DeleteFunc(idx[start:], func(i int32) bool {
			_, bad := slices.BinarySearchFunc(failed, i, func(f Failure, i int32) int { return int(f.Row) - int(i) })
			return bad
		})
		idx = idx[:start+len(kept)]
	}
	return idx
}

// pass appends those of rows (nil: all of b), which idx may be a prefix of, for which p is true.
func (r *run) pass(b *col.Batch, p value, rows, idx []int32) []int32 {
	if rows == nil {
		return truths(p.kernel.eval(r.whole()).Bools[:b.N], idx)
	}
	if !p.careful && len(rows)*4 >= b.N {
		v := p.kernel.eval(r.whole()).Bools
		for _, i := range rows {
			if v[i] {
				idx = append(idx, i)
			}
		}
		return idx
	}
	v := p.kernel.eval(r.frame(b, rows, len(rows))).Bools
	for j, i := range rows {
		if v[j] {
			idx = append(idx, i)
		}
	}
	return idx
}

// truths appends where b is true. Nulls are false there.
func truths(b []bool, idx []int32) []int32 {
	at := len(idx)
	idx = slices.Grow(idx, len(b))[:at+len(b)]
	for i, t := range b {
		idx[at] = int32(i)
		at += int(*(*uint8)(unsafe.Pointer(&t)))
	}
	return idx[:at]
}

// Evals are several expressions that are computed over the same batches: what they have in common is computed once.
type Evals struct {
	run  *run
	list []*Eval
}

// NewEvals is an evaluator of a list, in which nil stands for nothing. One goroutine at a time.
func NewEvals(list []*Bound) *Evals {
	m := &maker{run: &run{}}
	e := &Evals{run: m.run, list: make([]*Eval, len(list))}
	for i, b := range list {
		if b != nil {
			e.list[i] = b.evalWith(m)
		}
	}
	return e
}

// Vecs appends what the expressions give for b to out, each as Eval.Vec says.
func (e *Evals) Vecs(b *col.Batch, out []*col.Vec) []*col.Vec {
	e.run.begin(b)
	start := len(out)
	for _, v := range e.list {
		if v == nil {
			out = append(out, nil)
			continue
		}
		out = append(out, v.vec(b))
	}
	e.run.end(out[start:]...)
	return out
}

// Failed is Eval.Failed for all expressions.
func (e *Evals) Failed() []Failure { return e.run.failures() }
