package dstream_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/rdd"
)

// TestTransformHolds has batches of different operators, with state behind them, die and start again in every way.
func TestTransformHolds(t *testing.T) {
	in := [][]string{{"a", "b", "a", "c"}, {"a", "b", "b"}, {}, {"c", "c"}, {"b"}}
	kv := dstreamtest.KV[string, int64]
	dstreamtest.CheckKeyed(t, func(s dstream.Stream[string]) dstream.Keyed[string, int64] {
		return s.Transform(func(b dstream.BatchInfo, r rdd.RDD[string]) rdd.RDD[string] {
			switch b.Number % 3 {
			case 1:
				return r.Distinct()
			case 2:
				return r.Map(strings.ToUpper).Repartition()
			}
			return r.Union(rdd.Parallelize([]string{"a"}))
		}).KeyBy(dstream.Self).RunningCount("seen")
	}, in, [][]dstream.Pair[string, int64]{
		{kv("a", 1), kv("b", 1), kv("c", 1)}, {kv("A", 1), kv("B", 2)}, {kv("a", 2)}, {kv("c", 2)}, {kv("B", 3)},
	})
}

// TestTransformWithHolds joins two streams within a transform.
func TestTransformWithHolds(t *testing.T) {
	a, b := [][]string{{"a", "b"}, {"c"}, {"a"}}, [][]string{{"b", "c"}, {"c", "c"}, {}}
	dstreamtest.Check2(t, func(a, b dstream.Stream[string]) dstream.Stream[string] {
		return a.TransformWith(b, func(info dstream.BatchInfo, r, o rdd.RDD[string]) rdd.RDD[string] {
			if info.Number == 3 {
				return o.Union(r)
			}
			return r.KeyBy(rdd.Self).Join(o.KeyBy(rdd.Self), func(x, y string) string { return x + y }).Values()
		})
	}, a, b, [][]string{{"bb"}, {"cc", "cc"}, {"a"}})
}

// TestTransformToOthersHolds goes from rows to keys within a transform, and back in another.
func TestTransformToOthersHolds(t *testing.T) {
	in := [][]string{{"a", "b", "a"}, {}, {"b", "c", "c"}}
	count := func(_ dstream.BatchInfo, r rdd.RDD[string]) rdd.Keyed[string, int64] { return r.CountByValue() }
	kv := dstreamtest.KV[string, int64]
	dstreamtest.CheckKeyed(t, func(s dstream.Stream[string]) dstream.Keyed[string, int64] {
		return s.TransformToKeyed(count).RunningReduce("seen", add)
	}, in, [][]dstream.Pair[string, int64]{{kv("a", 2), kv("b", 1)}, {}, {kv("b", 2), kv("c", 2)}})
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[int64] {
		return s.CountByValue().TransformToStream(func(b dstream.BatchInfo, r rdd.Keyed[string, int64]) rdd.RDD[int64] {
			if b.Number == 1 {
				return r.Values()
			}
			return r.Keys().Count()
		})
	}, in, [][]int64{{2, 1}, {0}, {2}})
}

// TestTransformOfRowsAndKeysHolds has rows on one side and keys on the other, either way round and with either result.
func TestTransformOfRowsAndKeysHolds(t *testing.T) {
	a, b := [][]string{{"a", "b", "x"}, {}, {"c"}}, [][]string{{"a", "a", "c"}, {"c"}, {"b", "c"}}
	byLetter := func(s dstream.Stream[string]) dstream.Keyed[string, int64] { return s.CountByValue() }
	times := func(k string, n int64) string { return strings.Repeat(k, int(n)) }
	words := [][]string{{"aa"}, {}, {"c"}}
	kv := dstreamtest.KV[string, string]
	keyed := [][]dstream.Pair[string, string]{{kv("a", "aa")}, {}, {kv("c", "c")}}

	dstreamtest.Check2(t, func(a, b dstream.Stream[string]) dstream.Stream[string] {
		return a.TransformWith(byLetter(b), func(_ dstream.BatchInfo, r rdd.RDD[string], o rdd.Keyed[string, int64]) rdd.RDD[string] {
			return r.KeyBy(rdd.Self).Join(o, times).Values()
		})
	}, a, b, words)
	dstreamtest.CheckKeyed2(t, func(a, b dstream.Stream[string]) dstream.Keyed[string, string] {
		return a.TransformWithToKeyed(byLetter(b), func(_ dstream.BatchInfo, r rdd.RDD[string], o rdd.Keyed[string, int64]) rdd.Keyed[string, string] {
			return r.KeyBy(rdd.Self).Join(o, times)
		})
	}, a, b, keyed)
	dstreamtest.CheckKeyed2(t, func(a, b dstream.Stream[string]) dstream.Keyed[string, string] {
		return byLetter(b).TransformWith(a, func(_ dstream.BatchInfo, r rdd.Keyed[string, int64], o rdd.RDD[string]) rdd.Keyed[string, string] {
			return o.KeyBy(rdd.Self).Join(r, times)
		})
	}, a, b, keyed)
	dstreamtest.Check2(t, func(a, b dstream.Stream[string]) dstream.Stream[string] {
		return byLetter(b).TransformWithToStream(a.KeyBy(dstream.Self), func(_ dstream.BatchInfo, r rdd.Keyed[string, int64], o rdd.Keyed[string, string]) rdd.RDD[string] {
			return o.Join(r, times).Values()
		})
	}, a, b, words)
}
