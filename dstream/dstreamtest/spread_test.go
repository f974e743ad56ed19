package dstreamtest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

type tick struct {
	Who string
	At  time.Time
}

func ticks(at ...int) []tick {
	var out []tick
	for i, s := range at {
		out = append(out, tick{fmt.Sprint(i % 2), dstreamtest.At(time.Duration(s) * time.Second)})
	}
	return out
}

type perMinute struct {
	Who  string
	From time.Time `arrow:"window_start"`
	To   time.Time `arrow:"window_end"`
	N    int64
}

func minute(who string, n int, count int64) perMinute {
	from := dstreamtest.At(time.Duration(n) * time.Minute)
	return perMinute{who, from, from.Add(time.Minute), count}
}

func minutes(delay time.Duration) func(dstream.Stream[tick]) dstream.Stream[perMinute] {
	return func(s dstream.Stream[tick]) dstream.Stream[perMinute] {
		f := s.Frame().EventTime("at", delay)
		return f.Window(dstream.Tumbling(time.Minute)).GroupBy("who").Agg("minutes", expr.Count().As("n")).As[perMinute]()
	}
}

// TestSpread: out of order, over several partitions, of which some are idle in each batch: all in all the windows are those of one partition, in later batches.
//
//	batch   rows (s)        watermark of one partition, delay 60
//	1       0 70 10 65      10
//	2       20              10
//	3       130 90          70      minute 0 closes
//	4
//	5                               the rest
func TestSpread(t *testing.T) {
	dstreamtest.Check(t, minutes(time.Minute),
		[][]tick{ticks(0, 70, 10, 65), ticks(20), ticks(130, 90), {}},
		[][]perMinute{{}, {}, {minute("0", 0, 3)}, {}, {minute("0", 2, 1), minute("1", 1, 3)}},
		dstreamtest.Finish(), dstreamtest.Spread())
}

// TestSpreadCanFail: what tells when it was computed is not the same, and neither is what is late.
func TestSpreadCanFail(t *testing.T) {
	in := [][]tick{ticks(0, 70), ticks(130), {}}
	fails(t, func(t testing.TB) {
		dstreamtest.Check(t, func(s dstream.Stream[tick]) dstream.Stream[string] {
			return s.EventTime(func(v tick) time.Time { return v.At }, 0).KeyBy(func(tick) int64 { return 0 }).
				Stateful("marks", func(_ int64, rows []tick, st *dstream.State[int64]) []string {
					return []string{fmt.Sprint(len(rows), " by ", max(st.Watermark().Unix(), -1))}
				}, dstream.EventTimers()).Values()
		}, in, [][]string{{"2 by -1"}, {"1 by 70"}, {}, {}}, dstreamtest.Finish(), dstreamtest.Spread())
	}, "all batches together", "Spread is not for it", "-millrace.way=spread/2")
	late := [][]tick{ticks(130, 0), ticks(10), {}}
	fails(t, func(t testing.TB) {
		dstreamtest.Check(t, minutes(0), late, [][]perMinute{{minute("1", 0, 1)}, {}, {}, {minute("0", 2, 1)}}, dstreamtest.Finish(), dstreamtest.Spread())
	}, "late with one source partition")
	fails(t, func(t testing.TB) {
		dstreamtest.Check(t, minutes(0), in, [][]perMinute{{}, {}, {}}, dstreamtest.Spread())
	}, "Spread is for a case with event time that is finished")
}
