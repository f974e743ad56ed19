package expr

import (
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

// call is a function of values, null for null but for those that are about nulls.
func (r *reference) call(e Expr, a []any) (any, error) {
	switch e.n.op {
	case "is null":
		return a[0] == nil, nil
	case "is not null":
		return a[0] != nil, nil
	case "least", "greatest":
		return r.extreme(e, a), nil
	case "columnar":
		return longerOf(a[0], a[1]), nil
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
