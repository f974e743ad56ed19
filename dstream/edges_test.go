package dstream_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// edge is a row of the tests below: its number is that of its batch, so what is made of several rows of a key does not depend on how they were dealt to partitions.
type edge struct {
	Key string
	N   int64
}

// edgesOf are batches of rows with these keys.
func edgesOf(batches ...[]string) (list [][]edge) {
	for i, keys := range batches {
		rows := []edge{}
		for _, k := range keys {
			rows = append(rows, edge{k, int64(i + 1)})
		}
		list = append(list, rows)
	}
	return list
}

// expect is what an operator does, row by row: given the second and the rows of a batch it gives what the operator gives.
type expect func(at int, rows []edge) []string

// edgeCase is an operator with state or a window, with results as text.
type edgeCase struct {
	name   string
	op     func(dstream.Stream[edge]) dstream.Stream[string]
	expect func() expect
}

// everywhere takes a case through restarts and deaths, unless a hand-written one of the same operator does so (proofs*_test.go, window_check_test.go).
func everywhere(c edgeCase) []dstreamtest.Option {
	switch c.name {
	case "runningReduce", "mapWithState", "keepIf", "countByValueAndWindow", "reduceByWindow", "keyed window":
		return nil
	}
	return []dstreamtest.Option{dstreamtest.Skip(dstreamtest.Restarts, dstreamtest.Deaths)}
}

func edgeKeyed(s dstream.Stream[edge]) dstream.Keyed[string, int64] {
	return s.KeyBy(func(e edge) string { return e.Key }).MapValues(func(e edge) int64 { return e.N })
}

func shown[V any](k string, v V) string { return fmt.Sprint(k, "=", v) }

func shownAll[V any](m map[string]V) (list []string) {
	for k, v := range m {
		list = append(list, shown(k, v))
	}
	return list
}

func sumsOf(rows []edge) map[string]int64 {
	m := map[string]int64{}
	for _, r := range rows {
		m[r.Key] += r.N
	}
	return m
}

func countsOf(rows []edge) map[string]int64 {
	m := map[string]int64{}
	for _, r := range rows {
		m[r.Key]++
	}
	return m
}

// TestEdges proves operators with state and windows in every way, over batches that are edges: all rows of one key, none, one row (so all partitions but
// one are empty), a key that was away for one, two and more batches and is back, the empty key.
func TestEdges(t *testing.T) {
	in := edgesOf([]string{"a", "a", "a", "a", "a"}, nil, []string{"b"}, []string{"a", "", "c"}, []string{"b", "b"}, nil, nil, []string{"a", "b"}, nil)
	for _, c := range slices.Concat(stateCases(), windowCases(4, 2)) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dstreamtest.Check(t, c.op, in, wanted(c, in), everywhere(c)...)
		})
	}
	for _, c := range windowCases(1, 3) { // windows that are shorter than their slide
		t.Run("short "+c.name, func(t *testing.T) {
			t.Parallel()
			dstreamtest.Check(t, c.op, in, wanted(c, in), dstreamtest.Skip(dstreamtest.Engine, dstreamtest.Restarts, dstreamtest.Deaths))
		})
	}
}

func wanted(c edgeCase, in [][]edge) [][]string {
	m := c.expect()
	want := make([][]string, len(in))
	for i, rows := range in {
		want[i] = m(i+1, rows)
	}
	return want
}

// TestManyKeys has 100,000 keys in one batch, then none, then one of them, with a restart into another layout in between. The cases are those that differ in how
// they keep keys.
func TestManyKeys(t *testing.T) {
	keys := make([]string, 100_000)
	for i := range keys {
		keys[i] = fmt.Sprint("key ", i)
	}
	in := edgesOf(keys, nil, keys[7:8], nil)
	edges := dstreamtest.Input[edge]("edges")
	many := rows(edges.Part(0, in[0][:40_000]...), edges.Part(1, in[0][40_000:]...))
	for _, c := range slices.Concat(stateCases(), windowCases(4, 2)) {
		if !slices.Contains([]string{"runningCount", "stateful", "updateStateByKey", "latest", "inverse", "countByValueAndWindow", "groupByKeyAndWindow"}, c.name) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := runner(t, dstreamtest.Options{Reduce: 3}, func(job *dstream.Job) { c.op(dstream.From(job, edges.Source())).To(out) })
			m := c.expect()
			for i, list := range in {
				input := many
				if i > 0 {
					input = rows(edges.Part(0, list...))
				}
				got, want := dstreamtest.Values[string](batch(t, r, step{i + 1, input, ""}), "out"), m(i+1, list)
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Fatalf("batch %d: %d rows, want %d", i+1, len(got), len(want))
				}
				if i == 0 {
					if err := r.Restart(2); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// TestLongKeys has keys of a mebibyte that differ in their last byte, on the engine too.
func TestLongKeys(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 1<<20)
	in := edgesOf([]string{long + "a", "short"}, nil, []string{long + "b"}, []string{long + "a"})
	both := slices.Concat(stateCases()[:1], windowCases(4, 2)[:1])
	op := func(s dstream.Stream[edge]) dstream.Stream[string] {
		return both[0].op(s).Union(both[1].op(s)).Map(func(row string) string { return strings.ReplaceAll(row, long, "long ") })
	}
	want := wanted(both[0], in)
	for i, rows := range wanted(both[1], in) {
		want[i] = append(want[i], rows...)
		for n := range want[i] {
			want[i][n] = strings.ReplaceAll(want[i][n], long, "long ")
		}
	}
	dstreamtest.Check(t, op, in, want, dstreamtest.Partitions(2), dstreamtest.Skip(dstreamtest.Deaths))
}

// ago is a time before another one.
func ago(at time.Time, n int) time.Time { return at.Add(-seconds(n)) }
