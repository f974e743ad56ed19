package dstream_test

import (
	"context"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/plugins"
)

// same is an operator that gives its rows back: all columns computed, or all kept.
func same(keeps bool) plugins.Operator {
	return plugins.Operator{Name: "same", Map: func([]byte) (plugins.Map, error) { return sameRows(keeps), nil }}
}

type sameRows bool

func (s sameRows) Declare(in *arrow.Schema) (plugins.Declaration, error) {
	d := plugins.Declaration{Output: in}
	if s {
		d.Reads = []int{1}
		for i := range in.Fields() {
			d.Keeps = append(d.Keeps, i)
		}
	}
	return d, nil
}

func (s sameRows) Process(_ context.Context, _ plugins.Batch, in arrow.Record) (plugins.Result, error) {
	if s {
		return plugins.Result{N: int(in.NumRows())}, nil
	}
	return plugins.Result{N: int(in.NumRows()), Rec: in}, nil
}

// BenchmarkApply is what it costs to hand rows to an operator and take them back, beside what the job does without: rows of a text, two numbers and a text that may be null.
func BenchmarkApply(b *testing.B) {
	clicks := dstreamtest.Input[click]("clicks")
	in := make([]click, 100_000)
	for i := range in {
		in[i] = click{Page: "/some/page", Count: int64(i), Score: 1.5}
		if i%2 == 0 {
			in[i].Note = new("a note")
		}
	}
	for _, c := range []struct {
		name string
		with func(f dstream.Frame) dstream.Frame
	}{
		{"without", func(f dstream.Frame) dstream.Frame { return f }},
		{"keeps", func(f dstream.Frame) dstream.Frame { return f.Apply(same(true)) }},
		{"all", func(f dstream.Frame) dstream.Frame { return f.Apply(same(false)) }},
		{"process, keeps", func(f dstream.Frame) dstream.Frame { return f.Via(inTests(b, "same keeps")) }},
		{"process, all", func(f dstream.Frame) dstream.Frame { return f.Via(inTests(b, "same")) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			r, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) {
				f := dstream.From(job, clicks.Source()).Frame().Select("page", "count", "note", "score")
				c.with(f).GroupBy("page").Agg(expr.Sum("count").As("n"), expr.Max("note").As("note"), expr.Max("score").As("score")).To(dstreamtest.Sink("out"))
			})
			if err != nil {
				b.Fatal(err)
			}
			part := clicks.Part(0, in...)
			for b.Loop() {
				if _, err := r.Run(dstreamtest.At(0), part); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(in)), "ns/row")
		})
	}
}

// sameKeeping is same(true) under a name of its own.
var sameKeeping = plugins.Operator{Name: "same keeps", Map: same(true).Map}
