package dstream_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/rdd"
)

// The operators in every way in which they may run: many layouts, on the engine, with drivers and executors that die.

func kv[K, V any](k K, v V) dstream.Pair[K, V] { return dstreamtest.KV(k, v) }

func initial(s string) string { return s[:1] }

func TestProofNarrow(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[string] {
		words := s.FlatMap(strings.Fields).Filter(func(w string) bool { return w != "of" })
		return words.Map(strings.ToUpper).Union(words.Sample(0).Name("none"))
	}, [][]string{{"end of a", "b"}, {}, {"of", "", "c"}}, [][]string{{"END", "A", "B"}, {}, {"C"}}, dstreamtest.Ordered())
}

func TestProofReduceByKey(t *testing.T) {
	t.Parallel()
	dstreamtest.CheckKeyed(t, func(s dstream.Stream[float64]) dstream.Keyed[int64, float64] {
		return s.KeyBy(func(v float64) int64 { return int64(v) % 3 }).ReduceByKey(func(a, b float64) float64 { return a + b })
	}, [][]float64{{0.1, 3.2, 1.7, 1e9, 0.3}, {}, {2.5}, {1.1, 1.1, 1.1, 1.1}}, [][]dstream.Pair[int64, float64]{
		{kv(int64(0), 0.1+3.2+0.3), kv(int64(1), 1.7+1e9)}, {}, {kv(int64(2), 2.5)}, {kv(int64(1), 4.4)},
	})
}

func TestProofRunningCount(t *testing.T) {
	t.Parallel()
	dstreamtest.CheckKeyed(t, func(s dstream.Stream[string]) dstream.Keyed[string, int64] {
		return s.KeyBy(dstream.Self).RunningCount("counts", dstream.Expire(3*time.Second))
	}, [][]string{{"a", "b", "a"}, {"a"}, {}, {"a"}, {"b"}}, [][]dstream.Pair[string, int64]{
		{kv("a", int64(2)), kv("b", int64(1))}, {kv("a", int64(3))}, {}, {kv("a", int64(4))}, {kv("b", int64(1))}, {},
	}, dstreamtest.Finish(), dstreamtest.Times(at(1), at(2), at(3), at(4), at(9), at(10)))
}

func at(seconds int) time.Time { return dstreamtest.At(time.Duration(seconds) * time.Second) }

func TestProofTimers(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[string] {
		return s.KeyBy(initial).Stateful("sessions", func(k string, rows []string, st *dstream.State[[]string]) []string {
			if st.Expired() {
				return []string{fmt.Sprintf("%s closed after %d", k, len(st.Get()))}
			}
			st.Set(append(slices.Clone(st.Get()), rows...))
			st.ExpireAfter(2 * time.Second)
			return []string{fmt.Sprintf("%s has %d", k, len(st.Get()))}
		}).Values()
	}, [][]string{{"a1", "b1", "b2"}, {"a2"}, {}, {"a3"}, {}, {}, {"b3"}}, [][]string{
		{"a has 1", "b has 2"}, {"a has 2"}, {"b closed after 2"}, {"a closed after 2", "a has 1"}, {}, {"a closed after 1"}, {"b has 1"},
	})
}

func TestProofUpdateStateByKey(t *testing.T) {
	t.Parallel()
	dstreamtest.CheckKeyed(t, func(s dstream.Stream[string]) dstream.Keyed[string, int64] {
		return s.KeyBy(initial).UpdateStateByKey("ages", func(_ string, rows []string, n *int64) *int64 {
			age := int64(len(rows)) * 10
			if n != nil {
				age += *n - 1
			}
			if age <= 8 {
				return nil
			}
			return &age
		})
	}, [][]string{{"a", "b", "b"}, {}, {"c"}, {"c"}}, [][]dstream.Pair[string, int64]{
		{kv("a", int64(10)), kv("b", int64(20))}, {kv("a", int64(9)), kv("b", int64(19))}, {kv("b", int64(18)), kv("c", int64(10))},
		{kv("b", int64(17)), kv("c", int64(19))},
	})
}

func TestProofJoins(t *testing.T) {
	t.Parallel()
	a, b := [][]string{{"a1", "b1", "a2"}, {}, {"c1"}}, [][]string{{"a8", "c8"}, {"b8"}, {"c8", "c9"}}
	plus := func(x, y string) string { return x + y }
	dstreamtest.CheckKeyed2(t, func(a, b dstream.Stream[string]) dstream.Keyed[string, string] {
		return a.KeyBy(initial).Join(b.KeyBy(initial), plus)
	}, a, b, [][]dstream.Pair[string, string]{{kv("a", "a1a8"), kv("a", "a2a8")}, {}, {kv("c", "c1c8"), kv("c", "c1c9")}}, dstreamtest.Ordered())
	dstreamtest.CheckKeyed2(t, func(a, b dstream.Stream[string]) dstream.Keyed[string, string] {
		return a.KeyBy(initial).FullOuterJoin(b.KeyBy(initial), func(x, y *string) string { return orDash(x) + orDash(y) })
	}, a, b, [][]dstream.Pair[string, string]{
		{kv("a", "a1a8"), kv("a", "a2a8"), kv("b", "b1-"), kv("c", "-c8")}, {kv("b", "-b8")}, {kv("c", "c1c8"), kv("c", "c1c9")},
	})
}

func orDash(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

func TestProofCoGroup(t *testing.T) {
	t.Parallel()
	dstreamtest.Check2(t, func(a, b dstream.Stream[string]) dstream.Stream[string] {
		return a.KeyBy(initial).CoGroup(b.KeyBy(initial), func(x, y []string) string { return strings.Join(x, "") + "/" + strings.Join(y, "") }).Values()
	}, [][]string{{"a1", "b1", "a2"}, {}, {}}, [][]string{{"a8"}, {}, {"b9"}}, [][]string{{"a1a2/a8", "b1/"}, {}, {"/b9"}}, dstreamtest.Sources(1))
}

func TestProofTables(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]dstream.StateOption{"each batch": nil, "written late": {dstream.CheckpointEvery(2)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dstreamtest.CheckKeyed2(t, func(a, b dstream.Stream[string]) dstream.Keyed[string, string] {
				table := b.KeyBy(initial).Latest("latest", opts...)
				return a.KeyBy(initial).LeftJoinTable(table, func(x string, y *string) string { return x + orDash(y) })
			}, [][]string{{"a1", "b1"}, {"a2"}, {"b2", "a3"}}, [][]string{{"a8"}, {}, {"b9", "a9"}}, [][]dstream.Pair[string, string]{
				{kv("a", "a1a8"), kv("b", "b1-")}, {kv("a", "a2a8")}, {kv("b", "b2b9"), kv("a", "a3a9")},
			})
		})
	}
}

func TestProofTopK(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[int64]) dstream.Stream[int64] { return s.TopK(3, cmp.Compare) },
		[][]int64{{5, 1, 4, 9, 2}, {}, {7}, {3, 3, 3, 3}}, [][]int64{{9, 5, 4}, {}, {7}, {3, 3, 3}}, dstreamtest.Ordered())
}

func TestProofOrder(t *testing.T) {
	t.Parallel()
	type indexed = dstream.Indexed[string]
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[indexed] { return s.SortBy(cmp.Compare).ZipWithIndex() },
		[][]string{{"b", "a", "c"}, {"d"}}, [][]indexed{{{Index: 0, Value: "a"}, {Index: 1, Value: "b"}, {Index: 2, Value: "c"}}, {{Index: 0, Value: "d"}}}, dstreamtest.Ordered())
}

func TestProofDistinct(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[string] { return s.Distinct() },
		[][]string{{"a", "b", "a", "a"}, {"a"}, {}}, [][]string{{"a", "b"}, {"a"}, {}})
}

func TestProofCount(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[int64] { return s.Count() },
		[][]string{{"a", "b", "a"}, {}, {""}}, [][]int64{{3}, {0}, {1}})
}

func TestProofTransform(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[string] {
		return s.Transform(func(b dstream.BatchInfo, r rdd.RDD[string]) rdd.RDD[string] {
			if b.Number%2 == 0 {
				return r.Distinct()
			}
			return r.Map(strings.ToUpper)
		})
	}, [][]string{{"a", "b", "a"}, {"a", "b", "a"}, {}, {"c", "c"}}, [][]string{{"A", "B", "A"}, {"a", "b"}, {}, {"c"}})
}

// TestProofLarge: many keys in one batch, and a key that comes and goes.
func TestProofLarge(t *testing.T) {
	t.Parallel()
	in, want := make([][]int64, 3), make([][]dstream.Pair[int64, int64], 3)
	for i := range int64(5_000) {
		in[0] = append(in[0], i)
		want[0] = append(want[0], kv(i, int64(1)))
	}
	in[2], want[2] = []int64{7}, []dstream.Pair[int64, int64]{kv(int64(7), int64(2))}
	dstreamtest.CheckKeyed(t, func(s dstream.Stream[int64]) dstream.Keyed[int64, int64] {
		return s.KeyBy(dstream.Self).RunningCount("counts")
	}, in, want)
}

func TestProofTask(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[string] {
		marks := dstream.Broadcast(s.Job(), "marks", func(context.Context) (map[string]string, error) { return map[string]string{"a": "!"}, nil })
		rows := dstream.Accumulator[int64](s.Job(), "rows")
		stamp := func(t dstream.Task, v string) string { return fmt.Sprint(v, t.Batch(), "/", t.Time().Second()) }
		return s.Accumulate(rows, func(string) int64 { return 1 }).
			FlatMapTask(func(t dstream.Task, v string) []string { return strings.Fields(v + marks.Get(t)[v]) }).
			FilterTask(func(t dstream.Task, v string) bool { return v != "b" || t.Batch() > 1 }).
			MapTask(stamp).
			KeyBy(initial).MapValuesTask(func(t dstream.Task, k, v string) string { rows.Add(t, 1); return k + v }).Values().
			MapPartitionsTask(func(t dstream.Task, rows []string) []string { return rows })
	}, [][]string{{"a", "b", "c"}, {}, {"b"}}, [][]string{{"aa!1/1", "cc1/1"}, {}, {"bb3/3"}})
}
