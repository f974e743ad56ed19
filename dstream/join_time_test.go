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
