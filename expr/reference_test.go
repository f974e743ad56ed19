package expr

import (
	"errors"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
)

// The reference evaluator computes an expression for one row over Go values. It asks Bind for the types of expressions and for nothing else.

// dec is a decimal: its value and the digits that it is kept with.
type dec struct {
	n     *big.Int
	scale int
}

func (d dec) rat() *big.Rat { return new(big.Rat).SetFrac(d.n, tenTo(d.scale)) }

func tenTo(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// errRow is what fails a row.
var errRow = errors.New("the row fails")

type reference struct {
	schema *arrow.Schema
	row    map[string]any // nil, bool, int64, uint64, float64, string, []byte, time.Time, dec, []any, map[string]any
	typed  map[string]arrow.DataType
}

func (r *reference) typeOf(e Expr) arrow.DataType {
	text := e.String()
	if t, ok := r.typed[text]; ok {
		return t
	}
	b, err := (&binder{schema: r.schema, seen: map[string]*Bound{}}).bind(e)
	if err != nil {
		panic(err)
	}
	r.typed[text] = b.typ
	return b.typ
}

func (r *reference) eval(e Expr) (any, error) {
	switch e.n.op {
	case "col":
		return r.row[e.n.name], nil
	case "lit":
		return e.n.value, nil
	case "as":
		return r.eval(e.n.args[0])
	case "and", "or":
		return r.logic(e)
	case "case":
		return r.choose(e)
	case "coalesce":
		for _, a := range e.n.args {
			v, err := r.eval(a)
			if v = fit(v, r.typeOf(e)); v != nil || err != nil {
				return v, err
			}
		}
		return nil, nil
	case "in":
		return r.in(e)
	}
	args := make([]any, len(e.n.args))
	for i, a := range e.n.args {
		var err error
		if args[i], err = r.eval(a); err != nil {
			return nil, err
		}
	}
	return r.call(e, args)
}

func (r *reference) logic(e Expr) (any, error) {
	or := e.n.op == "or"
	x, err := r.eval(e.n.args[0])
	if err != nil || x == or {
		return x, err
	}
	y, err := r.eval(e.n.args[1])
	if err != nil || y == or {
		return y, err
	}
	if x == nil || y == nil {
		return nil, nil
	}
	return !or, nil
}

func (r *reference) choose(e Expr) (any, error) {
	args := e.n.args
	for ; len(args) > 1; args = args[2:] {
		is, err := r.eval(args[0])
		if err != nil {
			return nil, err
		}
		if is == true {
			v, err := r.eval(args[1])
			return fit(v, r.typeOf(e)), err
		}
	}
	v, err := r.eval(args[0])
	return fit(v, r.typeOf(e)), err
}

func (r *reference) in(e Expr) (any, error) {
	x, err := r.eval(e.n.args[0])
	if err != nil {
		return nil, err
	}
	var result any = false
	for _, a := range e.n.args[1:] {
		v, err := r.eval(a)
		if err != nil {
			return nil, err
		}
		switch is := r.compare("=", e.n.args[0], a, x, v); is {
		case true:
			return true, nil
		case nil:
			result = nil
		}
	}
	return result, nil
}

// exact is the number of a value.
func exact(v any) *big.Rat {
	switch v := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(v)
	case uint64:
		return new(big.Rat).SetInt(new(big.Int).SetUint64(v))
	case dec:
		return v.rat()
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return new(big.Rat).SetFloat64(v)
		}
	}
	return nil
}

func float(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	}
	f, _ := v.(dec).rat().Float64()
	return f
}

// number is x in a type, nil where it does not fit. Decimals are rounded half away from zero.
func numberIn(x *big.Rat, t arrow.DataType) any {
	if d, ok := t.(*arrow.Decimal128Type); ok {
		n := roundHalf(new(big.Rat).Mul(x, new(big.Rat).SetInt(tenTo(int(d.Scale)))))
		if n.CmpAbs(tenTo(int(d.Precision))) >= 0 {
			return nil
		}
		return dec{n, int(d.Scale)}
	}
	whole := new(big.Int).Quo(x.Num(), x.Denom())
	bits := t.(arrow.FixedWidthDataType).BitWidth()
	switch t.ID() {
	case arrow.FLOAT32, arrow.FLOAT64:
		f, _ := x.Float64()
		return f
	case arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		if whole.Sign() >= 0 && whole.BitLen() <= bits {
			return whole.Uint64()
		}
		return nil
	}
	top := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	if whole.Cmp(top) >= 0 || whole.Cmp(new(big.Int).Neg(top)) < 0 {
		return nil
	}
	if t.ID() == arrow.TIMESTAMP {
		return time.UnixMicro(whole.Int64()).UTC()
	}
	return whole.Int64()
}

func roundHalf(x *big.Rat) *big.Int {
	half := big.NewRat(int64(x.Sign()), 2)
	x = new(big.Rat).Add(x, half)
	return new(big.Int).Quo(x.Num(), x.Denom())
}

// fit is v in the type of values that were brought together.
func fit(v any, t arrow.DataType) any {
	switch {
	case v == nil:
		return nil
	case t.ID() == arrow.TIMESTAMP:
		return asTime(v)
	case t.ID() == arrow.BINARY:
		if s, ok := v.(string); ok {
			return []byte(s)
		}
		return v
	case t.ID() == arrow.FLOAT64:
		return float(v)
	case t.ID() == arrow.FLOAT32:
		return float64(float32(float(v)))
	case exact(v) != nil:
		return numberIn(exact(v), t)
	}
	return v
}

func asTime(v any) any {
	switch v := v.(type) {
	case string:
		for _, layout := range []string{"2006-01-02", "2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05"} {
			if t, err := time.Parse(layout, v); err == nil {
				return t.UTC()
			}
		}
		return nil
	case int64:
		return time.UnixMicro(v).UTC()
	case uint64:
		return time.UnixMicro(int64(v)).UTC()
	}
	return v
}

func (r *reference) compare(op string, ex, ey Expr, x, y any) any {
	if x == nil || y == nil {
		return nil
	}
	c := 0
	_, tx := x.(time.Time)
	_, ty := y.(time.Time)
	switch {
	case tx || ty:
		c = asTime(x).(time.Time).Compare(asTime(y).(time.Time))
	case exact(x) != nil || exact(y) != nil || isFloat(x) || isFloat(y):
		return r.compareNumbers(op, ex, ey, x, y)
	default:
		c = compareText(x, y)
	}
	return holds(op, c)
}

func isFloat(v any) bool { _, ok := v.(float64); return ok }

func compareText(x, y any) int {
	text := func(v any) string {
		switch v := v.(type) {
		case bool:
			return strconv.FormatBool(v) // "false" < "true"
		case []byte:
			return string(v)
		}
		return v.(string)
	}
	return strings.Compare(text(x), text(y))
}

func holds(op string, c int) bool {
	switch op {
	case "=":
		return c == 0
	case "<>":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

// compareNumbers compares exactly, but for floats: everything beside them is one.
func (r *reference) compareNumbers(op string, ex, ey Expr, x, y any) any {
	x, y = besideDecimal(ex, x, y), besideDecimal(ey, y, x)
	if !isFloat(x) && !isFloat(y) {
		return holds(op, exact(x).Cmp(exact(y)))
	}
	a, b := float(x), float(y)
	if r.typeOf(ex).ID() == arrow.FLOAT32 && ey.n.op == "lit" {
		b = float64(float32(b))
	}
	if r.typeOf(ey).ID() == arrow.FLOAT32 && ex.n.op == "lit" {
		a = float64(float32(a))
	}
	switch op {
	case "=":
		return a == b
	case "<>":
		return a != b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}

// besideDecimal is a constant float beside a decimal as what was written.
func besideDecimal(e Expr, v, other any) any {
	f, ok := v.(float64)
	if _, is := other.(dec); !is || !ok || e.n.op != "lit" {
		return v
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	x, ok := new(big.Rat).SetString(text)
	if _, digits, _ := strings.Cut(text, "."); ok && len(digits) <= 38 {
		return dec{new(big.Int).Quo(new(big.Int).Mul(x.Num(), tenTo(len(digits))), x.Denom()), len(digits)}
	}
	return v
}

func (r *reference) arithmetic(e Expr, x, y any) any {
	t := r.typeOf(e)
	x, y = besideDecimal(e.n.args[0], x, y), besideDecimal(e.n.args[1], y, x)
	if t.ID() == arrow.FLOAT64 {
		a, b := float(x), float(y)
		return map[string]float64{"+": a + b, "-": a - b, "*": a * b, "/": a / b, "%": math.Mod(a, b)}[e.n.op]
	}
	number := func(v any) *big.Rat {
		if at, ok := v.(time.Time); ok {
			return exact(at.UnixMicro())
		}
		if t.ID() == arrow.INT64 || t.ID() == arrow.TIMESTAMP {
			if n, ok := v.(uint64); ok && n > math.MaxInt64 {
				return nil // counts as null beside an integer with sign
			}
		}
		return exact(v)
	}
	if s, ok := x.(string); ok {
		x = asTime(s)
	}
	if s, ok := y.(string); ok {
		y = asTime(s)
	}
	a, b := number(x), number(y)
	if a == nil || b == nil {
		return nil
	}
	switch e.n.op {
	case "+":
		return numberIn(new(big.Rat).Add(a, b), t)
	case "-":
		return numberIn(new(big.Rat).Sub(a, b), t)
	case "*":
		return numberIn(new(big.Rat).Mul(a, b), t)
	}
	if b.Sign() == 0 {
		return nil
	}
	q := new(big.Rat).Quo(a, b)
	if e.n.op == "/" {
		return numberIn(q, t)
	}
	whole := new(big.Rat).SetInt(new(big.Int).Quo(q.Num(), q.Denom()))
	return numberIn(new(big.Rat).Sub(a, whole.Mul(whole, b)), t)
}

// call is a function of values, null for null but for those that are about nulls.
func (r *reference) call(e Expr, a []any) (any, error) {
	switch e.n.op {
	case "is null":
		return a[0] == nil, nil
	case "is not null":
		return a[0] != nil, nil
	case "least", "greatest":
		return r.extreme(e, a), nil
	}
	for _, v := range a {
		if v == nil {
			return nil, nil
		}
	}
	switch e.n.op {
	case "=", "<>", "<", "<=", ">", ">=":
		return r.compare(e.n.op, e.n.args[0], e.n.args[1], a[0], a[1]), nil
	case "+", "-", "*", "/", "%":
		return r.arithmetic(e, a[0], a[1]), nil
	case "not":
		return !a[0].(bool), nil
	case "neg", "abs", "round", "floor", "ceil", "pow", "sqrt":
		return r.math(e, a), nil
	case "cast", "try_cast":
		v := cast(a[0], r.typeOf(e.n.args[0]), r.typeOf(e))
		if v == nil && e.n.op == "cast" {
			return nil, errRow
		}
		return v, nil
	case "truncate", "extract", "epoch", "from_epoch", "format":
		return r.time(e, a[0]), nil
	case "at":
		list, i := a[0].([]any), integer(a[1])
		if i < 0 {
			i += len(list)
		}
		if i < 0 || i >= len(list) {
			return nil, nil
		}
		return list[i], nil
	case "field":
		return a[0].(map[string]any)[e.n.opts[0].(string)], nil
	case "length":
		if list, ok := a[0].([]any); ok {
			return int64(len(list)), nil
		}
		if b, ok := a[0].([]byte); ok {
			return int64(len(b)), nil
		}
	}
	return textCall(e, a), nil
}

func integer(v any) int {
	if n, ok := v.(uint64); ok {
		return int(min(n, math.MaxInt32))
	}
	return int(max(min(v.(int64), math.MaxInt32), math.MinInt32))
}

func (r *reference) extreme(e Expr, a []any) any {
	var best any
	t := r.typeOf(e)
	for _, v := range a {
		v = fit(v, t)
		op := map[string]string{"least": "<", "greatest": ">"}[e.n.op]
		if v != nil && (best == nil || r.compare(op, Col("b"), Col("b"), v, best) == true) {
			best = v
		}
	}
	return best
}

func (r *reference) math(e Expr, a []any) any {
	t := r.typeOf(e)
	if t.ID() == arrow.FLOAT64 {
		x := float(a[0])
		switch e.n.op {
		case "neg":
			return -x
		case "abs":
			return math.Abs(x)
		case "floor":
			return math.Floor(x)
		case "ceil":
			return math.Ceil(x)
		case "pow":
			return math.Pow(x, float(a[1]))
		case "sqrt":
			return math.Sqrt(x)
		}
		by := math.Pow(10, float64(e.n.opts[0].(int64)))
		if by == 1 {
			return math.Round(x)
		}
		if math.IsNaN(x) || math.Abs(x*by) >= 1<<53 {
			return x
		}
		return math.Round(x*by) / by
	}
	x := exact(a[0])
	if n, ok := a[0].(uint64); ok && e.n.op == "neg" && n > math.MaxInt64 {
		return nil
	}
	switch e.n.op {
	case "neg":
		x.Neg(x)
	case "abs":
		x.Abs(x)
	case "floor", "ceil":
		up := e.n.op == "ceil"
		if up {
			x.Neg(x)
		}
		x.SetInt(new(big.Int).Div(x.Num(), x.Denom())) // Euclid's: down
		if up {
			x.Neg(x)
		}
	}
	return numberIn(x, t)
}

func cast(v any, from, to arrow.DataType) any {
	switch to.ID() {
	case arrow.STRING:
		return textOf(v, from)
	case arrow.BINARY:
		if s, ok := v.(string); ok {
			return []byte(s)
		}
		return v
	case arrow.TIMESTAMP:
		if s, ok := v.(string); ok {
			return asTime(s)
		}
		return v
	case arrow.BOOL:
		return truth(v)
	}
	if s, ok := v.(string); ok {
		return parseNumber(s, to)
	}
	if b, ok := v.(bool); ok {
		v = map[bool]int64{false: 0, true: 1}[b]
	}
	if to.ID() == arrow.FLOAT64 {
		return float(v)
	}
	if to.ID() == arrow.FLOAT32 {
		return float64(float32(float(v)))
	}
	if f, ok := v.(float64); ok && to.ID() == arrow.DECIMAL128 && exact(v) != nil {
		x, _ := new(big.Rat).SetString(strconv.FormatFloat(f, 'f', -1, 64))
		return numberIn(x, to)
	}
	if x := exact(v); x != nil {
		return numberIn(x, to)
	}
	return nil // NaN, infinities
}

func truth(v any) any {
	switch v := v.(type) {
	case bool:
		return v
	case int64:
		return v != 0
	case uint64:
		return v != 0
	}
	b, err := strconv.ParseBool(v.(string))
	if err != nil {
		return nil
	}
	return b
}

func parseNumber(s string, to arrow.DataType) any {
	bits := to.(arrow.FixedWidthDataType).BitWidth()
	var v any
	var err error
	switch to.ID() {
	case arrow.FLOAT32, arrow.FLOAT64:
		v, err = strconv.ParseFloat(s, bits)
	case arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		v, err = strconv.ParseUint(s, 10, bits)
	case arrow.DECIMAL128:
		x, ok := new(big.Rat).SetString(s)
		if !ok || strings.ContainsAny(s, "/_xX") {
			return nil
		}
		return numberIn(x, to)
	default:
		v, err = strconv.ParseInt(s, 10, bits)
	}
	if err != nil {
		return nil
	}
	return v
}

func textOf(v any, t arrow.DataType) any {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, t.(arrow.FixedWidthDataType).BitWidth())
	case dec:
		return v.rat().FloatString(v.scale)
	case time.Time:
		return v.Format("2006-01-02T15:04:05.999999Z")
	case []byte:
		if !utf8.Valid(v) {
			return nil
		}
		return string(v)
	}
	return v
}

func textCall(e Expr, a []any) any {
	s := a[0].(string)
	runes := []rune(s)
	text := func(i int) string { return a[i].(string) }
	opt := func(i int) string { return e.n.opts[i].(string) }
	switch e.n.op {
	case "length":
		return int64(len(runes))
	case "lower":
		return strings.ToLower(s)
	case "upper":
		return strings.ToUpper(s)
	case "trim":
		return strings.TrimSpace(s)
	case "trim_left":
		return strings.TrimLeftFunc(s, unicode.IsSpace)
	case "trim_right":
		return strings.TrimRightFunc(s, unicode.IsSpace)
	case "reverse":
		slices.Reverse(runes)
		return string(runes)
	case "left", "right":
		n, left := integer(a[1]), e.n.op == "left"
		if n < 0 { // all but so many at the other end
			n = max(len(runes)+n, 0)
		}
		n = min(n, len(runes))
		if left {
			return string(runes[:n])
		}
		return string(runes[len(runes)-n:])
	case "substring":
		var out []rune
		start, n := integer(a[1]), integer(a[2])
		if start < 0 {
			start += len(runes)
		}
		for i, c := range runes {
			if i >= start && i < start+n {
				out = append(out, c)
			}
		}
		return string(out)
	case "starts_with":
		return strings.HasPrefix(s, text(1))
	case "ends_with":
		return strings.HasSuffix(s, text(1))
	case "contains":
		return strings.Contains(s, text(1))
	case "replace":
		if text(1) == "" {
			return s
		}
		return strings.ReplaceAll(s, text(1), text(2))
	case "concat":
		out := ""
		for i := range a {
			out += text(i)
		}
		return out
	case "pad_left", "pad_right":
		return pad(runes, integer(a[1]), []rune(text(2)), e.n.op == "pad_left")
	case "split_part":
		parts := []string{s}
		if text(1) != "" {
			parts = strings.Split(s, text(1))
		}
		i := integer(a[2])
		if i < 0 {
			i += len(parts)
		}
		if i < 0 || i >= len(parts) {
			return nil
		}
		return parts[i]
	case "split":
		var list []any
		for _, p := range strings.Split(s, opt(0)) {
			list = append(list, p)
		}
		return list
	case "like":
		return likeRegexp(opt(0), opt(1)).MatchString(s)
	case "matches":
		return regexp.MustCompile(opt(0)).MatchString(s)
	case "extract_regexp":
		m := regexp.MustCompile(opt(0)).FindStringSubmatchIndex(s)
		group := e.n.opts[1].(int64)
		if m == nil || m[2*group] < 0 {
			return nil
		}
		return s[m[2*group]:m[2*group+1]]
	case "replace_regexp":
		return regexp.MustCompile(opt(0)).ReplaceAllString(s, opt(1))
	}
	panic("no reference for " + e.n.op)
}

func pad(s []rune, n int, with []rune, left bool) any {
	if n > 1<<16 {
		return nil
	}
	if n <= len(s) {
		return string(s[:max(n, 0)])
	}
	var fill []rune
	for i := 0; len(with) > 0 && len(s)+len(fill) < n; i++ {
		fill = append(fill, with[i%len(with)])
	}
	if left {
		return string(fill) + string(s)
	}
	return string(s) + string(fill)
}

func likeRegexp(pattern, escape string) *regexp.Regexp {
	out := "(?s)^"
	escaped := false
	for _, c := range pattern {
		switch {
		case !escaped && string(c) == escape && escape != "\x00":
			escaped = true
			continue
		case !escaped && c == '%':
			out += ".*"
		case !escaped && c == '_':
			out += "."
		default:
			out += regexp.QuoteMeta(string(c))
		}
		escaped = false
	}
	return regexp.MustCompile(out + "$")
}

func (r *reference) time(e Expr, v any) any {
	zone := time.UTC
	named := func(i int) {
		if name := e.n.opts[i].(string); name != "" {
			zone, _ = time.LoadLocation(name)
		}
	}
	us := func(d string) *big.Rat {
		unit, _ := time.ParseDuration(d)
		return big.NewRat(int64(unit), 1000)
	}
	switch e.n.op {
	case "epoch":
		x := new(big.Rat).Quo(exact(asTime(v).(time.Time).UnixMicro()), us(e.n.opts[0].(string)))
		return numberIn(new(big.Rat).SetInt(new(big.Int).Div(x.Num(), x.Denom())), arrow.PrimitiveTypes.Int64)
	case "from_epoch":
		if n, ok := v.(uint64); ok && n > math.MaxInt64 {
			return nil
		}
		x := new(big.Rat).Mul(exact(v), us(e.n.opts[0].(string)))
		return numberIn(new(big.Rat).SetInt(new(big.Int).Div(x.Num(), x.Denom())), timeType)
	}
	t := asTime(v).(time.Time)
	named(1)
	switch e.n.op {
	case "format":
		return t.In(zone).Format(e.n.opts[0].(string))
	case "extract":
		return part(t.In(zone), e.n.opts[0].(string))
	}
	offset := time.Duration(e.n.opts[2].(int64)) * time.Microsecond
	return truncated(t.Add(-offset).In(zone), e.n.opts[0].(string)).Add(offset).UTC()
}

func part(t time.Time, name string) int64 {
	isoYear, week := t.ISOWeek()
	return map[string]int64{
		"year": int64(t.Year()), "quarter": int64((t.Month()-1)/3 + 1), "month": int64(t.Month()), "day": int64(t.Day()), "hour": int64(t.Hour()),
		"minute": int64(t.Minute()), "second": int64(t.Second()), "microsecond": int64(t.Nanosecond() / 1000), "weekday": int64(t.Weekday()+6)%7 + 1,
		"yearday": int64(t.YearDay()), "week": int64(week), "isoyear": int64(isoYear),
	}[name]
}

// truncated walks in steps of a quarter of an hour, at which clocks change, to the first moment of a unit of days.
func truncated(t time.Time, unit string) time.Time {
	step, err := time.ParseDuration(unit)
	if fixed := map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour}[unit]; fixed != 0 {
		step, err = fixed, nil
	}
	if err == nil {
		_, off := t.Zone()
		local := big.NewInt(t.UnixMicro() + int64(off)*1e6)
		return t.Add(-time.Duration(new(big.Int).Mod(local, big.NewInt(step.Microseconds())).Int64()) * time.Microsecond)
	}
	y, m, d := t.Date()
	switch unit {
	case "week":
		d -= int(t.Weekday()+6) % 7
	case "month":
		d = 1
	case "quarter":
		m, d = (m-1)/3*3+1, 1
	case "year":
		m, d = 1, 1
	}
	first := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	at := first.Add(-26 * time.Hour).In(t.Location())
	for {
		y, m, d := at.Date()
		if !time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Before(first) {
			return at
		}
		at = at.Add(15 * time.Minute)
	}
}
