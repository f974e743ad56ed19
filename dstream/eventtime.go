package dstream

import (
	"time"

	"github.com/millrace/millrace/rdd"
)

// EventOption is a setting of EventTime: IdleAfter, IdleAdvance, Ahead.
type EventOption = rdd.EventOption

// IdleAfter is how long a partition may be without rows before it no longer holds the watermark back, by the driver's clock; 5 seconds if it is not given. A
// partition that has ended, a file that was read, does not hold it back at all.
func IdleAfter(d time.Duration) EventOption { return rdd.IdleAfter(d) }

// IdleAdvance lets the watermark follow the clock while all partitions are idle: it is the batch time minus d then, if that is later. Without it the watermark
// stands still as long as no rows come.
func IdleAdvance(d time.Duration) EventOption { return rdd.IdleAdvance(d) }

// Ahead is how far ahead of the batch time an event time may be and still move the watermark; 24 hours if it is not given, 0: as far as it likes. Rows with
// later ones go on and are counted.
func Ahead(d time.Duration) EventOption { return rdd.Ahead(d) }

// EventTime says when what a row tells of happened: f of it. Rows may come out of order, as late as delay: the watermark of a partition of the source is the
// highest event time of its rows minus delay, and that of the stream the lowest of its partitions' that are not idle. It is recorded with each batch, never falls,
// and is the same however often a batch is computed. Operators that count in event time come to their results as it moves, without new rows too where a
// partition falls idle; rows behind it may be too late for them. Rows for which f gives the zero time go to the source's dead letters.
//
// It belongs before all operators that move rows, best directly behind the source: rows that a filter took out before it do not move the watermark.
func (s Stream[T]) EventTime(f func(T) time.Time, delay time.Duration, opts ...EventOption) Stream[T] {
	return Stream[T]{s.job, s.r.EventTime(f, delay, opts...)}
}

// EventTime says which column, of timestamps, holds the time at which what a row tells of happened; see Stream.EventTime. Rows in which it is null go to the
// source's dead letters.
func (f Frame) EventTime(column string, delay time.Duration, opts ...EventOption) Frame {
	return Frame{f.job, f.f.EventTime(column, delay, opts...)}
}

// Time is the column that holds the rows' event time, once EventTime has said so and as long as the column is there: it is the column plus offset, µs. ok is
// false if the rows have none, or not in a column.
func (f Frame) Time() (column string, offset int64, ok bool) { return f.f.Time() }
