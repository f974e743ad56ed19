package expr

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
)

// Bound is an expression whose columns and types are known. It is immutable and safe for concurrent use.
type Bound struct {
	expr     Expr
	typ      arrow.DataType
	nullable bool
	make     func() kernel
}

// Bind resolves an expression against a schema. The error says which column or type is wrong, and what was meant perhaps.
func Bind(schema *arrow.Schema, e Expr) (*Bound, error) {
	if e.n == nil {
		return nil, errors.New("an empty expression; make one with Col, Lit or a function of package expr")
	}
	b, err := (&binder{schema}).bind(e)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Expr is the expression that was bound.
func (b *Bound) Expr() Expr { return b.expr }

// Field is the column that the expression makes.
func (b *Bound) Field() arrow.Field {
	return arrow.Field{Name: b.expr.Name(), Type: b.typ, Nullable: b.nullable}
}

// Eval is a bound expression with memory for one task. One goroutine at a time.
type Eval struct{ k kernel }

// Eval is a new evaluator.
func (b *Bound) Eval() *Eval { return &Eval{b.make()} }

// Vec computes the expression for the rows of b that count. Values stand at the rows' physical places; those of other rows are of any content. The
// result is the caller's: the evaluator does not use it again, but it may be a column of b itself.
func (e *Eval) Vec(b *col.Batch) *col.Vec { return e.k.eval(b) }

// Where appends the numbers of the physical rows of b that count and for which the expression, a boolean, is true to idx, ascending.
func (e *Eval) Where(b *col.Batch, idx []int32) []int32 {
	v := e.k.eval(b)
	keep := func(i int32) bool { return v.Bools[i] && (v.Null == nil || !v.Null[i]) }
	if b.Sel != nil {
		for _, i := range b.Sel {
			if keep(i) {
				idx = append(idx, i)
			}
		}
		return idx
	}
	for i := range int32(b.N) {
		if keep(i) {
			idx = append(idx, i)
		}
	}
	return idx
}

// kernel computes one operation for the rows of a batch that count.
type kernel interface {
	eval(b *col.Batch) *col.Vec
}

type binder struct{ schema *arrow.Schema }

func (s *binder) bind(e Expr) (*Bound, error) {
	if e.n == nil {
		return nil, errors.New("an argument is empty")
	}
	switch e.n.op {
	case "col":
		return s.column(e)
	case "lit":
		return literal(e)
	case "as":
		b, err := s.bind(e.n.args[0])
		if err != nil {
			return nil, err
		}
		named := *b
		named.expr = e
		return &named, nil
	}
	args := make([]*Bound, len(e.n.args))
	var errs []error
	for i, a := range e.n.args {
		var err error
		if args[i], err = s.bind(a); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	f, ok := functions[e.n.op]
	if !ok {
		return nil, fmt.Errorf("%s: there is no function %q", e, e.n.op)
	}
	b, err := f(e, args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e, err)
	}
	b.expr = e
	return b, nil
}

type columnKernel int

func (k columnKernel) eval(b *col.Batch) *col.Vec { return b.Cols[k] }

func (s *binder) column(e Expr) (*Bound, error) {
	at := s.schema.FieldIndices(e.n.name)
	if len(at) != 1 {
		return nil, unknownColumn(s.schema, e.n.name)
	}
	f := s.schema.Field(at[0])
	return &Bound{expr: e, typ: f.Type, nullable: f.Nullable, make: func() kernel { return columnKernel(at[0]) }}, nil
}
