package dstream_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// viewed and clicked are rows of two streams, with event times in seconds of dstreamtest.At.
type viewed struct {
	ID string
	At time.Time
}

type clicked struct {
	ID      string
	Clicked time.Time
}

// Views with clicks up to 10 s later; W is the lower of both watermarks:
//
//	batch   1     2      3      4           end
//	views   a 1   b 20   –      c 35        –
//	clicks  a 5   a 11   x 40   a 19 late   –
//	W       1     11     20     35          ∞
//	shown   a 5   a 11   –      b alone     c alone
func TestFrameJoinWithin(t *testing.T) {
	type out struct {
		ID      string
		At      time.Time
		Clicked *time.Time
	}
	at := func(s int) time.Time { return dstreamtest.At(seconds(s)) }
	maybe := func(s int) *time.Time { v := at(s); return &v }
	dstreamtest.Check2(t, func(v dstream.Stream[viewed], c dstream.Stream[clicked]) dstream.Stream[out] {
		return v.Frame().EventTime("at", 0).JoinWithin("clicks of views", c.Frame().EventTime("clicked", 0),
			dstream.Within(0, 10*time.Second), dstream.On("id"), dstream.LeftJoin, dstream.MaxJoinState(1<<30)).As[out]()
	}, [][]viewed{{{"a", at(1)}}, {{"b", at(20)}}, {}, {{"c", at(35)}}},
		[][]clicked{{{"a", at(5)}}, {{"a", at(11)}}, {{"x", at(40)}}, {{"a", at(19)}}},
		[][]out{{{"a", at(1), maybe(5)}}, {{"a", at(1), maybe(11)}}, {}, {{"b", at(20), nil}}, {{"c", at(35), nil}}},
		dstreamtest.Finish(), dstreamtest.Sources(1))
}

// The views and clicks that JoinWithin drops, and those that JoinAsOf does, in the batches in which they come. A join with late rows shows what it shows without.
//
//	batch   1     2      3              4
//	views   a 1   b 20   –              c 35, d 12 late
//	clicks  a 5   a 11   x 40, y 9 late a 19 late
//	W       1     11     20             35
func TestFrameJoinLateRows(t *testing.T) {
	at := func(s int) time.Time { return dstreamtest.At(seconds(s)) }
	views := [][]viewed{{{"a", at(1)}}, {{"b", at(20)}}, {}, {{"c", at(35)}, {"d", at(12)}}}
	clicks := [][]clicked{{{"a", at(5)}}, {{"a", at(11)}}, {{"x", at(40)}, {"y", at(9)}}, {{"a", at(19)}}}
	within := func(v dstream.Stream[viewed], c dstream.Stream[clicked]) dstream.Frame {
		return v.Frame().EventTime("at", 0).JoinWithin("clicks of views", c.Frame().EventTime("clicked", 0), dstream.Within(0, 10*time.Second), dstream.On("id"), dstream.SemiJoin)
	}
	lateViews, lateClicks := [][]viewed{{}, {}, {}, {{"d", at(12)}}}, [][]clicked{{}, {}, {{"y", at(9)}}, {{"a", at(19)}}}
	t.Run("left", func(t *testing.T) {
		dstreamtest.Check2(t, func(v dstream.Stream[viewed], c dstream.Stream[clicked]) dstream.Stream[viewed] {
			return within(v, c).LateRows().As[viewed]()
		}, views, clicks, lateViews, dstreamtest.Sources(1))
	})
	t.Run("right, twice", func(t *testing.T) {
		twice := [][]clicked{{}, {}, {{"y", at(9)}, {"y", at(9)}}, {{"a", at(19)}, {"a", at(19)}}}
		dstreamtest.Check2(t, func(v dstream.Stream[viewed], c dstream.Stream[clicked]) dstream.Stream[clicked] {
			f := within(v, c)
			return f.LateRightRows().As[clicked]().Union(f.LateRightRows().As[clicked]())
		}, views, clicks, twice, dstreamtest.Sources(1))
	})
	t.Run("results", func(t *testing.T) {
		dstreamtest.Check2(t, func(v dstream.Stream[viewed], c dstream.Stream[clicked]) dstream.Stream[viewed] {
			f := within(v, c)
			return f.As[viewed]().Union(f.LateRows().As[viewed]())
		}, views, clicks, [][]viewed{{{"a", at(1)}}, {}, {}, {{"d", at(12)}}}, dstreamtest.Sources(1))
	})
	t.Run("versions", func(t *testing.T) {
		dstreamtest.Check2(t, func(v dstream.Stream[viewed], c dstream.Stream[clicked]) dstream.Stream[clicked] {
			return v.Frame().EventTime("at", 0).JoinAsOf("last click", c.Frame().EventTime("clicked", 0), dstream.On("id")).LateRightRows().As[clicked]()
		}, views, clicks, lateClicks, dstreamtest.Sources(1))
	})
}

// Views with the last click before them, as the version that is valid then.
//
//	batch    1     2      3      end
//	views    a 5   a 12   –      –
//	clicks   a 0   a 10   a 30   –
//	W        0     10     12     ∞
//	shown    –     5→0    –      12→10
func TestFrameJoinAsOf(t *testing.T) {
	type out struct {
		ID      string
		At      time.Time
		Clicked time.Time
	}
	at := func(s int) time.Time { return dstreamtest.At(seconds(s)) }
	views := [][]viewed{{{"a", at(5)}}, {{"a", at(12)}}, {}}
	clicks := [][]clicked{{{"a", at(0)}}, {{"a", at(10)}}, {{"a", at(30)}}}
	dstreamtest.Check2(t, func(v dstream.Stream[viewed], c dstream.Stream[clicked]) dstream.Stream[out] {
		return v.Frame().EventTime("at", 0).JoinAsOf("last click", c.Frame().EventTime("clicked", 0), dstream.On("id")).As[out]()
	}, views, clicks, [][]out{{}, {{"a", at(5), at(0)}}, {}, {{"a", at(12), at(10)}}}, dstreamtest.Finish(), dstreamtest.Sources(1))
	t.Run("now", func(t *testing.T) {
		dstreamtest.Check2(t, func(v dstream.Stream[viewed], c dstream.Stream[clicked]) dstream.Stream[out] {
			return v.Frame().EventTime("at", 0).JoinAsOfNow("last click", c.Frame().EventTime("clicked", 0), dstream.On("id")).As[out]()
		}, views, clicks, [][]out{{{"a", at(5), at(0)}}, {{"a", at(12), at(10)}}, {}, {}}, dstreamtest.Finish(), dstreamtest.Sources(1))
	})
}
