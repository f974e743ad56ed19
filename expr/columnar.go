package expr

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
)

// Columnar makes a function of whole columns. declare says what it gives for arguments of some types, whose names mean nothing, or why it cannot take them: then the
// job has a mistake. eval gives a value of the declared type for each row of its arguments, which are the rows of a chunk that count; it must depend on them only, row by
// row, and not change them. Nulls are passed on. eval is called by many goroutines at once.
//
// An error of eval is not that of a row: it fails the task, which is tried again. The name stands for what the function does: two functions of one name are taken for
// the same.
func Columnar(name string, declare func(args []arrow.Field) (arrow.Field, error), eval func(args arrow.Record) (arrow.Array, error)) func(args ...any) Expr {
	c := &columnar{declare, eval}
	return func(args ...any) Expr {
		e := newCall("columnar", args...)
		e.n.name, e.n.value = name, c
		return e
	}
}

// Abort is what computing an expression panics with where a function of Columnar returns an error: nothing can be said of any row. Who runs tasks makes it the
// task's error.
type Abort struct{ Err error }

// Error is the function's, with the expression.
func (a Abort) Error() string { return a.Err.Error() }

type columnar struct {
	declare func(args []arrow.Field) (arrow.Field, error)
	eval    func(args arrow.Record) (arrow.Array, error)
}

func init() { register(bindColumnar, "columnar") }

func bindColumnar(c *call) (*Bound, error) {
	f := c.e.n.value.(*columnar)
	if f.declare == nil || f.eval == nil {
		return nil, errors.New("Columnar needs functions, not nil")
	}
	k := columnarKernel{text: c.e.String(), f: f.eval}
	args := make([]arrow.Field, len(c.args))
	b := &Bound{careful: true, fixed: true}
	for i, a := range c.args {
		if a.isNull() {
			return nil, fmt.Errorf("argument %d is a null without a type; give it one with Cast", i+1)
		}
		args[i] = arrow.Field{Name: strconv.Itoa(i), Type: a.typ, Nullable: a.nullable}
		b.fails = b.fails || a.fails
	}
	if len(args) == 0 {
		return nil, errors.New("give it an argument: without one it has no rows to give values for")
	}
	field, err := f.declare(args)
	if err != nil {
		return nil, err
	}
	if field.Type == nil {
		return nil, errors.New("it declares no type")
	}
	if _, ok := col.KindOf(field.Type); !ok {
		return nil, fmt.Errorf("it gives %s, which no column holds", field.Type)
	}
	field.Name = "what it gives"
	k.args, k.out = arrow.NewSchema(args, nil), field
	b.typ, b.nullable = field.Type, field.Nullable
	b.make = func(m *maker) kernel {
		made := k
		made.in = m.kernels(c.args)
		return &made
	}
	return b, nil
}

// columnarKernel calls a function of columns.
type columnarKernel struct {
	text string
	args *arrow.Schema
	out  arrow.Field
	f    func(args arrow.Record) (arrow.Array, error)
	in   []kernel
}

// eval implements kernel.
func (k *columnarKernel) eval(f *frame) *col.Vec {
	if f.n == 0 {
		return col.FromArray(array.MakeArrayOfNull(memory.DefaultAllocator, k.out.Type, 0))
	}
	got, err := k.call(f)
	if err != nil {
		panic(Abort{fmt.Errorf("%s: %w", k.text, err)})
	}
	return col.FromArray(got)
}

func (k *columnarKernel) call(f *frame) (arrow.Array, error) {
	cols := make([]arrow.Array, len(k.in))
	for i, a := range k.in {
		v := a.eval(f)
		if v.N != f.n { // of a constant, longer
			short := *v
			short.N = f.n
			v = &short
		}
		cols[i] = v.ToArray(nil)
	}
	got, err := k.f(array.NewRecord(k.args, cols, int64(f.n)))
	switch {
	case err != nil:
		return nil, err
	case got == nil:
		return nil, errors.New("it gives no column")
	case got.Len() != f.n:
		return nil, fmt.Errorf("it gives %d values for %d rows", got.Len(), f.n)
	}
	return got, batch.Check(got.Data(), k.out)
}
