package dstream_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// sale is a row of four fields.
type sale struct {
	Shop   string
	Item   int64
	Price  float64
	Amount int32
}

func sales(n, shops int) []sale {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]sale, n)
	for i := range out {
		out[i] = sale{fmt.Sprintf("shop-%04d", r.IntN(shops)), r.Int64N(1000), float64(r.IntN(1000)) / 10, int32(r.IntN(5))}
	}
	return out
}

// BenchmarkClosures is Map, Filter, KeyBy and ReduceByKey over typed rows, in one goroutine: rows/s are those of a core. The aim is
// 5,000,000.
func BenchmarkClosures(b *testing.B) {
	rows := sales(100_000, 1000)
	discount := func(s sale) sale { s.Price *= 0.9; return s }
	sold := func(s sale) bool { return s.Amount > 0 }
	sum := func(x, y sale) sale { x.Price += y.Price; x.Amount += y.Amount; return x }
	b.Run("string key", func(b *testing.B) {
		measure(b, len(rows), len(rows), func(job *dstream.Job) {
			dstream.From(job, prepared("in", rows)).Map(discount).Filter(sold).
				KeyBy(func(s sale) string { return s.Shop }).ReduceByKey(sum).To(dstreamtest.Sink("out"))
		})
	})
	b.Run("integer key", func(b *testing.B) {
		measure(b, len(rows), len(rows), func(job *dstream.Job) {
			dstream.From(job, prepared("in", rows)).Map(discount).Filter(sold).
				KeyBy(func(s sale) int64 { return s.Item }).ReduceByKey(sum).To(dstreamtest.Sink("out"))
		})
	})
}

// BenchmarkVocabulary is what operators of one batch cost a row.
func BenchmarkVocabulary(b *testing.B) {
	type keyed = dstream.Keyed[int64, int64]
	type stream = dstream.Stream[int64]
	r := rand.New(rand.NewPCG(1, 2))
	rows := make([]int64, 100_000)
	for i := range rows {
		rows[i] = r.Int64N(50_000)
	}
	add := func(a, b int64) int64 { return a + b }
	drop := func(s stream) { s.Filter(func(int64) bool { return false }).To(dstreamtest.Sink("out")) }
	for _, c := range []struct {
		name string
		op   func(stream, keyed)
	}{
		{"reduce", func(s stream, _ keyed) { drop(s.Reduce(add)) }},
		{"distinct", func(s stream, _ keyed) { drop(s.Distinct()) }},
		{"sample", func(s stream, _ keyed) { drop(s.Sample(0.01)) }},
		{"mapPartitions", func(s stream, _ keyed) { drop(s.MapPartitions(func(rows []int64) []int64 { return rows[:1] })) }},
		{"repartition", func(s stream, _ keyed) { drop(s.Repartition()) }},
		{"sortBy", func(s stream, _ keyed) { drop(s.SortBy(cmp.Compare[int64])) }},
		{"topK", func(s stream, _ keyed) { drop(s.TopK(100, cmp.Compare[int64])) }},
		{"zipWithIndex", func(s stream, _ keyed) {
			drop(s.ZipWithIndex().Map(func(r dstream.Indexed[int64]) int64 { return r.Index }))
		}},
		{"aggregateByKey", func(_ stream, k keyed) { drop(k.AggregateByKey(int64(0), add, add).Values()) }},
		{"groupByKey", func(_ stream, k keyed) {
			drop(k.GroupByKey().Map(func(_ int64, vs []int64) int64 { return int64(len(vs)) }))
		}},
		{"join", func(_ stream, k keyed) { drop(k.Join(k, add).Values()) }},
		{"subtractByKey", func(_ stream, k keyed) { drop(k.SubtractByKey(k).Values()) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			measure(b, len(rows), len(rows), func(job *dstream.Job) {
				s := dstream.From(job, prepared("in", rows))
				c.op(s, s.KeyBy(dstream.Self))
			})
		})
	}
}
