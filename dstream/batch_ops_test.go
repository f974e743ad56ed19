package dstream_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// joined is a function for MapPartitions that shows what it was given.
func joined(rows []string) []string { return []string{strings.Join(rows, "+"), fmt.Sprint(len(rows))} }

func TestMapPartitions(t *testing.T) {
	run(t, func(job *dstream.Job) {
		dstream.From(job, in.Source()).FlatMap(strings.Fields).MapPartitions(joined).To(dstreamtest.Sink("out"))
	}, values[string], []step{
		{1, rows(in.Part(0, "a b", "c"), in.Part(2, "d")), "1 3 a+b+c d"},
		{2, nil, ""},
		{3, rows(in.Part(0, "", " ")), ""}, // a partition whose rows are all gone is passed over
		{4, rows(in.Part(1, "a", "a")), "2 a+a"},
	})
}

// A function may sort the rows that it is given, and drop all of them; other readers of the stream do not see it.
func TestMapPartitionsOwnsItsSlice(t *testing.T) {
	run(t, func(job *dstream.Job) {
		s := dstream.From(job, in.Source())
		s.MapPartitions(func(rows []string) []string { slices.Sort(rows); return nil }).Union(s.MapPartitions(joined)).To(dstreamtest.Sink("out"))
	}, values[string], []step{{1, rows(in.Part(0, "c", "a", "b")), "3 c+a+b"}})
}

// What MapPartitions gives goes on into other operators of the task, in the order of the plan.
func TestMapPartitionsInAUnion(t *testing.T) {
	for _, block := range []int{0, 1} {
		r := runner(t, dstreamtest.Options{Block: block}, func(job *dstream.Job) {
			s := dstream.From(job, in.Source())
			all := s.MapPartitions(joined)
			s.Union(all.MapPartitions(joined), all, s).To(dstreamtest.Sink("out"))
		})
		for range 2 {
			got := values[string](batch(t, r, step{1, rows(in.Part(0, "a", "b")), ""}))
			if diff := gocmp.Diff(strings.Fields("a b a+b+2 2 a+b 2 a b"), got); diff != "" {
				t.Errorf("block %d: %s", block, diff)
			}
		}
	}
}

func TestMapPartitionsFindsMutation(t *testing.T) {
	type box struct{ Names []string }
	boxes := dstreamtest.Input[box]("boxes")
	r := runner(t, dstreamtest.Options{Debug: true}, func(j *dstream.Job) {
		dstream.From(j, boxes.Source()).MapPartitions(func(rows []box) []int64 {
			rows[0].Names[0] = "changed"
			return nil
		}).To(dstreamtest.Sink("out"))
	})
	_, err := r.Run(dstreamtest.At(0), boxes.Part(0, box{[]string{"x"}}))
	if err == nil || !strings.Contains(err.Error(), "mapPartitions") || !strings.Contains(err.Error(), "changed what its rows refer to") {
		t.Errorf("got %v", err)
	}
}

func TestGlom(t *testing.T) {
	run(t, func(job *dstream.Job) {
		dstream.From(job, in.Source()).Glom().To(dstreamtest.Sink("out"))
	}, values[[]string], []step{
		{1, rows(in.Part(0, "a", "b"), in.Part(2, "c")), "[a b] [c]"},
		{2, nil, ""},
		{3, rows(in.Part(1, "d")), "[d]"},
	})
}

// Rows are dealt out in turn, from the task's own partition on; their order stays.
func TestRepartition(t *testing.T) {
	job := func(job *dstream.Job) {
		dstream.From(job, in.Source()).Repartition().Glom().To(dstreamtest.Sink("out"))
	}
	for reduce, want := range map[int]string{1: "[a b c d e f g]", 2: "[a c f] [b d e g]", 3: "[a d g] [b e] [c f]"} {
		for _, block := range []int{0, 1, 2} {
			r := runner(t, dstreamtest.Options{Reduce: reduce, Block: block}, job)
			for i := range 2 {
				b := batch(t, r, step{1, rows(in.Part(0, "a", "b", "c", "d"), in.Part(1, "e", "f", "g")), ""})
				if got := strings.Join(values[[]string](b), " "); got != want {
					t.Errorf("reduce %d block %d batch %d: got %s, want %s", reduce, block, i, got, want)
				}
			}
		}
	}
	run(t, func(job *dstream.Job) { dstream.From(job, in.Source()).Repartition().To(dstreamtest.Sink("out")) }, values[string], []step{
		{1, rows(in.Part(0, "a", "b"), in.Part(3, "a")), "a a b"}, {2, nil, ""},
	})
}

func TestPartitionBy(t *testing.T) {
	numbers := dstreamtest.Input[int64]("numbers")
	input := rows(numbers.Part(0, -1, 0, 1, 2, 3), numbers.Part(1, 4, 5))
	want := map[int]string{1: "[-1 0 1 2 3 4 5]", 2: "[0 2 4] [-1 1 3 5]", 3: "[0 3] [1 4] [-1 2 5]"}
	for reduce, want := range want {
		r := runner(t, dstreamtest.Options{Reduce: reduce}, func(job *dstream.Job) {
			dstream.From(job, numbers.Source()).KeyBy(dstream.Self).
				PartitionBy(func(k int64) int { return int(k) }).Values().Glom().To(dstreamtest.Sink("out"))
		})
		if got := strings.Join(values[[]int64](batch(t, r, step{1, input, ""})), " "); got != want {
			t.Errorf("reduce %d: got %s, want %s", reduce, got, want)
		}
	}
	// Each partition that PartitionByKey makes has all rows of its keys.
	run(t, func(job *dstream.Job) {
		dstream.From(job, numbers.Source()).KeyBy(func(v int64) int64 { return v % 7 }).PartitionByKey().Values().
			MapPartitions(func(rows []int64) []string {
				seen, out := map[int64]int{}, []string{}
				for _, v := range rows {
					seen[v%7]++
				}
				for k := range int64(7) {
					if seen[k] > 0 {
						out = append(out, fmt.Sprintf("%d:%d", k, seen[k]))
					}
				}
				return out
			}).To(dstreamtest.Sink("out"))
	}, values[string], []step{{1, rows(numbers.Part(0, 1, 2, 8, 6), numbers.Part(1, 1, 15, 13)), "1:4 2:1 6:2"}, {2, nil, ""}})
}

func TestReduce(t *testing.T) {
	run(t, func(job *dstream.Job) {
		dstream.From(job, in.Source()).Reduce(func(a, b string) string { return a + "," + b }).To(dstreamtest.Sink("out"))
	}, values[string], []step{
		{1, rows(in.Part(0, "a", "b"), in.Part(1, "c"), in.Part(3, "d", "e")), "a,b,c,d,e"},
		{2, nil, ""}, // nothing, where Count gives 0
		{3, rows(in.Part(2, "x")), "x"},
	})
}

func TestDistinct(t *testing.T) {
	build := func(job *dstream.Job) { dstream.From(job, in.Source()).Distinct().To(dstreamtest.Sink("out")) }
	run(t, build, values[string], []step{
		{1, rows(in.Part(0, "b", "a", "b"), in.Part(1, "a", "c")), "a b c"},
		{2, nil, ""},
		{3, rows(in.Part(1, "", "", "a")), " a"}, // the empty string is a row; "a" is new in each batch
	})
	b := batch(t, runner(t, dstreamtest.Options{}, build), step{1, rows(in.Part(0, "b", "a", "b"), in.Part(1, "d", "a", "c")), ""})
	if got := strings.Join(values[string](b), " "); got != "b a d c" {
		t.Errorf("order is %s", got)
	}
	pages := dstreamtest.Input[pageKey]("pages")
	run(t, func(job *dstream.Job) { dstream.From(job, pages.Source()).Distinct().To(dstreamtest.Sink("out")) }, values[pageKey], []step{
		{1, rows(pages.Part(0, pageKey{"a", 1}, pageKey{"a", 2}), pages.Part(1, pageKey{"a", 1})), "{a 1} {a 2}"},
	})
}

// Which rows are in a sample follows from the name, the batch, the partition and the place of the row, never from a clock, the
// layout's reduce partitions or the cuts of the records; the values below must stay as they are.
func TestSample(t *testing.T) {
	numbers := dstreamtest.Input[int64]("numbers")
	var ten []int64
	for i := range 10 {
		ten = append(ten, int64(i))
	}
	run(t, func(job *dstream.Job) {
		dstream.From(job, numbers.Source()).Sample(0.3).Name("third").To(dstreamtest.Sink("out"))
	}, values[int64], []step{
		{1, rows(numbers.Part(0, ten...)), "0 1 7"},
		{2, rows(numbers.Part(0, ten...)), "4"},
		{3, nil, ""},
		{4, rows(numbers.Part(0, ten...), numbers.Part(1, ten...)), "2 2 6 7 8 9"},
	})
}

func TestSampleSize(t *testing.T) {
	numbers := dstreamtest.Input[int64]("numbers")
	many := make([]int64, 20_000)
	sample := func(fraction float64, name string) int {
		r := runner(t, dstreamtest.Options{}, func(job *dstream.Job) {
			dstream.From(job, numbers.Source()).Sample(fraction).Name(name).To(dstreamtest.Sink("out"))
		})
		return len(dstreamtest.Values[int64](batch(t, r, step{1, rows(numbers.Part(0, many...)), ""}), "out"))
	}
	if none, all := sample(0, "s"), sample(1, "s"); none != 0 || all != len(many) {
		t.Errorf("0 keeps %d, 1 keeps %d", none, all)
	}
	for _, f := range []float64{0.001, 0.1, 0.5, 0.9} {
		n, want := float64(sample(f, "s")), f*float64(len(many))
		if sigma := math.Sqrt(want * (1 - f)); math.Abs(n-want) > 5*sigma {
			t.Errorf("%v keeps %v of %d", f, n, len(many))
		}
	}
}

// ranked are rows that sort by a part of them: ties show whether order is kept.
func ranked(n int) (first, second []string) {
	for i := range n {
		first = append(first, fmt.Sprintf("%d-a%02d", i%3, i))
		second = append(second, fmt.Sprintf("%d-b%02d", i%3, i))
	}
	return first, second
}

func byRank(a, b string) int { return cmp.Compare(a[0], b[0]) }

// Rows that are equal to the comparison keep (source partition, offset) order (I7, P27).
func TestSortBy(t *testing.T) {
	first, second := ranked(40)
	want := slices.Concat(first, second)
	slices.SortStableFunc(want, byRank)
	checkOrder(t, func(s dstream.Stream[string]) dstream.Stream[string] { return s.SortBy(byRank) }, want, first, second)
	run(t, func(job *dstream.Job) { dstream.From(job, in.Source()).SortBy(byRank).To(dstreamtest.Sink("out")) }, values[string], []step{
		{1, rows(in.Part(0, "3", "1"), in.Part(1, "2"), in.Part(2, "0"), in.Part(5, "9")), "0 1 2 3 9"}, {2, nil, ""}, {3, rows(in.Part(1, "x")), "x"},
	})
}

// Ties in TopK: the first in (source partition, offset) order go first, however many chunks and tasks there are (I7, P27).
func TestTopK(t *testing.T) {
	first, second := ranked(40)
	want := slices.Concat(first, second)
	slices.SortStableFunc(want, func(a, b string) int { return byRank(b, a) })
	for _, k := range []int{1, 5, 30, 79, 100} {
		checkOrder(t, func(s dstream.Stream[string]) dstream.Stream[string] { return s.TopK(k, byRank) }, want[:min(k, len(want))], first, second)
	}
	run(t, func(job *dstream.Job) { dstream.From(job, in.Source()).TopK(2, byRank).To(dstreamtest.Sink("out")) }, values[string], []step{
		{1, rows(in.Part(0, "3", "1"), in.Part(1, "2"), in.Part(2, "3b")), "3 3b"}, {2, nil, ""}, {3, rows(in.Part(1, "x")), "x"},
	})
}

func checkOrder(t *testing.T, op func(dstream.Stream[string]) dstream.Stream[string], want, first, second []string) {
	t.Helper()
	for _, o := range []dstreamtest.Options{{}, {Reduce: 3, Block: 1}, {Reduce: 2, Block: 7, Debug: true}} {
		r := runner(t, o, func(job *dstream.Job) { op(dstream.From(job, in.Source())).To(dstreamtest.Sink("out")) })
		b := batch(t, r, step{1, rows(in.Part(0, first...), in.Part(1, second...)), ""})
		if diff := gocmp.Diff(want, values[string](b)); diff != "" {
			t.Errorf("%+v: %s", o, diff)
		}
	}
}

// TopK of more rows than it holds at a time gives what sorting all of them gives.
func TestTopKOfMany(t *testing.T) {
	numbers := dstreamtest.Input[int64]("numbers")
	var many []int64
	for i := range int64(30_000) {
		many = append(many, i*7919%30_011)
	}
	order := func(a, b int64) int { return cmp.Compare(a/40, b/40) }
	want := slices.Clone(many)
	slices.SortStableFunc(want, func(a, b int64) int { return order(b, a) })
	r := runner(t, dstreamtest.Options{Reduce: 2, Block: 1000}, func(job *dstream.Job) {
		dstream.From(job, numbers.Source()).TopK(100, order).To(dstreamtest.Sink("out"))
	})
	b := batch(t, r, step{1, rows(numbers.Part(0, many[:20_000]...), numbers.Part(1, many[20_000:]...)), ""})
	if diff := gocmp.Diff(want[:100], dstreamtest.Values[int64](b, "out")); diff != "" {
		t.Error(diff)
	}
}

// Numbers are those of (source partition, offset) order in the batch, whatever the layout.
func TestZipWithIndex(t *testing.T) {
	build := func(job *dstream.Job) {
		dstream.From(job, in.Source()).FlatMap(strings.Fields).ZipWithIndex().To(dstreamtest.Sink("out"))
	}
	run(t, build, values[dstream.Indexed[string]], []step{
		{1, rows(in.Part(0, "a b c", "", "d"), in.Part(2, "e"), in.Part(3, "f g")), "{0 a} {1 b} {2 c} {3 d} {4 e} {5 f} {6 g}"},
		{2, nil, ""},
		{3, rows(in.Part(0, ""), in.Part(1, "x")), "{0 x}"},
	})
	numbers := dstreamtest.Input[int64]("numbers")
	var many []int64
	for i := range int64(10_000) {
		many = append(many, i)
	}
	r := runner(t, dstreamtest.Options{Reduce: 3, Block: 999}, func(job *dstream.Job) {
		dstream.From(job, numbers.Source()).ZipWithIndex().To(dstreamtest.Sink("out"))
	})
	b := batch(t, r, step{1, rows(numbers.Part(0, many[:6001]...), numbers.Part(1, many[6001:]...)), ""})
	seen := 0
	for _, row := range dstreamtest.Values[dstream.Indexed[int64]](b, "out") {
		if seen++; row.Index != row.Value {
			t.Fatalf("row %d has number %d", row.Value, row.Index)
		}
	}
	if seen != len(many) {
		t.Errorf("%d rows", seen)
	}
}
