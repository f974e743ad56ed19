package expr

import (
	"slices"
	"strings"
)

// Agg is an aggregate over the rows of a group: data, as Expr is. Arguments are expressions or names of columns. Rows whose argument is null do not count, and an
// aggregate of no rows is null; counts are 0 then. It is a value, and immutable; the zero value is a mistake that binding reports.
type Agg struct{ a *aggregate }

type aggregate struct {
	op    string
	args  []Expr
	param any // setting: float64, int or nil
	where Expr
	name  string // As; "" is its text
}

func aggregateOf(op string, param any, args ...any) Agg {
	a := &aggregate{op: op, param: param}
	for _, v := range args {
		if name, ok := v.(string); ok {
			a.args = append(a.args, Col(name))
			continue
		}
		a.args = append(a.args, Lit(v))
	}
	return Agg{a}
}

// Count is the number of rows, or with an argument that of rows where it is not null.
func Count(e ...any) Agg { return aggregateOf("count", nil, e...) }

// CountDistinct is the number of different values. It is exact and keeps each value: what it holds grows with them. -0 is 0, and NaN one value.
func CountDistinct(e any) Agg { return aggregateOf("count_distinct", nil, e) }

// ApproxCountDistinct is the number of different values within about 1.6% (one standard error), in 4 KiB a group at most.
func ApproxCountDistinct(e any) Agg { return aggregateOf("approx_count_distinct", nil, e) }

// Sum is the sum: of integers int64 (uint64 of those without sign), of floats float64, of decimals one of 38 digits. A sum that does not fit is null; whether what was
// added on the way would fit does not matter. Floats are added in the order of rows.
func Sum(e any) Agg { return aggregateOf("sum", nil, e) }

// Avg is the mean, as float64; of decimals a decimal with four more digits behind the point, rounded half away from zero.
func Avg(e any) Agg { return aggregateOf("avg", nil, e) }

// Min is the lowest value: false is below true, NaN above all numbers, text by its bytes.
func Min(e any) Agg { return aggregateOf("min", nil, e) }

// Max is the highest value, in the order of Min.
func Max(e any) Agg { return aggregateOf("max", nil, e) }

// Variance is the variance of a sample, as float64; null for fewer than two values.
func Variance(e any) Agg { return aggregateOf("variance", nil, e) }

// VariancePop is the variance of a population, as float64.
func VariancePop(e any) Agg { return aggregateOf("variance_pop", nil, e) }

// StdDev is the standard deviation of a sample, as float64; null for fewer than two values.
func StdDev(e any) Agg { return aggregateOf("stddev", nil, e) }

// StdDevPop is the standard deviation of a population, as float64.
func StdDevPop(e any) Agg { return aggregateOf("stddev_pop", nil, e) }

// First is the first value in the order of rows: (source partition, offset), and behind operators that move rows (upstream partition, row), which depends on the
// layout (P27). FirstBy does not.
func First(e any) Agg { return aggregateOf("first", nil, e) }

// Last is the last value, in the order of First.
func Last(e any) Agg { return aggregateOf("last", nil, e) }

// FirstBy is e, null or not, in the row where order is lowest; of equal ones in the first. Rows without order do not count.
func FirstBy(e, order any) Agg { return aggregateOf("first_by", nil, e, order) }

// LastBy is e, null or not, in the row where order is highest; of equal ones in the last. Rows without order do not count.
func LastBy(e, order any) Agg { return aggregateOf("last_by", nil, e, order) }

// MinBy is e, null or not, in the row where by is lowest; of equal ones in the first. Rows without by do not count.
func MinBy(e, by any) Agg { return aggregateOf("min_by", nil, e, by) }

// MaxBy is e, null or not, in the row where by is highest; of equal ones in the first. Rows without by do not count.
func MaxBy(e, by any) Agg { return aggregateOf("max_by", nil, e, by) }

// ApproxQuantile is the value below which the part q of the values lies, 0 to 1, as float64. It is off by 0.4% of the value at most where the values lie within a factor of 65,536 of
// each other, and by twice that for each time that the square of that factor is needed. NaN does not count. It is the same for any order of rows.
func ApproxQuantile(e any, q float64) Agg { return aggregateOf("approx_quantile", q, e) }

// Collect is a list of the first values in the order of First, limit at most.
func Collect(e any, limit int) Agg { return aggregateOf("collect", limit, e) }

// BoolAnd is whether all values are true.
func BoolAnd(e any) Agg { return aggregateOf("bool_and", nil, e) }

// BoolOr is whether a value is true.
func BoolOr(e any) Agg { return aggregateOf("bool_or", nil, e) }

// As names the result's column.
func (a Agg) As(name string) Agg {
	if a.a == nil {
		return a
	}
	b := *a.a
	b.name = name
	return Agg{&b}
}

// Where counts only rows for which the condition is true, besides those of an earlier Where: neither false nor null.
func (a Agg) Where(condition Expr) Agg {
	if a.a == nil {
		return a
	}
	b := *a.a
	if b.where.n != nil {
		condition = b.where.And(condition)
	}
	b.where = condition
	return Agg{&b}
}

// Op is the aggregate's name as its text has it: "sum"; "" for the zero value.
func (a Agg) Op() string {
	if a.a == nil {
		return ""
	}
	return a.a.op
}

// Args are the arguments.
func (a Agg) Args() []Expr {
	if a.a == nil {
		return nil
	}
	return slices.Clone(a.a.args)
}

// Param is the setting: q of ApproxQuantile (float64), the limit of Collect (int), otherwise nil.
func (a Agg) Param() any {
	if a.a == nil {
		return nil
	}
	return a.a.param
}

// Filter is the condition of Where, if there is one.
func (a Agg) Filter() (condition Expr, ok bool) {
	if a.a == nil || a.a.where.n == nil {
		return Expr{}, false
	}
	return a.a.where, true
}

// Name is the result's column: As, or the text.
func (a Agg) Name() string {
	if a.a != nil && a.a.name != "" {
		return a.a.name
	}
	return a.text()
}

// Columns are the names of the columns that a reads, each once, in order of appearance.
func (a Agg) Columns() []string {
	if a.a == nil {
		return nil
	}
	return Expr{&node{op: "columns", args: append(slices.Clone(a.a.args), a.a.where)}}.Columns()
}

// String is the aggregate as text, in the manner of SQL. Equal texts mean equal aggregates.
func (a Agg) String() string {
	if a.a == nil || a.a.name == "" {
		return a.text()
	}
	return a.text() + " as " + quoteName(a.a.name)
}

// text is String without the name.
func (a Agg) text() string {
	if a.a == nil {
		return "nothing"
	}
	var args []string
	for _, e := range a.a.args {
		args = append(args, e.String())
	}
	if a.a.param != nil {
		args = append(args, litText(a.a.param))
	}
	if len(args) == 0 {
		args = []string{"*"}
	}
	s := a.a.op + "(" + strings.Join(args, ", ") + ")"
	if a.a.where.n != nil {
		s += " filter (where " + a.a.where.String() + ")"
	}
	return s
}
