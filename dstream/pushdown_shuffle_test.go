package dstream_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/source"
)

// shuffling are operators that gather rows and send only the columns that are read: a random one of them behind two streams of clicks.
func shuffling(r *rand.Rand, name string, f, o dstream.Frame) dstream.Frame {
	kinds := []dstream.JoinKind{dstream.InnerJoin, dstream.LeftJoin, dstream.RightJoin, dstream.FullJoin, dstream.SemiJoin, dstream.AntiJoin}
	on := []dstream.JoinOption{dstream.On("page"), dstream.OnEqual(expr.Col("count").Add(int64(1)), expr.Col("count")), dstream.On("note")}[r.IntN(3)]
	opts := []dstream.JoinOption{on, dstream.Suffix("_o")}
	if r.IntN(2) == 0 {
		opts = append(opts, dstream.If([]expr.Expr{expr.Col("score").Lt(expr.Col("score_o")), expr.Col("count").Gt(int64(2)), expr.Lit(true)}[r.IntN(3)]))
	}
	switch r.IntN(5) {
	case 0:
		return f.Join(o, append(opts, kinds[r.IntN(6)])...)
	case 1:
		table := o.Latest(name, "page")
		opts[0] = dstream.On("page")
		return f.JoinTable(table, append(opts, []dstream.JoinKind{dstream.InnerJoin, dstream.LeftJoin, dstream.SemiJoin, dstream.AntiJoin}[r.IntN(4)])...)
	case 2:
		return f.Distinct([][]any{{"page"}, {"count", "note"}, {expr.Col("score").Gt(1.0)}}[r.IntN(3)]...)
	case 3:
		return []dstream.Frame{f.OrderBy("note", expr.Col("count").Desc()), f.Limit(1 + r.IntN(9)), f.TopN(3, expr.Col("score"))}[r.IntN(3)]
	}
	return f.GroupBy("page").TopN(2, expr.Col("count").Desc())
}

// TestShufflesOfFewerColumnsChangeNothing: the same operators, whose results are read in part, and in full by a second output besides.
func TestShufflesOfFewerColumnsChangeNothing(t *testing.T) {
	narrowed := map[string]int{}
	for seed := range uint64(120) {
		job := func(job *dstream.Job) {
			in := dstream.From(job, source.LogJSON[click]("in").Named("in")).Frame()
			other := dstream.From(job, source.LogJSON[click]("other").Named("other")).Frame()
			for _, whole := range []bool{true, false} {
				r := rand.New(rand.NewPCG(seed, 1))
				f := shuffling(r, fmt.Sprintf("table %v", whole), in, other)
				if whole {
					f.To(dstreamtest.Sink("all"))
				}
				var columns []any
				for _, c := range f.Schema().Fields() {
					if r.IntN(3) == 0 {
						columns = append(columns, c.Name)
					}
				}
				if len(columns) == 0 {
					columns = []any{expr.Lit(1).As("one")}
				}
				f.Select(columns...).To(dstreamtest.Sink(fmt.Sprintf("whole %v", whole)))
			}
		}
		for _, line := range strings.Split(explained(t, job), "\n") {
			if op := strings.Fields(line + " none none"); strings.HasPrefix(line, "#") && strings.Contains(line, " columns") && op[1] != "source" {
				narrowed[strings.TrimSuffix(op[1], ":")]++
			}
		}
		j := dstreamtest.Run(t, job, dstreamtest.Partitions(2))
		r := rand.New(rand.NewPCG(seed, 12))
		for range 3 {
			b := j.Batch(dstreamtest.Records("in", 0, someClicks(r, r.IntN(40))...), dstreamtest.Records("other", 0, someClicks(r, r.IntN(20))...))
			if diff := cmp.Diff(b.JSON("whole true"), b.JSON("whole false")); diff != "" {
				t.Fatalf("seed %d: %s\n%s", seed, diff, explained(t, job))
			}
		}
	}
	for _, op := range []string{"join", "joinTable", "distinct", "orderBy", "limit", "topN"} {
		if narrowed[op] == 0 {
			t.Errorf("no %s of fewer columns in 120 plans: %v", op, narrowed)
		}
	}
}

// What goes through a shuffle is in --explain, and not in the plan's text, which tells programs apart.
func TestExplainSaysWhatIsShuffled(t *testing.T) {
	job := func(job *dstream.Job) {
		f := dstream.From(job, source.LogJSON[click]("in").Named("in")).Frame()
		o := dstream.From(job, source.LogJSON[click]("other").Named("other")).Frame()
		f.Join(o, dstream.On("page"), dstream.Suffix("_o")).Select("count").To(dstreamtest.Sink("joined"))
		o.JoinTable(f.Latest("t", "page"), dstream.On("page"), dstream.Suffix("_o")).Select("note_o", "score").To(dstreamtest.Sink("table"))
		f.Distinct("note").Select("score").To(dstreamtest.Sink("distinct"))
	}
	text := explained(t, job)
	for _, want := range []string{
		"inner on page = page, reads page, count of 5 columns of input 0, reads page of 5 columns of input 1  (",
		", reads page, score of 5 columns  (", ", reads note, score of 5 columns  (",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	plan := dstream.NewJob(dstream.JobOptions{})
	plan.Describe(job)
	p, err := plan.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(p.Text, " columns") {
		t.Errorf("the plan's text depends on what is read:\n%s", p.Text)
	}
}
