package dstream_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// Windows survive everything: other layouts, restarts, executors that die at any moment. A window of 3 that slides by 2:
//
//	batch   1       2     3     4     5     6
//	rows    a1 b2   a3    b1    c4    c1    a2
//	at 2    [a1 b2   a3]
//	at 4            [a3    b1    c4]
//	at 6                        [c4    c1    a2]
func TestWindowsSurvive(t *testing.T) {
	t.Parallel()
	const w, slide = 3 * time.Second, 2 * time.Second
	input := [][]string{{"a1", "b2"}, {"a3"}, {"b1"}, {"c4"}, {"c1"}, {"a2"}}
	kv := dstreamtest.KV[string, int64]
	type pairs = []dstream.Pair[string, int64]
	byKey := func(s dstream.Stream[string]) dstream.Keyed[string, int64] {
		return s.KeyBy(func(v string) string { return v[:1] }).MapValues(length)
	}
	for name, opts := range map[string][]dstream.WindowOption{"anew": nil, "inverse": {dstream.Inverse(take)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dstreamtest.CheckKeyed(t, func(s dstream.Stream[string]) dstream.Keyed[string, int64] {
				return byKey(s).ReduceByKeyAndWindow("w", add, w, slide, opts...).Changes()
			}, input, []pairs{{}, {kv("a", 4), kv("b", 2)}, {}, {kv("a", 3), kv("b", 1), kv("c", 4)}, {}, {kv("a", 2), kv("c", 5)}})
		})
	}
	t.Run("keep", func(t *testing.T) {
		t.Parallel()
		dstreamtest.CheckKeyed(t, func(s dstream.Stream[string]) dstream.Keyed[string, int64] {
			return byKey(s).ReduceByKeyAndWindow("w", add, w, slide, dstream.Inverse(take), dstream.KeepEmpty()).All()
		}, input, []pairs{{}, {kv("a", 4), kv("b", 2)}, {}, {kv("a", 3), kv("b", 1), kv("c", 4)}, {}, {kv("a", 2), kv("b", 0), kv("c", 5)}})
	})
	t.Run("floats", func(t *testing.T) {
		t.Parallel()
		fv := dstreamtest.KV[string, float64]
		dstreamtest.CheckKeyed(t, func(s dstream.Stream[string]) dstream.Keyed[string, float64] {
			return byKey(s).MapValues(func(n int64) float64 { return float64(n) / 10 }).
				ReduceByKeyAndWindow("w", func(a, b float64) float64 { return a + b }, w, slide, dstream.Inverse(func(a, b float64) float64 { return a - b })).All()
		}, input, [][]dstream.Pair[string, float64]{{}, {fv("a", 0.4), fv("b", 0.2)}, {}, {fv("a", 0.3), fv("b", 0.1), fv("c", 0.4)}, {}, {fv("a", 0.2), fv("c", 0.5)}})
	})
	t.Run("groups", func(t *testing.T) {
		t.Parallel()
		gv := dstreamtest.KV[string, []int64]
		dstreamtest.CheckKeyed(t, func(s dstream.Stream[string]) dstream.Keyed[string, []int64] {
			return byKey(s).GroupByKeyAndWindow("w", w, slide)
		}, input, [][]dstream.Pair[string, []int64]{{}, {gv("a", []int64{1, 3}), gv("b", []int64{2})}, {}, {gv("a", []int64{3}), gv("b", []int64{1}), gv("c", []int64{4})}, {}, {gv("a", []int64{2}), gv("c", []int64{4, 1})}})
	})
	t.Run("written late", func(t *testing.T) {
		dstreamtest.CheckKeyed(t, func(s dstream.Stream[string]) dstream.Keyed[string, int64] {
			return byKey(s).ReduceByKeyAndWindow("w", add, w, slide, dstream.Inverse(take), dstream.CheckpointEvery(4)).All()
		}, input, []pairs{{}, {kv("a", 4), kv("b", 2)}, {}, {kv("a", 3), kv("b", 1), kv("c", 4)}, {}, {kv("a", 2), kv("c", 5)}})
	})
	t.Run("rows written late", func(t *testing.T) {
		dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[string] {
			return s.Window("w", w, slide, dstream.CheckpointEvery(4))
		}, input, [][]string{{}, {"a1", "b2", "a3"}, {}, {"a3", "b1", "c4"}, {}, {"c4", "c1", "a2"}})
	})
	t.Run("rows", func(t *testing.T) {
		t.Parallel()
		dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[string] { return s.Window("w", w, slide) },
			input, [][]string{{}, {"a1", "b2", "a3"}, {}, {"a3", "b1", "c4"}, {}, {"c4", "c1", "a2"}})
	})
	t.Run("count", func(t *testing.T) {
		t.Parallel()
		dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[int64] { return s.CountByWindow("w", time.Second, slide) },
			input, [][]int64{{}, {1}, {}, {1}, {}, {1}})
	})
	t.Run("slice", func(t *testing.T) {
		t.Parallel()
		dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[string] {
			return s.Remember("m", 3*time.Second).Slice(func(at time.Time) (from, until time.Time) { return at.Add(-3 * time.Second), at.Add(-time.Second) })
		}, input, [][]string{{}, {"a1", "b2"}, {"a1", "b2", "a3"}, {"a3", "b1"}, {"b1", "c4"}, {"c4", "c1"}})
	})
}
