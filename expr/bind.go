package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/guess"
)

// Bound is an expression whose columns and types are known. It is immutable and safe for concurrent use.
type Bound struct {
	expr     Expr
	typ      arrow.DataType
	nullable bool
	one      *col.Vec // its value, of length 1, where that is the same for all rows
	careful  bool     // computed for rows that count only: it may fail, calls what users wrote, or costs more than moving its columns
	fails    bool     // it may fail rows
	fixed    bool     // not computed when bound, though its arguments are constant
	parts    []*Bound // of a condition: what must all be true; nil: itself
	make     func(m *maker) kernel
}

// Bind resolves an expression against a schema. The error says which column or type is wrong, and what was meant perhaps.
func Bind(schema *arrow.Schema, e Expr) (*Bound, error) {
	if e.n == nil {
		return nil, errors.New("an empty expression; make one with Col, Lit or a function of package expr")
	}
	b, err := (&binder{schema: schema, seen: map[string]*Bound{}}).bind(e)
	if err != nil {
		return nil, err
	}
	if b.typ.ID() == arrow.NULL {
		return nil, fmt.Errorf("%s: a null has no type; give it one with Cast", e)
	}
	return b, nil
}

// Expr is the expression that was bound.
func (b *Bound) Expr() Expr { return b.expr }

// Field is the column that the expression makes.
func (b *Bound) Field() arrow.Field {
	return arrow.Field{Name: b.expr.Name(), Type: b.typ, Nullable: b.nullable}
}

// CallsUsers tells whether it calls functions of the user's, which may keep texts that they are given.
func (b *Bound) CallsUsers() (calls bool) {
	if b != nil {
		b.expr.walk(func(n *node) { calls = calls || n.op == "func" })
	}
	return calls
}

// MayFail tells whether there may be rows that it does not accept (Eval.Failed). Who leaves out such an expression, or computes it for fewer rows, changes
// which rows are left out.
func (b *Bound) MayFail() bool { return b != nil && b.fails }

// kind is how its values lie in memory. A null without a type has no kind: Nested stands for it.
func (b *Bound) kind() col.Kind {
	if k, ok := col.KindOf(b.typ); ok {
		return k
	}
	return col.Nested
}

func (b *Bound) isNull() bool { return b.typ.ID() == arrow.NULL }

func (b *Bound) isTime() bool { return b.typ.ID() == arrow.TIMESTAMP }

// binder resolves expressions. Those of one text are bound once, and computed once.
type binder struct {
	schema *arrow.Schema
	seen   map[string]*Bound
}

func (s *binder) bind(e Expr) (*Bound, error) {
	if e.n == nil {
		return nil, errors.New("an argument is empty")
	}
	text := e.String()
	if b := s.seen[text]; b != nil {
		return b, nil
	}
	b, err := s.bindNew(e)
	if err == nil {
		s.seen[text] = b
	}
	return b, err
}

func (s *binder) bindNew(e Expr) (*Bound, error) {
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
		named.make = func(m *maker) kernel { return m.kernel(b) }
		return &named, nil
	}
	args, err := s.bindAll(e.n.args)
	if err != nil {
		return nil, err
	}
	f, ok := functions[e.n.op]
	if !ok {
		return nil, fmt.Errorf("%s: there is no function %q", e, e.n.op)
	}
	b, err := f(&call{s: s, e: e, op: e.n.op, opts: e.n.opts, args: args})
	if err == nil {
		b, err = folded(b, args)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e, err)
	}
	b.expr = e
	return b, nil
}

func (s *binder) bindAll(list []Expr) ([]*Bound, error) {
	args := make([]*Bound, len(list))
	var errs []error
	for i, a := range list {
		var err error
		if args[i], err = s.bind(a); err != nil && !slices.ContainsFunc(errs, func(e error) bool { return e.Error() == err.Error() }) {
			errs = append(errs, err)
		}
	}
	return args, errors.Join(errs...)
}

func (s *binder) column(e Expr) (*Bound, error) {
	at := s.schema.FieldIndices(e.n.name)
	if len(at) != 1 {
		return nil, unknownColumn(s.schema, e.n.name)
	}
	f := s.schema.Field(at[0])
	if _, ok := col.KindOf(f.Type); !ok {
		return nil, fmt.Errorf("column %q is %s, which expressions do not read", e.n.name, f.Type)
	}
	return &Bound{expr: e, typ: f.Type, nullable: f.Nullable, make: func(*maker) kernel { return columnKernel(at[0]) }}, nil
}

// UnknownColumn is the error of an expression that reads a column which is not there.
type UnknownColumn struct {
	Name    string
	Columns []string // that are there
}

// Error names the column that was probably meant, or all that are there.
func (u *UnknownColumn) Error() string {
	if meant := guess.Name(u.Name, u.Columns); meant != "" {
		return fmt.Sprintf("there is no column %q; did you mean %q?", u.Name, meant)
	}
	return fmt.Sprintf("there is no column %q; columns are %s", u.Name, strings.Join(u.Columns, ", "))
}

func unknownColumn(schema *arrow.Schema, name string) error {
	u := &UnknownColumn{Name: name}
	for _, f := range schema.Fields() {
		u.Columns = append(u.Columns, f.Name)
	}
	return u
}

// folded computes what depends on no column once, now.
func folded(b *Bound, args []*Bound) (*Bound, error) {
	if len(args) == 0 || b.one != nil || b.kind() == col.Nested || b.fixed {
		return b, nil
	}
	for _, a := range args {
		if a.one == nil {
			return b, nil
		}
	}
	r := &run{}
	v := b.make(&maker{run: r}).eval(r.frame(nil, nil, 1))
	if len(r.failed) > 0 {
		return nil, errors.New(r.failed[0].Reason)
	}
	return constant(b.expr, v), nil
}

// call is a function with its bound arguments.
type call struct {
	s    *binder
	e    Expr
	op   string
	opts []any
	args []*Bound
}

// bind is an expression in place of this one: how functions that say the same as others are bound.
func (c *call) bind(e Expr) (*Bound, error) {
	b, err := c.s.bind(e)
	if err != nil {
		return nil, err
	}
	same := *b
	same.make = func(m *maker) kernel { return m.kernel(b) }
	return &same, nil
}

// text is option i, a string.
func (c *call) text(i int) string { return c.opts[i].(string) }

// functions are the operations by name: each checks its arguments' types and gives the result's type and kernel.
var functions = map[string]func(c *call) (*Bound, error){}

func register(f func(c *call) (*Bound, error), names ...string) {
	for _, n := range names {
		functions[n] = f
	}
}
