package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// textLines are lines of ten words, few of them frequent.
func textLines(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	lines := make([]string, n)
	for i := range lines {
		words := make([]string, 10)
		for j := range words {
			words[j] = fmt.Sprintf("w%d", int(math.Exp(r.Float64()*math.Log(100_000)))-1)
		}
		lines[i] = strings.Join(words, " ")
	}
	return lines
}

// BenchmarkWords is what counting words costs before anything is sent, a word: split, rows of words, and counts by word.
func BenchmarkWords(b *testing.B) {
	const chunks = 32
	var in []*col.Batch
	lineSchema := arrow.NewSchema([]arrow.Field{{Name: "value", Type: arrow.BinaryTypes.String}}, nil)
	text := codec[string](b)
	lines := textLines(chunks * task.ChunkRows)
	for i := range chunks {
		in = append(in, col.FromArrays(lineSchema, text.Columns(lines[i*task.ChunkRows:(i+1)*task.ChunkRows], nil)))
	}
	split, err := expr.Bind(lineSchema, expr.Col("value").Split(" ").As("words"))
	if err != nil {
		b.Fatal(err)
	}
	listSchema := arrow.NewSchema([]arrow.Field{split.Field()}, nil)
	wordSchema := arrow.NewSchema([]arrow.Field{{Name: "word", Type: arrow.BinaryTypes.String}}, nil)
	g := countsBy(b, wordSchema, "word")
	ctx := &task.Context{Layout: &task.Layout{Reduce: 2}, Counters: &task.Counters{}}
	run := func(name string, group bool) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sel, explode, w := Select(listSchema, []*expr.Bound{split}, nil)(), Explode(wordSchema, 0, false)(), g.Input().New()
				for _, c := range in {
					out, err := sel.Process(ctx, task.Chunk{N: c.N, Vals: c})
					if err == nil {
						out, err = explode.Process(ctx, out)
					}
					if err == nil && group {
						err = w.Add(ctx, out)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
				if _, err := w.Flush(ctx); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/chunks/task.ChunkRows/10, "ns/word")
		})
	}
	run("explode", false)
	run("count", true)
}

// countsBy counts rows by a column.
func countsBy(t testing.TB, schema *arrow.Schema, key string) *Grouping {
	t.Helper()
	set, err := agg.Bind(schema, []expr.Agg{expr.Count().As("n")})
	if err != nil {
		t.Fatal(err)
	}
	k, err := expr.Bind(schema, expr.Col(key))
	if err != nil {
		t.Fatal(err)
	}
	g := &Grouping{Set: set, Keys: []*expr.Bound{k}}
	if g.Key, err = row.OfSchema(arrow.NewSchema([]arrow.Field{k.Field()}, nil)); err != nil {
		t.Fatal(err)
	}
	if g.Partial, err = row.OfSchema(set.Partial()); err != nil {
		t.Fatal(err)
	}
	return g
}
