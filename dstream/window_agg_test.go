package dstream_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

type windowTally struct {
	Item        string
	WindowStart time.Time
	WindowEnd   time.Time
	N           int64
	Total       *int64
}

func countAndTotal() []expr.Agg {
	return []expr.Agg{expr.Count().As("n"), expr.Sum("price").As("total")}
}

// Windows of two seconds of batch time, in all layouts and through all deaths.
func TestWindowAggByBatchTime(t *testing.T) {
	at := func(n int) time.Time { return dstreamtest.At(seconds(n)) }
	dstreamtest.Check(t, func(s dstream.Stream[bought]) dstream.Stream[windowTally] {
		return s.Frame().Window(dstream.Tumbling(2*time.Second).ByBatchTime()).GroupBy("item").Agg("tally", countAndTotal()...).As[windowTally]()
	}, [][]bought{
		{{"a", 1, nil}, {"b", 3, nil}, {"a", 4, nil}},
		{{"a", 3, nil}},
		{{"a", 2, nil}},
		{},
	}, [][]windowTally{
		{},
		{{"a", at(0), at(2), 3, new(int64(8))}, {"b", at(0), at(2), 1, new(int64(3))}},
		{},
		{{"a", at(2), at(4), 1, new(int64(2))}},
	})
}

// Sliding by a second, on change.
func TestSlidingOnChangeByBatchTime(t *testing.T) {
	at := func(n int) time.Time { return dstreamtest.At(seconds(n)) }
	dstreamtest.Check(t, func(s dstream.Stream[bought]) dstream.Stream[windowTally] {
		return s.Frame().Window(dstream.Sliding(2*time.Second, time.Second).ByBatchTime(), dstream.OnChange()).GroupBy("item").Agg("tally", countAndTotal()...).As[windowTally]()
	}, [][]bought{
		{{"a", 1, nil}},
		{{"a", 3, nil}},
		{},
	}, [][]windowTally{
		{{"a", at(-1), at(1), 1, new(int64(1))}, {"a", at(0), at(2), 1, new(int64(1))}},
		{{"a", at(0), at(2), 2, new(int64(4))}, {"a", at(1), at(3), 1, new(int64(3))}},
		{},
	})
}

type globalTally struct {
	Item  string
	N     int64
	Total *int64
}

func TestCountWindow(t *testing.T) {
	dstreamtest.Check(t, func(s dstream.Stream[bought]) dstream.Stream[globalTally] {
		return s.Frame().Window(dstream.CountWindow(2)).GroupBy("item").Agg("pairs", countAndTotal()...).As[globalTally]()
	}, [][]bought{
		{{"a", 1, nil}},
		{{"a", 3, nil}, {"b", 9, nil}},
		{{"b", 2, nil}},
		{{"b", 5, nil}},
	}, [][]globalTally{{}, {{"a", 2, new(int64(4))}}, {{"b", 2, new(int64(11))}}, {}, {{"b", 1, new(int64(5))}}}, dstreamtest.Finish())
}

func TestGlobalWindow(t *testing.T) {
	dstreamtest.Check(t, func(s dstream.Stream[bought]) dstream.Stream[globalTally] {
		return s.Frame().Window(dstream.Global(), dstream.Early(2*time.Second), dstream.EveryRows(3)).GroupBy("item").Agg("all", countAndTotal()...).As[globalTally]()
	}, [][]bought{
		{{"a", 1, nil}},
		{{"a", 3, nil}, {"b", 9, nil}},
		{{"a", 2, nil}},
		{},
	}, [][]globalTally{
		{}, {{"a", 2, new(int64(4))}, {"b", 1, new(int64(9))}}, {{"a", 3, new(int64(6))}}, {},
		{{"a", 3, new(int64(6))}, {"b", 1, new(int64(9))}},
	}, dstreamtest.Finish())
}

// Sliding by a second: windows that overlap are kept as one, and each is shown when it ends.
func TestSlidingByBatchTime(t *testing.T) {
	at := func(n int) time.Time { return dstreamtest.At(seconds(n)) }
	dstreamtest.Check(t, func(s dstream.Stream[bought]) dstream.Stream[windowTally] {
		return s.Frame().Window(dstream.Sliding(2*time.Second, time.Second).ByBatchTime()).GroupBy("item").Agg("tally", countAndTotal()...).As[windowTally]()
	}, [][]bought{
		{{"a", 1, nil}, {"b", 7, nil}},
		{{"a", 3, nil}},
		{},
		{},
		{{"b", 2, nil}},
	}, [][]windowTally{
		{{"a", at(-1), at(1), 1, new(int64(1))}, {"b", at(-1), at(1), 1, new(int64(7))}},
		{{"a", at(0), at(2), 2, new(int64(4))}, {"b", at(0), at(2), 1, new(int64(7))}},
		{{"a", at(1), at(3), 1, new(int64(3))}},
		{},
		{{"b", at(3), at(5), 1, new(int64(2))}},
		{{"b", at(4), at(6), 1, new(int64(2))}},
	}, dstreamtest.Finish())
}
