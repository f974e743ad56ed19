package dstream_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

type click struct {
	Page  string
	Count int64
	Note  *string
	Score float64
	Tags  []string
}

// someFrame makes a random Frame of one of clicks: the same one for the same seed.
func someFrame(seed uint64, f dstream.Frame) dstream.Frame {
	r := rand.New(rand.NewPCG(seed, 11))
	has := func(name string) bool { return len(f.Schema().FieldIndices(name)) > 0 }
	for range r.IntN(7) {
		switch r.IntN(7) {
		case 0:
			if has("count") {
				f = f.Where(expr.Col("count").Gt(int64(r.IntN(3))))
			}
		case 1:
			if has("page") && has("note") {
				f = f.Where(expr.Col("page").Ne("b").Or(expr.Col("note").IsNull()))
			}
		case 2:
			if has("count") {
				f = f.With([]string{"count", "twice"}[r.IntN(2)], expr.Col("count").Mul(int64(2)))
			}
		case 3:
			if has("twice") {
				f = f.Where(expr.Col("twice").Lt(int64(7)))
			}
		case 4:
			var columns []any
			for _, c := range f.Schema().Fields() {
				if r.IntN(4) > 0 {
					columns = append(columns, c.Name)
				}
			}
			if len(columns) > 0 {
				f = f.Select(columns...)
			}
		case 5:
			if has("score") {
				f = f.Union(f.Where(expr.Col("score").Gt(1.0)))
			}
		case 6:
			if has("tags") && !has("tag") {
				f = f.ExplodeOuter("tags", "tag")
			}
		}
	}
	return f
}

// someClicks are records, a few of them bad: in columns that a Frame reads, and in others.
func someClicks(r *rand.Rand, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(`{"page":"%s","count":%d,"note":%s,"score":%v,"tags":%s}`, []string{"a", "b", "é"}[r.IntN(3)], r.IntN(6),
			[]string{"null", `"x"`}[r.IntN(2)], float64(r.IntN(4))/2, []string{"[]", `["t"]`, "null"}[r.IntN(3)])
		if r.IntN(8) == 0 {
			out[i] = []string{`{"page":"b","count":"x"}`, `{"page":"b","count":0,"score":1,"tags":[1]}`, `{"page":"b","count":0}`, `{`, `{"page":1,"count":0,"score":1}`}[r.IntN(5)]
		}
	}
	return out
}

// TestPushdownChangesNothing runs random Frames behind a source that gives columns, and behind a filter that keeps all rows: then the source gives rows, all columns of
// them. Rows and dead letters are the same.
func TestPushdownChangesNothing(t *testing.T) {
	filtered := 0
	for seed := range uint64(60) {
		job := func(job *dstream.Job) {
			some := func(f dstream.Frame, out string) { someFrame(seed, f).To(dstreamtest.Sink(out)) }
			some(dstream.From(job, source.LogJSON[click]("in").Named("direct")).Frame(), "columns")
			some(dstream.From(job, source.LogJSON[click]("in").Named("apart")).Filter(func(click) bool { return true }).Frame(), "rows")
		}
		j := dstreamtest.Run(t, job, dstreamtest.Partitions(2))
		r := rand.New(rand.NewPCG(seed, 12))
		for range 3 {
			values := someClicks(r, r.IntN(40))
			b := j.Batch(dstreamtest.Records("direct", 0, values...), dstreamtest.Records("apart", 0, values...))
			if diff := cmp.Diff(b.JSON("rows"), b.JSON("columns")); diff != "" {
				t.Fatalf("seed %d: %s", seed, diff)
			}
			rows, columns := b.DeadLetters("apart"), b.DeadLetters("direct")
			if diff := cmp.Diff(rows, columns, cmpopts.IgnoreFields(rdd.DeadLetter{}, "Source")); diff != "" {
				t.Fatalf("seed %d: %s", seed, diff)
			}
		}
		if strings.Contains(explained(t, job), "where") {
			filtered++
		}
	}
	if filtered < 20 {
		t.Errorf("%d of 60 plans have filters", filtered)
	}
}

func explained(t testing.TB, build func(*dstream.Job)) string {
	t.Helper()
	job := dstream.NewJob(dstream.JobOptions{})
	job.Describe(build)
	plan, err := job.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return plan.Explain()
}

// TestExplainSaysWhatIsRead: the source says which columns are read and which of the filters it applies; the plan's text, which tells programs apart, does not.
func TestExplainSaysWhatIsRead(t *testing.T) {
	count, page := expr.Col("count"), expr.Col("page")
	for _, c := range []struct {
		frame func(f dstream.Frame) dstream.Frame
		want  string
	}{
		{func(f dstream.Frame) dstream.Frame { return f.Where(page.Eq("a")).Select("count") }, "reads page, count of 5 columns, where (page = 'a')  ("},
		{func(f dstream.Frame) dstream.Frame {
			return f.With("twice", count.Mul(int64(2))).Where(expr.Col("twice").Gt(int64(1))).Where(page.Eq("a")).Select("twice")
		},
			"reads page, count of 5 columns, where (page = 'a')  ("},
		{func(f dstream.Frame) dstream.Frame {
			return f.Where(count.Gt(int64(1))).Where(page.Eq("a")).Select("note")
		},
			"reads page, count, note of 5 columns, where (count > 1) and (page = 'a')  ("},
		{func(f dstream.Frame) dstream.Frame {
			return f.Select(page.As("count"), count.As("page")).Where(page.Eq(int64(1)))
		}, "reads page, count of 5 columns  ("},
		{func(f dstream.Frame) dstream.Frame {
			return f.With("count", count.Mul(int64(2))).Where(count.Gt(int64(1))).Select("count")
		}, "reads count of 5 columns  ("},
		{func(f dstream.Frame) dstream.Frame { return f.Union(f.Where(page.Eq("a"))).Select("score") }, "reads page, score of 5 columns  ("},
		{func(f dstream.Frame) dstream.Frame { return f.Select(expr.Lit(1).As("one")) }, "reads nothing of 5 columns  ("},
		{func(f dstream.Frame) dstream.Frame { return f }, "reads page, count, note, score, tags of 5 columns  ("},
	} {
		build := func(job *dstream.Job) {
			c.frame(dstream.From(job, source.LogJSON[click]("in")).Frame()).To(sink.LogJSON("out"))
		}
		if text := explained(t, build); !strings.Contains(text, c.want) {
			t.Errorf("want %s\n%s", c.want, text)
		}
	}
	shared := func(job *dstream.Job) {
		s := dstream.From(job, source.LogJSON[click]("in"))
		s.Frame().Select("page").To(sink.LogJSON("out"))
		s.Map(func(c click) string { return c.Page }).To(sink.LogJSON("rows"))
	}
	if text := explained(t, shared); strings.Contains(text, "reads") {
		t.Errorf("a source whose rows are read gives rows:\n%s", text)
	}
}

// Operators that gather rows say what they read of them: the rest is not made, and what they give is what they give of whole rows.
func TestPushdownBehindWideOperators(t *testing.T) {
	forms := map[string]func(*dstream.Job, string, dstream.Frame) dstream.Frame{
		"reads page of 5 columns": func(_ *dstream.Job, _ string, f dstream.Frame) dstream.Frame {
			return f.GroupBy("page").Agg(expr.Count().As("n"))
		},
		"reads count, score of 5 columns": func(_ *dstream.Job, name string, f dstream.Frame) dstream.Frame {
			return f.GroupBy(expr.Col("count").Add(int64(1)).As("k")).Running(name).Agg(expr.Max("score").As("best"))
		},
		"reads tags of 5 columns": func(_ *dstream.Job, _ string, f dstream.Frame) dstream.Frame {
			return f.Explode("tags", "tag").GroupBy("tag").Agg(expr.Count().As("n"))
		},
		"reads page, count of 5 columns": func(_ *dstream.Job, name string, f dstream.Frame) dstream.Frame {
			return f.Window(dstream.Sliding(2*time.Second, time.Second).ByBatchTime()).GroupBy("page").Agg(name, expr.Sum("count").As("sum"))
		},
		"reads count, note of 5 columns": func(_ *dstream.Job, name string, f dstream.Frame) dstream.Frame {
			return f.Window(dstream.Tumbling(time.Second).ByBatchTime()).GroupBy("note").Agg(name, expr.Max("count").As("most"))
		},
		"reads page, score of 5 columns": func(j *dstream.Job, name string, f dstream.Frame) dstream.Frame {
			pages := dstream.Lookup(j, name, func(context.Context) ([]pageName, error) { return []pageName{{"a", "first"}, {"b", "second"}}, nil })
			return f.Lookup(pages, dstream.On("page"), dstream.LeftJoin, dstream.If(expr.Col("score").Lt(1.0))).Select("page", "title")
		},
	}
	for reads, form := range forms {
		job := func(job *dstream.Job) {
			form(job, "a", dstream.From(job, source.LogJSON[click]("in").Named("direct")).Frame()).To(dstreamtest.Sink("columns"))
			form(job, "b", dstream.From(job, source.LogJSON[click]("in").Named("apart")).Filter(func(click) bool { return true }).Frame()).To(dstreamtest.Sink("rows"))
		}
		if text := explained(t, job); !strings.Contains(text, reads) {
			t.Errorf("no %q in\n%s", reads, text)
		}
		j := dstreamtest.Run(t, job, dstreamtest.Partitions(2))
		r := rand.New(rand.NewPCG(1, 2))
		for range 5 {
			values := someClicks(r, r.IntN(40))
			b := j.Batch(dstreamtest.Records("direct", 0, values...), dstreamtest.Records("apart", 0, values...))
			if diff := cmp.Diff(b.JSON("rows"), b.JSON("columns")); diff != "" {
				t.Fatalf("%s: %s", reads, diff)
			}
		}
	}
}

type pageName struct{ Page, Title string }
