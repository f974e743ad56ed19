package row

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
)

// BenchmarkDictTexts is what numbering a text costs, in a task of 2^18 rows: words of which few are frequent, by length, and words that all differ.
func BenchmarkDictTexts(b *testing.B) {
	const rows, chunk = 1 << 18, 1 << 12
	r := rand.New(rand.NewPCG(1, 1))
	z := rand.NewZipf(r, 1.1, 1, 99_999)
	for _, of := range []struct {
		name string
		text func(i int) string
	}{
		{"short", func(int) string { return fmt.Sprintf("w%d", z.Uint64()) }},
		{"middle", func(int) string { return fmt.Sprintf("word-%07d", z.Uint64()) }},
		{"long", func(int) string { return fmt.Sprintf("0f8fad5b-d9cb-469f-a165-%012d", z.Uint64()) }},
		{"few", func(int) string { return fmt.Sprintf("0f8fad5b-d9cb-469f-a165-%012d", r.IntN(1000)) }},
		{"distinct", func(i int) string { return fmt.Sprintf("w%d", i*7919) }},
	} {
		var in []*col.Vec
		for i := range rows {
			if i%chunk == 0 {
				in = append(in, col.New(arrow.BinaryTypes.String, chunk))
			}
			in[i/chunk].Texts[i%chunk] = of.text(i)
		}
		b.Run(of.name, func(b *testing.B) {
			d, idx := NewDict(0), make([]int32, chunk)
			for b.Loop() {
				d.Reset()
				for _, v := range in {
					d.AddTexts(v, nil, idx)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
