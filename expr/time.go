package expr

import (
	"fmt"
	"math"
	"math/bits"
	"time"
	_ "time/tzdata" // zones are the same on all machines that have none of their own

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
)

// TimeOption says how a function of timestamps counts: Zone, Offset.
type TimeOption struct {
	zone   string
	offset int64
}

// Zone counts in a time zone, named as in "Europe/Berlin"; without it, functions count in UTC.
func Zone(name string) TimeOption { return TimeOption{zone: name} }

// Offset shifts what Truncate truncates to: days by Offset(6*time.Hour) begin at six.
func Offset(d time.Duration) TimeOption { return TimeOption{offset: d.Microseconds()} }

func options(list []TimeOption) (zone string, offset int64) {
	for _, o := range list {
		if o.zone != "" {
			zone = o.zone
		}
		offset += o.offset
	}
	return zone, offset
}

// Truncate is when the unit began that a timestamp is in: "second", "minute", "hour", "day", "week" (from Monday on), "month", "quarter", "year", or a
// time.Duration, multiples of which count from 1970-01-01 on the zone's clock. Days that a clock change begins start with the first moment that they
// have; both hours that a clock shows twice are hours of their own.
func (e Expr) Truncate(unit any, opts ...TimeOption) Expr {
	zone, offset := options(opts)
	name, ok := unit.(string)
	if d, is := unit.(time.Duration); is {
		name, ok = d.String(), true
	}
	assert.True(ok, "Truncate to %v: use a unit such as \"hour\", or a time.Duration", unit)
	return newCall("truncate", e).set(name, zone, offset)
}

// Extract is a part of a timestamp as an integer: "year", "quarter" (1 to 4), "month", "day" (of the month), "hour", "minute", "second", "microsecond" (within the second),
// "weekday" (1 is Monday, 7 Sunday), "yearday" (from 1 on), "week" and "isoyear" (of ISO 8601).
func (e Expr) Extract(part string, opts ...TimeOption) Expr {
	zone, _ := options(opts)
	return newCall("extract", e).set(part, zone)
}

// Epoch is a timestamp as whole units since 1970-01-01 UTC, rounded down: time.Second, time.Millisecond, … Nanoseconds that do not fit are null.
func (e Expr) Epoch(unit time.Duration) Expr { return newCall("epoch", e).set(unit.String()) }

// FromEpoch is an integer, units since 1970-01-01 UTC, as a timestamp. What does not fit is null.
func (e Expr) FromEpoch(unit time.Duration) Expr { return newCall("from_epoch", e).set(unit.String()) }

// Format is a timestamp as text, by a layout of package time.
func (e Expr) Format(layout string, opts ...TimeOption) Expr {
	zone, _ := options(opts)
	return newCall("format", e).set(layout, zone)
}

// ParseTime is a text as a timestamp, by a layout of package time. Texts without an offset are of the zone. A text of another form fails its row, as Cast does.
func (e Expr) ParseTime(layout string, opts ...TimeOption) Expr {
	zone, _ := options(opts)
	return newCall("parse_time", e).set(layout, zone)
}

// TryParseTime is ParseTime, but null where a text has another form.
func (e Expr) TryParseTime(layout string, opts ...TimeOption) Expr {
	zone, _ := options(opts)
	return newCall("try_parse_time", e).set(layout, zone)
}

func init() {
	register(bindTruncate, "truncate")
	register(bindExtract, "extract")
	register(bindEpoch, "epoch")
	register(bindFromEpoch, "from_epoch")
	register(bindFormat, "format")
	register(bindParseTime, "parse_time", "try_parse_time")
}

// timestamp is the one argument, which must be a timestamp.
func (c *call) timestamp() (*Bound, error) {
	a := c.args[0]
	if fit := adopt(a, timeType); fit != nil && !numeric(a) {
		return fit, nil
	}
	if !a.isTime() {
		return nil, fmt.Errorf("%s is %s, not a timestamp; ParseTime and FromEpoch make timestamps", a.expr, words(a.typ))
	}
	return a, nil
}

// zoned are the arguments of a function of a timestamp in a zone, which is its second setting: nil for UTC.
func (c *call) zoned() (*Bound, *time.Location, error) {
	a, err := c.timestamp()
	if err != nil {
		return nil, nil, err
	}
	loc, err := location(c.text(1))
	return a, loc, err
}

// location is the zone of that name, nil for UTC.
func location(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return nil, nil
	}
	if name == "Local" {
		return nil, fmt.Errorf("the zone Local is another one on each machine; name it, as in Europe/Berlin")
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("there is no time zone %q; write it as in Europe/Berlin", name)
	}
	return loc, nil
}

// steps are units of fixed length in µs.
var steps = map[string]int64{"microsecond": 1, "millisecond": 1000, "second": secondMicros, "minute": 60 * secondMicros, "hour": 3600 * secondMicros}

func bindTruncate(c *call) (*Bound, error) {
	a, loc, err := c.zoned()
	if err != nil {
		return nil, err
	}
	unit, offset := c.text(0), c.opts[2].(int64)
	step := steps[unit]
	if d, err := time.ParseDuration(unit); err == nil {
		if step = d.Microseconds(); step <= 0 || d%time.Microsecond != 0 {
			return nil, fmt.Errorf("a duration of %s: write whole microseconds", d)
		}
	}
	if step > 0 {
		return looped(timeType, []*Bound{a}, false, func(f *frame, out *col.Vec, in []*col.Vec) {
			clk := clock{loc: loc}
			truncateSteps(out.Ints[:f.n], in[0].Ints, step, offset, &clk)
		}), nil
	}
	start := calendar[unit]
	if start == nil {
		return nil, fmt.Errorf("there is no unit %q; write second, minute, hour, day, week, month, quarter, year, or a time.Duration", unit)
	}
	return heavy(looped(timeType, []*Bound{a}, false, func(f *frame, out *col.Vec, in []*col.Vec) {
		clk := clock{loc: loc}
		lo, hi, begin := int64(1), int64(0), int64(0) // a unit that was met last, and what it gives
		for i, us := range in[0].Ints[:f.n] {
			if us -= offset; us < lo || us >= hi {
				day := floorDiv(us+clk.offset(us), dayMicros)
				first, next := start(day)
				lo, hi = clk.instant(first*dayMicros), clk.instant(next*dayMicros)
				if us >= hi { // a date that the clock shows again, after the next one has begun
					_, after := start(next)
					lo, hi = hi, clk.instant(after*dayMicros)
				}
				begin = lo + offset
			}
			out.Ints[i] = begin
		}
	})), nil
}

func truncateSteps(out, in []int64, step, offset int64, clk *clock) {
	in = in[:len(out)]
	if clk.loc == nil {
		for i, us := range in {
			rest := (us - offset) % step
			if rest < 0 {
				rest += step
			}
			out[i] = us - rest
		}
		return
	}
	for i, us := range in {
		rest := (us - offset + clk.offset(us-offset)) % step
		if rest < 0 {
			rest += step
		}
		out[i] = us - rest
	}
}

func bindExtract(c *call) (*Bound, error) {
	a, loc, err := c.zoned()
	if err != nil {
		return nil, err
	}
	part := c.text(0)
	if p, ok := clockParts[part]; ok {
		return looped(int64Type, []*Bound{a}, false, func(f *frame, out *col.Vec, in []*col.Vec) {
			clk := clock{loc: loc}
			for i, us := range in[0].Ints[:f.n] {
				rest := (us + clk.offset(us)) % p.every
				if rest < 0 {
					rest += p.every
				}
				out.Ints[i] = rest / p.unit
			}
		}), nil
	}
	get := dateParts[part]
	if get == nil {
		return nil, fmt.Errorf("a timestamp has no %q; write year, quarter, month, day, hour, minute, second, microsecond, weekday, yearday, week or isoyear", part)
	}
	return heavy(looped(int64Type, []*Bound{a}, false, func(f *frame, out *col.Vec, in []*col.Vec) {
		clk := clock{loc: loc}
		last, value := int64(math.MinInt64), int64(0)
		for i, us := range in[0].Ints[:f.n] {
			if day := floorDiv(us+clk.offset(us), dayMicros); day != last {
				last, value = day, get(day)
			}
			out.Ints[i] = value
		}
	})), nil
}

// clockParts are parts of the time of day: how many units there are since the last multiple of every.
var clockParts = map[string]struct{ every, unit int64 }{
	"hour":        {dayMicros, 3600 * secondMicros},
	"minute":      {3600 * secondMicros, 60 * secondMicros},
	"second":      {60 * secondMicros, secondMicros},
	"microsecond": {secondMicros, 1},
}

// dateParts are parts of the date of a day since 1970.
var dateParts = map[string]func(day int64) int64{
	"year":    func(day int64) int64 { y, _, _ := civil(day); return y },
	"quarter": func(day int64) int64 { _, m, _ := civil(day); return (m + 2) / 3 },
	"month":   func(day int64) int64 { _, m, _ := civil(day); return m },
	"day":     func(day int64) int64 { _, _, d := civil(day); return d },
	"weekday": weekday,
	"yearday": func(day int64) int64 { y, _, _ := civil(day); return day - dayOf(y, 1) + 1 },
	"isoyear": func(day int64) int64 { y, _, _ := civil(thursday(day)); return y },
	"week": func(day int64) int64 {
		y, _, _ := civil(thursday(day))
		return (thursday(day)-dayOf(y, 1))/7 + 1
	},
}

// unit is the setting of Epoch and FromEpoch in ns.
func (c *call) unit() (int64, error) {
	d, err := time.ParseDuration(c.text(0))
	if err != nil || d <= 0 || d > time.Microsecond && d%time.Microsecond != 0 || d < time.Microsecond && time.Microsecond%d != 0 {
		return 0, fmt.Errorf("a unit of %s: use time.Second, time.Millisecond and so on", c.text(0))
	}
	return int64(d), nil
}

func bindEpoch(c *call) (*Bound, error) {
	a, err := c.timestamp()
	if err != nil {
		return nil, err
	}
	unit, err := c.unit()
	if err != nil {
		return nil, err
	}
	if unit < 1000 {
		return times(int64Type, a, 1000/unit), nil
	}
	return looped(int64Type, []*Bound{a}, false, func(f *frame, out *col.Vec, in []*col.Vec) {
		for i, us := range in[0].Ints[:f.n] {
			out.Ints[i] = floorDiv(us, unit/1000)
		}
	}), nil
}

// times is an integer by a factor; what does not fit is null.
func times(t arrow.DataType, a *Bound, factor int64) *Bound {
	return looped(t, []*Bound{a}, true, func(f *frame, out *col.Vec, in []*col.Vec) {
		for i, x := range in[0].Ints[:f.n] {
			hi, lo := bits.Mul64(uint64(abs(x)), uint64(factor))
			if out.Ints[i] = x * factor; hi != 0 || lo > math.MaxInt64 {
				out.SetNull(i)
			}
		}
	})
}

func bindFromEpoch(c *call) (*Bound, error) {
	a := c.args[0]
	unit, err := c.unit()
	switch {
	case err != nil:
		return nil, err
	case a.isNull():
		return nullOf(timeType), nil
	case !numeric(a) || a.kind() != col.Int && a.kind() != col.Uint:
		return nil, fmt.Errorf("%s is %s, not a whole number", a.expr, words(a.typ))
	}
	a = to(a, int64Type)
	if unit >= 1000 {
		return times(timeType, a, unit/1000), nil
	}
	return looped(timeType, []*Bound{a}, false, func(f *frame, out *col.Vec, in []*col.Vec) {
		for i, x := range in[0].Ints[:f.n] {
			out.Ints[i] = floorDiv(x, 1000/unit)
		}
	}), nil
}
