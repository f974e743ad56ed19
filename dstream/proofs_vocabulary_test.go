package dstream_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// Operators that share a case stand side by side in one job; each marks its rows.

func mark[T any](s dstream.Stream[T], as string) dstream.Stream[string] {
	return s.Map(func(v T) string { return fmt.Sprint(as, ":", v) })
}

func markKeyed[V any](s dstream.Keyed[string, V], as string) dstream.Stream[string] {
	return s.Map(func(k string, v V) string { return fmt.Sprint(as, ":", k, "=", v) })
}

func TestProofPartitions(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[string] {
		kept := s.Repartition().Cache().Persist()
		return mark(kept.MapPartitions(func(rows []string) []string { slices.Reverse(rows); return rows }), "map").Union(
			mark(kept.Glom().FlatMap(dstream.Self), "glom"),
			mark(s.Reduce(func(a, b string) string { return max(a, b) }), "max"),
			markKeyed(s.CountByValue(), "count"))
	}, [][]string{{"a", "b", "a"}, {}, {"c"}}, [][]string{
		{"map:a", "map:b", "map:a", "glom:a", "glom:b", "glom:a", "max:b", "count:a=2", "count:b=1"}, {},
		{"map:c", "glom:c", "max:c", "count:c=1"},
	})
}

func TestProofCombining(t *testing.T) {
	t.Parallel()
	plus := func(a, b int64) int64 { return a + b }
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[string] {
		k := s.KeyBy(initial).MapValues(length)
		return markKeyed(k.GroupByKey().MapValues(func(v []int64) []int64 { return slices.Sorted(slices.Values(v)) }), "group").Union(
			markKeyed(k.AggregateByKey(int64(100), plus, func(a, b int64) int64 { return a + b - 100 }), "aggregate"),
			markKeyed(k.CombineByKey(func(n int64) int64 { return n * 10 }, func(c, n int64) int64 { return c + n*10 }, plus), "combine"),
			markKeyed(k.CountByKey(), "count"))
	}, [][]string{{"a1", "b2", "a3"}, {}, {"a4"}}, [][]string{
		{"group:a=[1 3]", "group:b=[2]", "aggregate:a=104", "aggregate:b=102", "combine:a=40", "combine:b=20", "count:a=2", "count:b=1"}, {},
		{"group:a=[4]", "aggregate:a=104", "combine:a=40", "count:a=1"},
	})
}

func TestProofViews(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[string] {
		k := s.KeyBy(initial).Cache().Persist().Name("letters")
		return mark(k.Keys(), "key").Union(
			mark(k.Pairs(), "pair"),
			markKeyed(k.Filter(func(v string) bool { return v != "a1" }), "filter"),
			markKeyed(k.FlatMapValues(func(v string) []string { return strings.Split(v, "") }), "flat"),
			markKeyed(k.Union(k.PartitionByKey()), "twice"),
			markKeyed(k.PartitionBy(func(key string) int { return len(key) }), "by"))
	}, [][]string{{"a1", "b2"}, {}, {"a3"}}, [][]string{
		{"key:a", "key:b", "pair:{a a1}", "pair:{b b2}", "filter:b=b2", "flat:a=a", "flat:a=1", "flat:b=b", "flat:b=2", "twice:a=a1", "twice:a=a1", "twice:b=b2", "twice:b=b2",
			"by:a=a1", "by:b=b2"}, {},
		{"key:a", "pair:{a a3}", "filter:a=a3", "flat:a=a", "flat:a=3", "twice:a=a3", "twice:a=a3", "by:a=a3"},
	})
}

func TestProofOneSidedJoins(t *testing.T) {
	t.Parallel()
	dstreamtest.Check2(t, func(a, b dstream.Stream[string]) dstream.Stream[string] {
		l, r := a.KeyBy(initial), b.KeyBy(initial)
		return markKeyed(l.LeftOuterJoin(r, func(x string, y *string) string { return x + orDash(y) }), "left").Union(
			markKeyed(l.RightOuterJoin(r, func(x *string, y string) string { return orDash(x) + y }), "right"),
			markKeyed(l.SubtractByKey(r), "without"))
	}, [][]string{{"a1", "b1", "a2"}, {}, {"c1"}}, [][]string{{"a8", "c8"}, {"b8"}, {}}, [][]string{
		{"left:a=a1a8", "left:a=a2a8", "left:b=b1-", "right:a=a1a8", "right:a=a2a8", "right:c=-c8", "without:b=b1"}, {"right:b=-b8"}, {"left:c=c1-", "without:c=c1"},
	})
}

// A sample does not depend on the number of partitions behind the source.
func TestProofSample(t *testing.T) {
	t.Parallel()
	ten := []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	dstreamtest.Check(t, func(s dstream.Stream[int64]) dstream.Stream[int64] { return s.Sample(0.3).Name("third") },
		[][]int64{ten, ten, {}, ten[:3]}, [][]int64{{0, 1, 7}, {4}, {}, {2}}, dstreamtest.Sources(1))
}

func TestProofKeyedTransform(t *testing.T) {
	t.Parallel()
	dstreamtest.CheckKeyed2(t, func(a, b dstream.Stream[string]) dstream.Keyed[string, string] {
		names := dstream.PinRows(a.Job(), "names", func() []string { return []string{"ann", "bob"} })
		all := dstream.Pin(a.Job(), "all", rdd.Parallelize([]string{"al", "bo"}).Map(strings.ToUpper))
		suffix := dstream.Value(a.Job(), "suffix", func() string { return "!" })
		rows := dstream.MaxAccumulator[int64](a.Job(), "most")
		k := a.KeyBy(initial).Transform(func(info dstream.BatchInfo, r rdd.Keyed[string, string]) rdd.Keyed[string, string] {
			if info.Number == 1 {
				return r.Union(names.RDD().Union(all.RDD()).KeyBy(initial))
			}
			return r
		})
		return k.Accumulate(rows, func(_, v string) int64 { return int64(len(v)) }).
			TransformWith(b.KeyBy(initial), func(_ dstream.BatchInfo, r, o rdd.Keyed[string, string]) rdd.Keyed[string, string] {
				return r.SubtractByKey(o)
			}).MapValues(func(v string) string { return v + suffix.Get() })
	}, [][]string{{"a1"}, {}, {"a2", "b2"}}, [][]string{{"b"}, {"a"}, {"b"}}, [][]dstream.Pair[string, string]{
		{kv("a", "a1!"), kv("a", "ann!"), kv("A", "AL!"), kv("B", "BO!")}, {}, {kv("a", "a2!")},
	})
}

// States to begin with, those of all keys, and deltas that are written every other batch.
func TestProofInitialState(t *testing.T) {
	t.Parallel()
	dstreamtest.CheckKeyed2(t, func(a, b dstream.Stream[string]) dstream.Keyed[string, int64] {
		from := b.KeyBy(initial).MapValues(length)
		return a.KeyBy(initial).RunningCount("n", dstream.InitialState(from), dstream.CheckpointEvery(2)).Snapshots[int64]()
	}, [][]string{{"a", "b"}, {}, {"a"}, {"c", "a"}, {}}, [][]string{{"a5", "c7"}, {}, {"b9", "d1"}, {}, {}}, [][]dstream.Pair[string, int64]{
		{kv("a", int64(6)), kv("b", int64(1)), kv("c", int64(7))},
		{kv("a", int64(6)), kv("b", int64(1)), kv("c", int64(7))},
		{kv("a", int64(7)), kv("b", int64(1)), kv("c", int64(7)), kv("d", int64(1))},
		{kv("a", int64(8)), kv("b", int64(1)), kv("c", int64(8)), kv("d", int64(1))},
		{kv("a", int64(8)), kv("b", int64(1)), kv("c", int64(8)), kv("d", int64(1))},
	})
}

// Tables of changes with removals: a key goes, comes back, and is joined with what there is.
func TestProofChangelogs(t *testing.T) {
	t.Parallel()
	type change = source.Change[string]
	dstreamtest.Check2(t, func(a dstream.Stream[string], b dstream.Stream[change]) dstream.Stream[string] {
		log := dstream.Latest("log", b)
		by := b.LatestBy("by", func(c change) (string, string, bool) { return c.Key, c.Value, !c.Deleted })
		k := a.KeyBy(dstream.Self)
		return markKeyed(k.JoinTable(log, func(v, w string) string { return v + w }), "log").Union(
			markKeyed(k.JoinTable(by, func(v, w string) string { return v + w }), "by"),
			markKeyed(by.Changes(), "changes"))
	}, [][]string{{"a", "b"}, {"a"}, {"a"}, {"a", "b"}}, [][]change{
		{{Key: "a", Value: "1"}}, {}, {{Key: "a", Deleted: true}, {Key: "x", Deleted: true}}, {{Key: "a", Value: "2"}, {Key: "b", Value: "3"}},
	}, [][]string{
		{"log:a=a1", "by:a=a1", "changes:a=1"}, {"log:a=a1", "by:a=a1"}, {}, {"log:a=a2", "log:b=b3", "by:a=a2", "by:b=b3", "changes:a=2", "changes:b=3"},
	})
}

// Accumulators of each kind beside the rows, and a version that a batch was planned with, do not disturb the rows.
func TestProofShared(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[string] {
		top := dstream.Broadcast(s.Job(), "top", func(context.Context) (int, error) { return 1, nil })
		least := dstream.MinAccumulator[float64](s.Job(), "least")
		return s.Accumulate(least, func(v string) float64 { return float64(len(v)) }).
			Transform(func(b dstream.BatchInfo, r rdd.RDD[string]) rdd.RDD[string] {
				return r.TopK(top.At(b), strings.Compare)
			})
	}, [][]string{{"a", "b"}, {}, {"c"}}, [][]string{{"b"}, {}, {"c"}})
}
