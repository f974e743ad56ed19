package ops

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

type sold struct {
	Shop   string
	Item   int64
	Price  float64
	Amount int64
}

type sum struct {
	Price  float64
	Amount int64
}

// BenchmarkGroupBy is what the map side of a grouping costs a row: the closure form, and the same over columns.
func BenchmarkGroupBy(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	rows := make([]sold, task.ChunkRows)
	for i := range rows {
		rows[i] = sold{fmt.Sprintf("shop-%04d", r.IntN(1000)), r.Int64N(1000), float64(r.IntN(1000)) / 10, r.Int64N(5)}
	}
	ctx := &task.Context{Layout: &task.Layout{Reduce: 2}}
	measure := func(name string, w task.Writer, in task.Chunk) {
		b.Run(name, func(b *testing.B) {
			const chunks = 32
			b.ReportAllocs()
			for b.Loop() {
				for range chunks {
					if err := w.Add(ctx, in); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := w.Flush(ctx); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/chunks/float64(len(rows)), "ns/row")
		})
	}
	text, number, val, all := codec[string](b), codec[int64](b), codec[sum](b), codec[sold](b)
	shops, items, sums := make([]string, len(rows)), make([]int64, len(rows)), make([]sum, len(rows))
	for i, s := range rows {
		shops[i], items[i], sums[i] = s.Shop, s.Item, sum{s.Price, s.Amount}
	}
	add := func(a, b sum) sum { return sum{a.Price + b.Price, a.Amount + b.Amount} }
	columns := task.Chunk{N: len(rows), Vals: col.FromArrays(all.Schema(), all.Columns(rows, nil))}
	measure("closure/text", NewReduction[string](text, val, add).Input().New(), task.Chunk{N: len(rows), Keys: shops, Vals: sums})
	measure("columns/text", groupingOf(b, all.Schema(), "shop").Input().New(), columns)
	measure("closure/int64", NewReduction[int64](number, val, add).Input().New(), task.Chunk{N: len(rows), Keys: items, Vals: sums})
	measure("columns/int64", groupingOf(b, all.Schema(), "item").Input().New(), columns)
	measure("columns/none", groupingOf(b, all.Schema()).Input().New(), columns)
}

func codec[T any](t testing.TB) *row.Codec {
	t.Helper()
	c, err := row.For[T]()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// groupingOf sums price and amount by columns.
func groupingOf(t testing.TB, schema *arrow.Schema, keys ...string) *Grouping {
	t.Helper()
	set, err := agg.Bind(schema, []expr.Agg{expr.Sum("price").As("price"), expr.Sum("amount").As("amount")})
	if err != nil {
		t.Fatal(err)
	}
	g := &Grouping{Set: set, Key: AllKey()}
	var fields []arrow.Field
	for _, name := range keys {
		k, err := expr.Bind(schema, expr.Col(name))
		if err != nil {
			t.Fatal(err)
		}
		g.Keys, fields = append(g.Keys, k), append(fields, k.Field())
	}
	if len(keys) > 0 {
		if g.Key, err = row.OfSchema(arrow.NewSchema(fields, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if g.Partial, err = row.OfSchema(set.Partial()); err != nil {
		t.Fatal(err)
	}
	return g
}
