package agg

import (
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
)

// Set is aggregates whose columns and types are known. It is immutable and safe for concurrent use.
type Set struct {
	aggs    []bound
	partial *arrow.Schema
	result  []arrow.Field
}

// bound is one aggregate of a set.
type bound struct {
	agg   expr.Agg
	args  []*expr.Bound
	where *expr.Bound // nil: all rows
	kind
	at int // its first column of the partial states
}

// kind is an aggregate function for arguments of certain types.
type kind struct {
	partial  []arrow.Field // names are what follows the aggregate's own and a point
	result   arrow.Field   // without a name
	counts   int           // argument whose nulls do not count, -1: none
	new      func() state
	retracts bool
}

// state is one aggregate's values by group.
type state interface {
	// grow makes room for n groups; new ones are empty.
	grow(n int)
	// add takes physical row rows[i] of the arguments to group idx[i].
	add(args []*col.Vec, rows, idx []int32)
	// merge takes partial state i to group idx[i].
	merge(cols []*col.Vec, idx []int32)
	// partials are the states of groups idx, in memory of their own.
	partials(idx []int32) []*col.Vec
	// results are the aggregates of groups idx, in memory of their own.
	results(idx []int32) *col.Vec
	// reset forgets all groups and keeps memory.
	reset()
}

// retracter is a state that can take back what was merged.
type retracter interface {
	retract(cols []*col.Vec, idx []int32)
}

// Bind resolves aggregates against a schema. The error has all mistakes, one each.
func Bind(schema *arrow.Schema, aggs []expr.Agg) (*Set, error) {
	s := &Set{}
	var errs []error
	var fields []arrow.Field
	seen := map[string]bool{}
	for _, a := range aggs {
		b, err := bind(schema, a)
		if err == nil && seen[a.Name()] {
			err = fmt.Errorf("two aggregates are column %q; name one of them otherwise with As", a.Name())
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		seen[a.Name()] = true
		b.at = len(fields)
		for _, f := range b.partial {
			f.Name = a.Name() + "." + f.Name
			fields = append(fields, f)
		}
		f := b.result
		f.Name = a.Name()
		s.result = append(s.result, f)
		s.aggs = append(s.aggs, b)
	}
	if len(aggs) == 0 {
		errs = append(errs, errors.New("no aggregates; give at least one, such as expr.Count()"))
	}
	s.partial = arrow.NewSchema(fields, nil)
	return s, errors.Join(errs...)
}

func bind(schema *arrow.Schema, a expr.Agg) (b bound, err error) {
	if a.Op() == "" {
		return b, errors.New("an empty aggregate; make one with a function of package expr, such as expr.Count()")
	}
	b.agg = a
	var errs []error // one each
	wrong := func(err error) {
		if list, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range list.Unwrap() {
				errs = append(errs, fmt.Errorf("%s: %w", a, one))
			}
		} else if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", a, err))
		}
	}
	for _, e := range a.Args() {
		arg, err := expr.Bind(schema, e)
		wrong(err)
		b.args = append(b.args, arg)
	}
	if cond, ok := a.Filter(); ok {
		b.where, err = expr.Bind(schema, cond)
		if err == nil && b.where.Field().Type.ID() != arrow.BOOL {
			err = fmt.Errorf("%s is %s, not a boolean", cond, b.where.Field().Type)
		}
		wrong(err)
	}
	if err := errors.Join(errs...); err != nil {
		return b, err
	}
	f, ok := functions[a.Op()]
	if !ok {
		return b, fmt.Errorf("%s: there is no aggregate %q", a, a.Op())
	}
	types := make([]arrow.DataType, len(b.args))
	for i, arg := range b.args {
		types[i] = arg.Field().Type
	}
	if b.kind, err = f(a, types); err != nil {
		return b, fmt.Errorf("%s: %w", a, err)
	}
	if strings.Contains(a.Name(), ",") {
		return b, fmt.Errorf("%s: give its column a name with As", a)
	}
	return b, nil
}

// functions are the aggregates by name: each checks its arguments' types.
var functions map[string]func(a expr.Agg, args []arrow.DataType) (kind, error)

func init() {
	functions = map[string]func(expr.Agg, []arrow.DataType) (kind, error){
		"count": countOf, "count_distinct": distinctOf, "approx_count_distinct": sketchedDistinct,
		"sum": sumOf, "avg": avgOf, "min": extremeOf, "max": extremeOf, "bool_and": boolsOf, "bool_or": boolsOf,
		"variance": spreadOf, "variance_pop": spreadOf, "stddev": spreadOf, "stddev_pop": spreadOf,
		"first": orderOf, "last": orderOf,
		"first_by": rowOf, "last_by": rowOf, "min_by": rowOf, "max_by": rowOf,
		"approx_quantile": quantileOf, "collect": collectOf,
	}
}

var (
	int64Type  = arrow.PrimitiveTypes.Int64
	uint64Type = arrow.PrimitiveTypes.Uint64
	floatType  = arrow.PrimitiveTypes.Float64
	bytesType  = arrow.BinaryTypes.Binary
)

// Partial are the columns of partial states: what is shuffled, and kept in state.
func (s *Set) Partial() *arrow.Schema { return s.partial }

// Result are the columns of results, in the order of the aggregates.
func (s *Set) Result() []arrow.Field { return s.result }

// Text is the aggregates as text, for a plan.
func (s *Set) Text() string {
	var texts []string
	for _, b := range s.aggs {
		texts = append(texts, b.agg.String())
	}
	return strings.Join(texts, ", ")
}

// CheckRetract is an error that names an aggregate which cannot take back what was merged, nil if all can.
func (s *Set) CheckRetract() error {
	for _, b := range s.aggs {
		if !b.retracts {
			return fmt.Errorf("%s cannot take rows back; counts, sums, averages and variances can", b.agg)
		}
	}
	return nil
}

// TakesBack tells whether all aggregates can take rows back and are what they would be if those had never come: counts, and sums and averages of what is not a float.
func (s *Set) TakesBack() bool {
	for _, b := range s.aggs {
		switch b.agg.Op() {
		case "count":
		case "sum", "avg":
			if k, _ := col.KindOf(b.args[0].Field().Type); k == col.Float {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// scalar is the kind of values that aggregates keep one by one.
func scalar(t arrow.DataType) (col.Kind, error) {
	k, ok := col.KindOf(t)
	if !ok || k == col.Nested {
		return k, fmt.Errorf("a value of %s is not kept; use one of what it holds", t)
	}
	return k, nil
}

// number is the kind of values to compute with.
func number(t arrow.DataType) (col.Kind, error) {
	k, ok := col.KindOf(t)
	if ok && t.ID() != arrow.TIMESTAMP {
		switch k {
		case col.Int, col.Uint, col.Float, col.Decimal:
			return k, nil
		}
	}
	return k, fmt.Errorf("%s is not a number", t)
}

// Risky are expressions over the columns of schema, to which the set is bound, that fail for the rows which an aggregate does not accept: arguments only where the
// aggregate's condition is true.
func (s *Set) Risky(schema *arrow.Schema) []*expr.Bound {
	var list []*expr.Bound
	for _, b := range s.aggs {
		if b.where == nil {
			list = append(list, risky(b.args...)...)
			continue
		}
		list = append(list, risky(b.where)...)
		for _, arg := range risky(b.args...) {
			asked, err := expr.Bind(schema, expr.If(b.where.Expr(), arg.Expr(), nil))
			assert.True(err == nil, "%s, which is bound, under a condition: %v", arg.Expr(), err)
			list = append(list, asked)
		}
	}
	return list
}

func risky(list ...*expr.Bound) []*expr.Bound {
	var out []*expr.Bound
	for _, b := range list {
		if b.MayFail() {
			out = append(out, b)
		}
	}
	return out
}

// Exprs are all expressions that the aggregates compute: arguments and conditions.
func (s *Set) Exprs() []*expr.Bound {
	var list []*expr.Bound
	for _, b := range s.aggs {
		list = append(list, b.args...)
		if b.where != nil {
			list = append(list, b.where)
		}
	}
	return list
}
