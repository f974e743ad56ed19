package expr

import (
	"math"
	"time"
)

const (
	secondMicros = int64(time.Second / time.Microsecond)
	dayMicros    = 24 * 3600 * secondMicros
)

// clock is a zone's offset from UTC, remembered for the time that it is in force.
type clock struct {
	loc    *time.Location // nil: UTC
	lo, hi int64          // µs
	off    int64
}

// offset is what must be added to an instant for the zone's clock.
func (c *clock) offset(us int64) int64 {
	if c.loc == nil || us >= c.lo && us < c.hi {
		return c.off
	}
	t := time.UnixMicro(us).In(c.loc)
	_, off := t.Zone()
	c.off = int64(off) * secondMicros
	c.lo, c.hi = math.MinInt64, math.MaxInt64
	from, to := t.ZoneBounds()
	if !from.IsZero() {
		c.lo = from.UnixMicro()
	}
	if !to.IsZero() {
		c.hi = to.UnixMicro()
	}
	return c.off
}

// instant is the first one at which the zone's clock shows local or, if it never does, something later.
func (c *clock) instant(local int64) int64 {
	if c.loc == nil {
		return local
	}
	before, after := c.offset(local-dayMicros), c.offset(local+dayMicros)
	early, late := local-max(before, after), local-min(before, after)
	switch {
	case c.offset(early) == local-early:
		return early
	case c.offset(late) == local-late:
		return late
	}
	c.offset(early)
	return c.hi // the clock jumps over local
}

// floorDiv is a / b rounded down, for positive b.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// calendar are units of days: the first day of the one that a day (since 1970) is in, and that of the next.
var calendar = map[string]func(day int64) (first, next int64){
	"day": func(day int64) (int64, int64) { return day, day + 1 },
	"week": func(day int64) (int64, int64) {
		first := floorDiv(day+3, 7)*7 - 3
		return first, first + 7
	},
	"month":   func(day int64) (int64, int64) { return months(day, 1) },
	"quarter": func(day int64) (int64, int64) { return months(day, 3) },
	"year":    func(day int64) (int64, int64) { return months(day, 12) },
}

// months is the run of n months of a year that a day is in.
func months(day, n int64) (first, next int64) {
	y, m, _ := civil(day)
	m = (m-1)/n*n + 1
	if m+n > 12 {
		return dayOf(y, m), dayOf(y+1, 1)
	}
	return dayOf(y, m), dayOf(y, m+n)
}

// civil is the date of a day since 1970-01-01. Years are counted from March on within, so that the day which may be missing is the last.
func civil(day int64) (year, month, dom int64) {
	day += 719468 // since 0000-03-01
	era := floorDiv(day, 146097)
	doe := day - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	m := (5*doy + 2) / 153
	month = m + 3
	if m >= 10 {
		month = m - 9
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, doy - (153*m+2)/5 + 1
}

// dayOf is the first day of a month, since 1970-01-01.
func dayOf(year, month int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := floorDiv(year, 400)
	yoe := year - era*400
	doy := (153*(month-3) + 2) / 5
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// weekday is 1 for Monday; 1970-01-01 was a Thursday.
func weekday(day int64) int64 { return day + 3 - floorDiv(day+3, 7)*7 + 1 }

// thursday is that of a day's week, whose year is the week's.
func thursday(day int64) int64 { return day - weekday(day) + 4 }
