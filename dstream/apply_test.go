package dstream_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

func TestProofApply(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]copiesConfig{
		"all": {}, "keeps": {Keep: true, Reads: true}, "ahead": {Keep: true, Ahead: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := [][]click{
				{{Page: "a", Count: 1, Note: new("x")}, {Page: "b", Count: 2, Tags: []string{"t", "u"}}, {Page: "c", Count: 3}},
				{},
				{{Page: "d", Count: 5, Note: new("y")}, {Page: "-", Count: 1}, {Page: "e", Count: 4}, {Page: "f", Count: 1, Note: new("z")}},
			}
			want := make([][]copied, len(in))
			for i, rows := range in {
				for _, r := range rows {
					if r.Page != "-" {
						want[i] = append(want[i], copiesOf(r)...)
					}
				}
			}
			dstreamtest.Check(t, func(s dstream.Stream[click]) dstream.Stream[copied] {
				return s.Frame().Where(expr.Col("page").Ne("-")).Apply(copies, how.bytes()).As[copied]()
			}, in, want, dstreamtest.Ordered())
		})
	}
}

// TestApplyEqualsFlatMap runs the operator in all its ways, behind and before other operators, on random rows, against a function of rows that computes the same.
func TestApplyEqualsFlatMap(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 21))
		how := copiesConfig{Keep: r.IntN(2) == 0, Reads: r.IntN(2) == 0, Backward: r.IntN(3) == 0, Ahead: r.IntN(4), Slice: r.IntN(2) == 0}
		filtered, after := r.IntN(2) == 0, r.IntN(4)
		j := dstreamtest.Run(t, func(job *dstream.Job) {
			in := dstream.From(job, source.LogJSON[click]("in"))
			f, rows := in.Frame(), in
			if filtered {
				f, rows = f.Where(expr.Col("score").Gt(0.5)), rows.Filter(func(c click) bool { return c.Score > 0.5 })
			}
			behind := func(f dstream.Frame, out string) {
				switch after {
				case 0:
					f = f.Select("twice")
				case 1:
					f = f.Where(expr.Col("twice").IsNotNull()).Select("note", "page")
				case 2:
					f = f.GroupBy("page").Agg(expr.Count().As("n"))
				}
				f.To(dstreamtest.Sink(out))
			}
			behind(f.Apply(copies, how.bytes()), "record batches")
			behind(rows.FlatMap(copiesOf).Frame(), "rows")
		}, dstreamtest.Partitions(2))
		for range 4 {
			n := []int{0, r.IntN(5), r.IntN(300), 8000 + r.IntN(20_000)}[r.IntN(4)]
			values := make([]string, n)
			for i := range values {
				values[i] = fmt.Sprintf(`{"page":"%s%d","count":%d,"note":%s,"score":%v,"tags":%s}`, []string{"a", "b", "é"}[r.IntN(3)], i%9, r.IntN(9),
					[]string{"null", `"x"`}[r.IntN(2)], float64(r.IntN(4))/2, []string{"[]", `["t"]`, `["u","v"]`}[r.IntN(3)])
			}
			b := j.Batch(dstreamtest.Records("log:in", 0, values...))
			got, want := strings.Split(b.JSON("record batches"), "\n"), strings.Split(b.JSON("rows"), "\n")
			if how.Backward {
				slices.Sort(got)
				slices.Sort(want)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d, %+v, %d rows, filtered %v, behind it %d: %s", seed, how, n, filtered, after, diff)
			}
		}
	}
}

// sized gives for each row how many rows the record batch has in which it is handed over.
var sized = mapping{
	declare: func(in *arrow.Schema) (plugins.Declaration, error) {
		return plugins.Declaration{Output: arrow.NewSchema([]arrow.Field{{Name: "value", Type: int64Type}}, nil), Reads: []int{}}, nil
	},
	process: func(_ plugins.Batch, in arrow.Record) (plugins.Result, error) {
		b := array.NewInt64Builder(memory.DefaultAllocator)
		for range in.NumRows() {
			b.Append(in.NumRows())
		}
		rec := array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "value", Type: int64Type}}, nil), []arrow.Array{b.NewArray()}, in.NumRows())
		return plugins.Result{N: int(in.NumRows()), Rec: rec}, nil
	},
}

// Record batches are cut at multiples of 8,192 of a task's rows, however its records come in blocks: an attempt that reads them again calls as the first one did.
func TestRecordBatchesAreCutByRows(t *testing.T) {
	values := make([]int64, 20_000)
	for _, block := range []int{0, 1000, 777, 9000} {
		r, err := dstreamtest.New(dstreamtest.Options{Block: block}, func(job *dstream.Job) {
			dstream.From(job, numbers.Source()).Frame().Where(expr.Col("value").Eq(0)).Apply(sized.op()).To(dstreamtest.Sink("out"))
		})
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Run(dstreamtest.At(0), numbers.Part(0, values...))
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Concat(slices.Repeat([]int64{8192}, 2*8192), slices.Repeat([]int64{20_000 - 2*8192}, 20_000-2*8192))
		if got := dstreamtest.Values[int64](b, "out"); !slices.Equal(got, want) {
			t.Errorf("blocks of %d: other record batches", block)
		}
	}
}

// TestProofApplyTo: the operator in what a function builds for each batch.
func TestProofApplyTo(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[click]) dstream.Stream[copied] {
		return s.Transform(func(_ dstream.BatchInfo, r rdd.RDD[click]) rdd.RDD[copied] {
			return dstream.ApplyTo(r.Frame(), copies, copiesConfig{Keep: true}.bytes()).As[copied]()
		})
	}, [][]click{{{Page: "a", Count: 2}, {Page: "b"}}, {}, {{Page: "c", Count: 1}}}, [][]copied{{{Page: "a"}, {Page: "a"}}, {}, {{Page: "c"}}})
}
