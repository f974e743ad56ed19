package dstream_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

// seen is a row with an event time, in seconds of dstreamtest.At.
type seen struct {
	Item  string
	At    time.Time
	Price int64
}

func seenAt(item string, second, price int) seen {
	return seen{item, dstreamtest.At(seconds(second)), int64(price)}
}

func dated(s dstream.Stream[seen]) dstream.Frame { return s.Frame().EventTime("at", 0) }

func windowOf(item string, from, to int, n, total int64) windowTally {
	return windowTally{item, dstreamtest.At(seconds(from)), dstreamtest.At(seconds(to)), n, &total}
}

// Tumbling windows of 10 s; W is the highest time seen, of a single source partition:
//
//	batch   1        2            3         4        end
//	rows    1, 8     12, 3        9, 14     25       –
//	W       8        12           14        25       ∞
//	shown   –        [0 10) 3     9 late    [10 20)  [20 30)
func TestWindowAggByEventTime(t *testing.T) {
	dstreamtest.Check(t, func(s dstream.Stream[seen]) dstream.Stream[windowTally] {
		return dated(s).Window(dstream.Tumbling(10*time.Second)).GroupBy("item").Agg("tally", countAndTotal()...).As[windowTally]()
	}, [][]seen{
		{seenAt("a", 1, 1), seenAt("a", 8, 2)},
		{seenAt("a", 12, 4), seenAt("a", 3, 8)},
		{seenAt("a", 9, 16), seenAt("a", 14, 32)},
		{seenAt("b", 25, 64)},
	}, [][]windowTally{{}, {windowOf("a", 0, 10, 3, 11)}, {}, {windowOf("a", 10, 20, 2, 36)}, {windowOf("b", 20, 30, 1, 64)}},
		dstreamtest.Finish(), dstreamtest.Sources(1))
}

func TestSessionsByEventTime(t *testing.T) {
	dstreamtest.Check(t, func(s dstream.Stream[seen]) dstream.Stream[windowTally] {
		return dated(s).Window(dstream.Session(5*time.Second), dstream.AllowedLateness(2*time.Second)).GroupBy("item").Agg("tally", countAndTotal()...).As[windowTally]()
	}, [][]seen{
		{seenAt("a", 1, 1), seenAt("b", 2, 2)},
		{seenAt("a", 7, 4)}, // closes [1 6) and [2 7)
		{seenAt("b", 3, 8)}, // makes b's reach to 8
		{seenAt("a", 6, 16), seenAt("c", 8, 1)},
		{seenAt("c", 30, 32)},
	}, [][]windowTally{
		{}, {windowOf("a", 1, 6, 1, 1), windowOf("b", 2, 7, 1, 2)}, {},
		{windowOf("b", 2, 8, 2, 10)}, {windowOf("a", 1, 12, 3, 21), windowOf("c", 8, 13, 1, 1)}, {windowOf("c", 30, 35, 1, 32)},
	}, dstreamtest.Finish(), dstreamtest.Sources(1))
}

// Late rows go out in the batch in which they come; the window does not count them.
func TestLateRows(t *testing.T) {
	dstreamtest.Check(t, func(s dstream.Stream[seen]) dstream.Stream[seen] {
		return dated(s).Window(dstream.Tumbling(10*time.Second)).GroupBy("item").Agg("tally", countAndTotal()...).LateRows().As[seen]()
	}, [][]seen{
		{seenAt("a", 1, 1), seenAt("a", 12, 2)},
		{seenAt("a", 9, 4), seenAt("a", 10, 8), seenAt("b", 0, 1)},
		{},
	}, [][]seen{{}, {seenAt("a", 9, 4), seenAt("b", 0, 1)}, {}}, dstreamtest.Sources(1))
}

type perTime struct {
	WindowStart time.Time
	WindowEnd   time.Time
	Items       int64
	Most        *int64
}

// A window behind a window of the same size closes in the same batch, and loses nothing to the watermark that closed the first.
func TestWindowBehindWindow(t *testing.T) {
	at := func(n int) time.Time { return dstreamtest.At(seconds(n)) }
	dstreamtest.Check(t, func(s dstream.Stream[seen]) dstream.Stream[perTime] {
		w := dstream.Tumbling(10 * time.Second)
		return dated(s).Window(w).GroupBy("item").Agg("tally", countAndTotal()...).
			Window(w).Agg("per time", expr.Count().As("items"), expr.Max("total").As("most")).As[perTime]()
	}, [][]seen{
		{seenAt("a", 1, 1), seenAt("b", 2, 2)},
		{seenAt("a", 3, 4), seenAt("c", 9, 3), seenAt("a", 20, 1)},
		{seenAt("a", 21, 1)},
	}, [][]perTime{{}, {{at(0), at(10), 3, new(int64(5))}}, {}, {{at(20), at(30), 1, new(int64(2))}}}, dstreamtest.Finish(), dstreamtest.Sources(1))
}

func TestDeduplicate(t *testing.T) {
	dstreamtest.Check(t, func(s dstream.Stream[seen]) dstream.Stream[seen] {
		return dated(s).Deduplicate("once", 10*time.Second, "item").As[seen]()
	}, [][]seen{
		{seenAt("a", 1, 1), seenAt("a", 2, 2), seenAt("b", 3, 3)},
		{seenAt("b", 4, 4), seenAt("a", 11, 5)},
		{seenAt("b", 1, 6), seenAt("c", 2, 7)},
	}, [][]seen{{seenAt("a", 1, 1), seenAt("b", 3, 3)}, {seenAt("a", 11, 5)}, {seenAt("c", 2, 7)}}, dstreamtest.Sources(1), dstreamtest.Ordered())
}

// visited has columns of all nested types. Results and late rows of a window leave the operator together, each with nothing in the columns of the other.
type visited struct {
	Item  string
	At    time.Time
	Place struct {
		Lat  float64
		City string
	}
	Whose *struct{ Name string }
	Tags  []string
	Hits  map[string]int64
}

func TestLateRowsWithNestedColumns(t *testing.T) {
	visit := func(second int) visited {
		v := visited{Item: "a", At: dstreamtest.At(seconds(second)), Tags: []string{"x", "y"}, Hits: map[string]int64{"h": 1}}
		v.Place.City = "Rome"
		v.Whose = &struct{ Name string }{"me"}
		return v
	}
	dstreamtest.Check(t, func(s dstream.Stream[visited]) dstream.Stream[visited] {
		tally := s.Frame().EventTime("at", 0).Window(dstream.Tumbling(10*time.Second)).GroupBy("item").Agg("tally", expr.Count().As("n"), expr.Collect("item", 3).As("lists"))
		late := tally.LateRows().As[visited]()
		type counted struct{ N int64 }
		return late.Union(tally.Select("n").As[counted]().Map(func(c counted) visited { return visited{Item: strings.Repeat("n", int(c.N))} }))
	}, [][]visited{
		{visit(1), visit(8)}, {visit(12)}, {visit(3), visit(14)},
	}, [][]visited{{}, {{Item: "nn"}}, {visit(3)}, {{Item: "nn"}}}, dstreamtest.Finish(), dstreamtest.Sources(1))
}
