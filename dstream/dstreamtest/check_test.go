package dstreamtest_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/rdd"
)

type pair = dstream.Pair[string, int64]

func kv(k string, v int64) pair { return pair{Key: k, Value: v} }

// recorder is a test that fails on paper only.
type recorder struct {
	testing.TB
	mu    sync.Mutex // guards texts
	texts []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.texts = append(r.texts, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// failure is what a check says, "" if it passes.
func failure(t *testing.T, check func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	var g sync.WaitGroup
	g.Go(func() { check(r) })
	g.Wait()
	return strings.Join(r.texts, "\n")
}

// fails wants a check to fail, and to say all of it.
func fails(t *testing.T, check func(testing.TB), says ...string) {
	t.Helper()
	text := failure(t, check)
	if text == "" {
		t.Error("it passes")
	}
	for _, s := range says {
		if !strings.Contains(text, s) {
			t.Errorf("it does not say %q, but:\n%s", s, text)
		}
	}
}

// TestCheckHolds: operators that keep the rules pass in every way.
func TestCheckHolds(t *testing.T) {
	lines := [][]string{{"a b", "c", "a"}, {}, {"b b", "a"}, {"d"}}
	dstreamtest.CheckKeyed(t, func(s dstream.Stream[string]) dstream.Keyed[string, int64] {
		return s.FlatMap(strings.Fields).KeyBy(dstream.Self).RunningCount("words")
	}, lines, [][]pair{{kv("a", 2), kv("b", 1), kv("c", 1)}, {}, {kv("a", 3), kv("b", 3)}, {kv("d", 1)}})
}

func numbers(n int) (list []int64) {
	for i := range n {
		list = append(list, int64(i))
	}
	return list
}

// TestCheckMapOrder: an operator that ranges over a map gives rows in another order each time.
func TestCheckMapOrder(t *testing.T) {
	fails(t, func(t testing.TB) {
		dstreamtest.Check(t, func(s dstream.Stream[int64]) dstream.Stream[int64] {
			return s.MapPartitions(func(rows []int64) []int64 {
				seen := map[int64]bool{}
				for _, r := range rows {
					seen[r] = true
				}
				var out []int64
				for r := range seen {
					out = append(out, r)
				}
				return out
			})
		}, [][]int64{numbers(20)}, [][]int64{numbers(20)})
	}, "simulated, ", "batch 1: two runs of it differ in what partition 0 of source", "the order of a map", "(I2)",
		"repeat: go test -run '^TestCheckMapOrder$' -millrace.way=simulated/1/columns")
}

// firsts lets each number pass once, in a variable that its function captured.
func firsts(seen map[int64]bool, s dstream.Stream[int64]) dstream.Stream[int64] {
	return s.Filter(func(n int64) bool {
		if seen[n] {
			return false
		}
		seen[n] = true
		return true
	})
}

// TestCheckCaptured: what functions keep in captured variables is lost with the process, and shared with those that have nothing to do with it.
func TestCheckCaptured(t *testing.T) {
	in, want := [][]int64{{1, 2}, {2, 3}}, [][]int64{{1, 2}, {3}}
	fails(t, func(t testing.TB) {
		dstreamtest.Check(t, func(s dstream.Stream[int64]) dstream.Stream[int64] { return firsts(map[int64]bool{}, s) }, in, want)
	}, "simulated, ", "a restart into another layout behind each batch: batch 2:", "too many: 2", "a variable that its functions captured and write")
	everywhere := map[int64]bool{}
	fails(t, func(t testing.TB) {
		dstreamtest.Check(t, func(s dstream.Stream[int64]) dstream.Stream[int64] { return firsts(everywhere, s) }, in, want)
	}, "batch 1: two runs of it differ", "a captured variable")
}

// TestCheckMutation: a function that changes the rows that it is given changes them for others too.
func TestCheckMutation(t *testing.T) {
	fails(t, func(t testing.TB) {
		dstreamtest.Check(t, func(s dstream.Stream[[]int64]) dstream.Stream[int64] {
			return s.Map(func(list []int64) int64 { slices.Sort(list); return list[0] })
		}, [][][]int64{{{3, 1, 2}}}, [][]int64{{1}})
	}, "changed the rows that it was given; copy what you change", "check_test.go:", "rows through columns")
}

// TestCheckDeath: what only dies with an executor is found by executors that die.
func TestCheckDeath(t *testing.T) {
	in, want := [][]int64{{1, 2}, {2, 3}, {1, 4}}, [][]int64{{1, 2}, {3}, {4}}
	op := func(s dstream.Stream[int64]) dstream.Stream[int64] { return firsts(map[int64]bool{}, s) }
	alive := dstreamtest.Skip(dstreamtest.Simulated, dstreamtest.Restarts, dstreamtest.Deaths)
	if text := failure(t, func(t testing.TB) { dstreamtest.Check(t, op, in, want, alive, dstreamtest.Partitions(1)) }); text != "" {
		t.Errorf("without deaths: %s", text)
	}
	fails(t, func(t testing.TB) {
		dstreamtest.Check(t, op, in, want, dstreamtest.Skip(dstreamtest.Simulated, dstreamtest.Engine, dstreamtest.Restarts), dstreamtest.Partitions(1))
	}, "engine, 1 executor, one dies in each batch", "What happened before:", "in batch 1 the executor that", "-millrace.way=deaths/1/")
	fails(t, func(t testing.TB) {
		dstreamtest.Check(t, op, in, want, dstreamtest.Skip(dstreamtest.Simulated, dstreamtest.Engine, dstreamtest.Deaths), dstreamtest.Partitions(1))
	}, "the driver starts anew behind each batch", "after a restart of the driver: batch 2:", "too many: 2")
}

// TestCheckWrongRows: what is wanted is wanted batch by batch, as a multiset, in order where that is asked for.
func TestCheckWrongRows(t *testing.T) {
	same := func(s dstream.Stream[int64]) dstream.Stream[int64] { return s }
	fails(t, func(t testing.TB) { dstreamtest.Check(t, same, [][]int64{{1}, {2, 2}}, [][]int64{{1}, {2, 3}}) },
		"batch 2:", "missing:  3", "too many: 2", "got:  2 2", "want: 2 3")
	fails(t, func(t testing.TB) {
		dstreamtest.Check(t, same, [][]int64{{1, 2}}, [][]int64{{2, 1}}, dstreamtest.Ordered())
	}, "1 source partition and 1 reduce partition", "batch 1: row 1 is 1, want 2")
	fails(t, func(t testing.TB) { dstreamtest.Check(t, same, [][]int64{{1}}, nil) },
		`input "in" has 1 batches, and 0 are wanted`)
	halves := func(s dstream.Stream[int64]) dstream.Stream[float64] {
		return s.Map(func(n int64) float64 { return float64(n) / 3 })
	}
	third := 1.0 / 3
	if text := failure(t, func(t testing.TB) {
		dstreamtest.Check(t, halves, [][]int64{{1, 2}}, [][]float64{{2*third + 1e-11, third}}, dstreamtest.Skip(dstreamtest.Deaths))
	}); text != "" {
		t.Errorf("within the tolerance: %s", text)
	}
	fails(t, func(t testing.TB) {
		dstreamtest.Check(t, halves, [][]int64{{1, 2}}, [][]float64{{2 * third, third + 1e-8}})
	}, "missing:  0.333333343", "too many: 0.3333333333333333")
}

// TestCheckMistakes: a job that cannot be built, and user code that panics, are told as such.
func TestCheckMistakes(t *testing.T) {
	fails(t, func(t testing.TB) {
		dstreamtest.Check(t, func(s dstream.Stream[int64]) dstream.Stream[int64] { return s.Filter(nil) }, [][]int64{{1}}, [][]int64{{1}})
	}, "the job cannot be built", "Filter needs a function, not nil")
	fails(t, func(t testing.TB) {
		dstreamtest.Check(t, func(s dstream.Stream[int64]) dstream.Stream[int64] {
			return s.Map(func(n int64) int64 { return 1 / n })
		}, [][]int64{{1}, {0}}, [][]int64{{1}, {}})
	}, "divide by zero", "batch 2")
	fails(t, func(t testing.TB) {
		dstreamtest.Check(t, func(s dstream.Stream[func()]) dstream.Stream[func()] { return s }, [][]func(){nil}, [][]func(){nil})
	}, "the rows that are wanted", "func()")
}

// A batch's own operators may follow from a broadcast, in all ways.
func TestCheckWithBroadcast(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[string] {
		top := dstream.Broadcast(s.Job(), "top", func(context.Context) (int, error) { return 1, nil })
		return s.Transform(func(b dstream.BatchInfo, r rdd.RDD[string]) rdd.RDD[string] {
			return r.TopK(top.At(b), strings.Compare)
		})
	}, [][]string{{"a", "b"}, {}, {"c"}}, [][]string{{"b"}, {}, {"c"}})
}
