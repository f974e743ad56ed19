package rdd

import (
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/ops"
)

// EventOption is a setting of EventTime.
type EventOption func(*eventSettings)

type eventSettings struct {
	idle, ahead, follow time.Duration
	mistake             string
}

// Settings of EventTime that are not given.
const (
	idleAfter = 5 * time.Second
	aheadMost = 24 * time.Hour
)

// IdleAfter is how long a partition may be without rows before it no longer holds the watermark back, by the driver's clock; 5 seconds if it is not given. A
// partition that has ended, a file that was read, does not hold it back at all.
func IdleAfter(d time.Duration) EventOption {
	return func(s *eventSettings) {
		s.idle = d
		if d <= 0 {
			s.mistake = "IdleAfter: give a time above 0"
		}
	}
}

// IdleAdvance lets the watermark follow the clock while all partitions are idle: it is the batch time minus d then, if that is later. Without it the watermark
// stands still as long as no rows come.
func IdleAdvance(d time.Duration) EventOption {
	return func(s *eventSettings) {
		s.follow = d
		if d <= 0 {
			s.mistake = "IdleAdvance: give a time above 0"
		}
	}
}

// Ahead is how far ahead of the batch time an event time may be and still move the watermark; 24 hours if it is not given, 0: as far as it likes. Rows with
// later ones go on and are counted.
func Ahead(d time.Duration) EventOption {
	return func(s *eventSettings) {
		s.ahead = d
		if d < 0 {
			s.mistake = "Ahead: give a time, or 0 for no limit"
		}
	}
}

// eventTime is the settings of EventTime, checked.
func (b *Builder) eventTime(at Site, column string, delay time.Duration, opts []EventOption) *EventTime {
	s := eventSettings{idle: idleAfter, ahead: aheadMost}
	for _, o := range opts {
		o(&s)
	}
	if s.mistake != "" {
		b.Mistakef(at, "EventTime: %s", s.mistake)
	}
	if delay < 0 {
		b.Mistakef(at, "EventTime: a delay of %v; it is how late rows may come, 0 or more", delay)
	}
	return &EventTime{Column: column, Delay: delay.Microseconds(), Idle: s.idle.Microseconds(), Ahead: s.ahead.Microseconds(), Follow: s.follow.Microseconds()}
}

// EventTime says when what a row tells of happened: f of it. Rows may come out of order, as late as delay: the watermark of a partition of the source is the
// highest event time of its rows minus delay, and that of the stream the lowest of its partitions' that are not idle. Operators that count in event time come
// to their results as it moves, and rows behind it may be too late for them. Rows for which f gives the zero time go to the source's dead letters.
//
// It belongs before all operators that move rows, best directly behind the source: rows that a filter took out before it do not move the watermark.
func (r RDD[T]) EventTime(f func(T) time.Time, delay time.Duration, opts ...EventOption) RDD[T] {
	at := Caller()
	r.b.Need(at, "EventTime", f == nil)
	n := r.b.narrow(at, "eventTime", nil, r.node.Val, ops.EventTime(f), r.node)
	n.Event = r.b.eventTime(at, "", delay, opts)
	return RDD[T]{r.b, n}
}

// EventTime says which column, of timestamps, holds the time at which what a row tells of happened; see RDD.EventTime. Rows in which it is null go to the
// source's dead letters.
func (f Frame) EventTime(column string, delay time.Duration, opts ...EventOption) Frame {
	at := Caller()
	n := f.b.narrow(at, "eventTime", nil, f.node.Val, nil, f.node)
	n.Event = f.b.eventTime(at, column, delay, opts)
	n.Kernel = ops.EventColumn(0)
	if bound := f.BindAll(at, "eventTime", column)[0]; bound != nil {
		if id := bound.Field().Type.ID(); id != arrow.TIMESTAMP {
			f.b.Mistakef(at, "eventTime: column %q is %s, not a timestamp; make one of it with With", column, bound.Field().Type)
		}
		n.Kernel = ops.EventColumn(f.Schema().FieldIndices(column)[0])
	} else {
		d := f.b.doubtOf(n)
		shape := d.shape // the columns are what they were
		d = d.naming(column)
		d.shape = shape
		f.b.about(n, d)
	}
	n.Cols = &Columns{InPlace: true, Reads: func(_ int, out []bool) []bool {
		read := slices.Clone(out)
		for _, i := range f.Schema().FieldIndices(column) {
			read[i] = true
		}
		return read
	}}
	return Frame{b: f.b, node: n, time: column, timed: true}
}

// Time is the column that holds the rows' event time, once EventTime has said so and as long as the column is there: it is the column plus offset, µs. ok is
// false if the rows have none, or not in a column.
func (f Frame) Time() (column string, offset int64, ok bool) { return f.time, f.offset, f.timed }

// Timed is f with a column that holds its rows' event time, minus or plus an offset of µs: for operators that make rows of their own, as windows do, whose
// rows happened at their end − 1 µs (P29).
func (f Frame) Timed(column string, offset int64) Frame {
	f.time, f.offset, f.timed = column, offset, true
	return f
}

// passing gives n, whose columns these are, the event time of f where they hand its column on.
func (f Frame) passing(n *Node, columns []*expr.Bound) Frame {
	out := Frame{b: f.b, node: n}
	for _, c := range columns {
		if name, ok := c.Expr().Column(); ok && f.timed && name == f.time && !out.timed {
			out = out.Timed(c.Field().Name, f.offset)
		}
	}
	return out
}
