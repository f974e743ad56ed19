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
