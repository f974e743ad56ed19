package batch_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/batch"
)

// count is what a partial aggregation sends.
type count struct {
	Word string
	N    int64
	Max  *float64
}

func counts(b *testing.B, n int) arrow.Record {
	r := rand.New(rand.NewPCG(1, 1))
	rows := make([]count, n)
	for i := range rows {
		f := r.Float64()
		rows[i] = count{fmt.Sprint("word", r.IntN(1e6)), r.Int64(), &f}
	}
	return record(codec[count](b), rows, nil)
}

func rowsPerSecond(b *testing.B, n int) {
	b.ReportAllocs()
	b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/float64(n), "ns/row")
}

func BenchmarkTake(b *testing.B) {
	rec := counts(b, 8192)
	idx := seq(8192)
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(idx), func(i, j int) { idx[i], idx[j] = idx[j], idx[i] })
	for b.Loop() {
		batch.Take(rec, idx)
	}
	rowsPerSecond(b, 8192)
}

func BenchmarkSplit(b *testing.B) {
	rec := counts(b, 8192)
	part := make([]int32, 8192)
	for i := range part {
		part[i] = int32(rand.IntN(8))
	}
	for b.Loop() {
		batch.Split(rec, part, 8)
	}
	rowsPerSecond(b, 8192)
}

func BenchmarkConcat(b *testing.B) {
	recs := []arrow.Record{counts(b, 4096), counts(b, 4096)}
	for b.Loop() {
		batch.Concat(recs)
	}
	rowsPerSecond(b, 8192)
}

func benchmarkSizes(b *testing.B, f func(*testing.B, arrow.Record)) {
	for _, n := range []int{10, 8192} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f(b, counts(b, n))
			rowsPerSecond(b, n)
		})
	}
}

func BenchmarkMarshal(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, rec arrow.Record) {
		var parts [][]byte
		for b.Loop() {
			parts = batch.Marshal(rec, parts[:0])
		}
	})
}

func BenchmarkSum(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, rec arrow.Record) {
		for b.Loop() {
			batch.Sum(rec)
		}
	})
}

func BenchmarkUnmarshal(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, rec arrow.Record) {
		data := join(batch.Marshal(rec, nil))
		for b.Loop() {
			if _, err := batch.Unmarshal(rec.Schema(), data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
