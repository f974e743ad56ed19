package eventwindow

import (
	"time"
)

// calendar finds windows that begin by the clock on the wall. It remembers the window of the time before: times that follow each other are mostly in one.
type calendar struct {
	spec     Spec
	loc      *time.Location
	from, to int64 // of the last window; from == to: none
}

// start is the beginning of the window of t.
func (c *calendar) start(t int64) int64 {
	if t < c.from || t >= c.to {
		c.find(t)
	}
	return c.from
}

// end is the end of the window that begins at start.
func (c *calendar) end(start int64) int64 {
	c.start(start)
	return c.to
}

// find finds the window of t.
func (c *calendar) find(t int64) {
	n := c.number(t)
	from, to := c.boundary(n), c.boundary(n+1)
	for t < from { // a boundary that the clock skips or repeats
		n--
		from, to = c.boundary(n), from
	}
	for t >= to {
		n++
		from, to = to, c.boundary(n+1)
	}
	c.from, c.to = from, to
	if c.spec.Kind != DayParts {
		return
	}
	// Parts count from midnight, and the last ends with the day: on the days that are an hour longer or shorter there is one more or one less.
	c.from = from + (t-from)/c.spec.Size*c.spec.Size
	c.to = min(c.from+c.spec.Size, to)
}

// number is the number of the window that t is in by the clock on the wall: it may be one off where the clock is changed.
func (c *calendar) number(t int64) int64 {
	wall := time.UnixMicro(t - c.spec.Offset).In(c.loc)
	y, m, d := wall.Date()
	if c.spec.Kind == Months {
		return floor(int64(y)*12+int64(m-1), c.spec.Size) / c.spec.Size
	}
	days := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400
	return floor(days, c.days()) / c.days()
}

// days is how many days a boundary lies behind the one before.
func (c *calendar) days() int64 {
	if c.spec.Kind == DayParts {
		return 1
	}
	return c.spec.Size
}

// boundary is the beginning of window n: the first moment at which the clock shows its time or a later one.
func (c *calendar) boundary(n int64) int64 {
	var wall time.Time // as if the zone were UTC
	if c.spec.Kind == Months {
		wall = time.Date(0, time.Month(1+n*c.spec.Size), 1, 0, 0, 0, 0, time.UTC)
	} else {
		wall = time.Unix(n*c.days()*86400, 0).UTC()
	}
	return firstAt(wall.Add(time.Duration(c.spec.Offset)*time.Microsecond), c.loc).UnixMicro()
}

// firstAt is the first moment at which the clock of a zone shows wall, a time in UTC, or a later time.
func firstAt(wall time.Time, loc *time.Location) time.Time {
	y, m, d := wall.Date()
	t := time.Date(y, m, d, wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), loc)
	begin, end := t.ZoneBounds()
	switch shown := shown(t); {
	case shown.Before(wall): // the clock skips it, and t is before the change
		return end
	case shown.After(wall): // the clock skips it, and t is behind the change
		return begin
	case begin.IsZero():
		return t
	}
	_, before := begin.Add(-1).Zone()
	_, now := t.Zone()
	if first := t.Add(-time.Duration(before-now) * time.Second); first.Before(begin) { // shown twice, if the clock was put back
		return first
	}
	return t
}

// shown is what the clock shows at t, as if its zone were UTC.
func shown(t time.Time) time.Time {
	_, off := t.Zone()
	return t.UTC().Add(time.Duration(off) * time.Second)
}
