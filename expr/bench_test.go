package expr

import (
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/internal/col"
)

// benchBatch is a chunk of rows as tasks have them, without nulls.
func benchBatch(every int) *col.Batch {
	r := rand.New(rand.NewPCG(1, 1))
	const n = 2048
	b := randomBatch(r, n)
	b.Sel = nil
	for _, c := range b.Cols {
		c.Null = nil
	}
	for i := range n {
		b.Cols[4].Ints[i], b.Cols[5].Ints[i] = r.Int64N(1000), r.Int64N(1000)
		b.Cols[12].Texts[i] = "The quick brown fox " + string(rune('a'+r.IntN(26)))
	}
	if every > 0 {
		for i := 0; i < n; i += every {
			b.Sel = append(b.Sel, int32(i))
		}
	}
	return b
}

func BenchmarkVec(b *testing.B) {
	for _, c := range []struct {
		name string
		e    Expr
	}{
		{"eq const", Col("i").Eq(7)}, {"lt columns", Col("i").Lt(Col("j"))}, {"and", Col("b").And(Col("c"))}, {"add columns", Col("i").Add(Col("j"))}, {"mul const", Col("i").Mul(3)},
		{"float mul", Col("g").Mul(2.5)}, {"decimal add", Col("d").Add(1)}, {"text eq", Col("r").Eq("The quick brown fox x")}, {"contains", Col("r").Contains("fox x")}, {"lower", Col("r").Lower()},
		{"in 5", Col("i").In(1, 2, 3, 4, 5)}, {"truncate hour", Col("w").Truncate("hour")}, {"truncate day zone", Col("w").Truncate("day", Zone("Europe/Berlin"))},
		{"case", If(Col("i").Lt(500), Col("i"), Col("j"))}, {"func", Func1("inc", func(i int64) int64 { return i + 1 })(Col("i"))},
	} {
		b.Run(c.name, func(b *testing.B) {
			batch := benchBatch(0)
			e := bind(b, batch, c.e).Eval()
			b.ReportAllocs()
			for b.Loop() {
				e.Vec(batch)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(batch.N), "ns/row")
		})
	}
}

func BenchmarkWhere(b *testing.B) {
	cond := Col("i").Lt(300).And(Col("r").Contains("fox x"))
	for name, every := range map[string]int{"all": 0, "every 8th": 8} {
		b.Run(name, func(b *testing.B) {
			batch := benchBatch(every)
			e := bind(b, batch, cond).Eval()
			idx := make([]int32, 0, batch.N)
			b.ReportAllocs()
			for b.Loop() {
				idx = e.Where(batch, idx[:0])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(batch.Len()), "ns/row")
		})
	}
}
