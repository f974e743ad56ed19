package dstream_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/source"
)

// spreadRow is what the operator spread makes of a page's rows.
type spreadRow struct {
	Page            string
	N               int64
	Low, High, Last *int64
}

func TestProofApplyGrouped(t *testing.T) {
	t.Parallel()
	row := func(page string, n, low, high, last int64) spreadRow { return spreadRow{page, n, &low, &high, &last} }
	dstreamtest.Check(t, func(s dstream.Stream[click]) dstream.Stream[spreadRow] {
		return s.Frame().Where(expr.Col("count").Ge(0)).GroupBy("page").Apply(spread).As[spreadRow]()
	}, [][]click{
		{{Page: "a", Count: 3}, {Page: "b", Count: 1}, {Page: "a", Count: 2}, {Page: "a", Count: -1}, {Page: "c", Count: 5}, {Page: "a", Count: 4}},
		{},
		{{Page: "c", Count: -4}},
		{{Page: "b", Count: 7}, {Page: "b", Count: 6}},
	}, [][]spreadRow{{row("a", 3, 2, 4, 4), row("b", 1, 1, 1, 1), row("c", 1, 5, 5, 5)}, {}, {}, {row("b", 2, 6, 7, 6)}})
}

func TestProofApplyGroupedByNothing(t *testing.T) {
	t.Parallel()
	type all struct {
		N               int64
		Low, High, Last *int64
	}
	dstreamtest.Check(t, func(s dstream.Stream[click]) dstream.Stream[all] {
		return s.Frame().GroupBy().Apply(spread).As[all]()
	}, [][]click{{{Count: 3}, {Count: 1}}, {}, {{Count: 2}}}, [][]all{{{2, new(int64(1)), new(int64(3)), new(int64(1))}}, {}, {{1, new(int64(2)), new(int64(2)), new(int64(2))}}})
}

// TestApplyEqualsAgg runs the operator against the engine's own aggregates, on random rows, more than go into a record batch.
func TestApplyEqualsAgg(t *testing.T) {
	j := dstreamtest.Run(t, func(job *dstream.Job) {
		f := dstream.From(job, source.LogJSON[click]("in")).Frame().Where(expr.Col("score").Gt(0.5))
		keys := []any{"note", expr.Col("count").Mod(3).As("third"), "page"}
		f.GroupBy(keys...).Apply(spread).To(dstreamtest.Sink("operator"))
		f.GroupBy(keys...).Agg(expr.Count().As("n"), expr.Min("count").As("low"), expr.Max("count").As("high"), expr.Last("count").As("last")).To(dstreamtest.Sink("engine"))
	}, dstreamtest.Partitions(3))
	r := rand.New(rand.NewPCG(7, 7))
	for i := range 12 {
		values := make([]string, []int{0, r.IntN(5), r.IntN(500), 16_000 + r.IntN(9000)}[i%4])
		for i := range values {
			values[i] = fmt.Sprintf(`{"page":"%d","count":%d,"note":%s,"score":%v,"tags":[]}`, r.IntN(40), r.IntN(9000), []string{"null", `"x"`, `""`}[r.IntN(3)], float64(r.IntN(4))/2)
		}
		half := len(values) / 2
		b := j.Batch(dstreamtest.Records("log:in", 0, values[:half]...), dstreamtest.Records("log:in", 1, values[half:]...))
		if diff := cmp.Diff(strings.Split(b.JSON("engine"), "\n"), strings.Split(b.JSON("operator"), "\n")); diff != "" {
			t.Fatalf("%d rows: %s", len(values), diff)
		}
	}
}

// sessionRow is what the operator sessions gives.
type sessionRow struct {
	K    string
	What string
	Seen []string
}

func TestProofApplyKeyed(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[sessionRow] {
		return s.Frame().GroupBy(expr.Col("value").Left(1).As("k")).Running("sessions", dstream.CheckpointEvery(2)).Apply(sessions).As[sessionRow]()
	}, [][]string{{"a1", "b1", "b1"}, {"a2", "c1"}, {}, {"a3", "c forget"}, {}, {}, {"b3", "c2"}}, [][]sessionRow{
		{{"a", "has 1", nil}, {"b", "has 2", nil}},
		{{"a", "has 2", nil}, {"c", "has 1", nil}},
		{{"b", "closed after 2", []string{"b1", "b1"}}},
		{{"a", "closed after 2", []string{"a1", "a2"}}, {"c", "closed after 1", []string{"c1"}}, {"a", "has 1", nil}},
		{}, {{"a", "closed after 1", []string{"a3"}}}, {{"b", "has 1", nil}, {"c", "has 1", nil}},
	})
}

// The keys' columns are sent once, under any names, and rows are whole behind the shuffle; a null and no key at all are keys.
func TestProofApplyKeyedByColumns(t *testing.T) {
	t.Parallel()
	type visit struct {
		Value string
		User  *string
	}
	type given struct {
		User *string
		What string
		Seen []string
	}
	ann := "ann"
	dstreamtest.Check(t, func(s dstream.Stream[visit]) dstream.Stream[given] {
		return s.Frame().GroupBy("user").Running("users").Apply(sessions).As[given]()
	}, [][]visit{{{"x", &ann}, {"y", nil}, {"z", &ann}}, {{"y", nil}}}, [][]given{{{&ann, "has 2", nil}, {nil, "has 1", nil}}, {{nil, "has 2", nil}}})
	type one struct {
		What string
		Seen []string
	}
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[one] {
		return s.Frame().GroupBy().Running("all").Apply(sessions).As[one]()
	}, [][]string{{"x", "y"}, {}, {}, {"z"}}, [][]one{{{"has 2", nil}}, {}, {{"closed after 2", []string{"x", "y"}}}, {{"has 1", nil}}})
}

// A timer that runs goes on through calls that store the state: the engine tells the operator of it.
func TestProofApplyTimers(t *testing.T) {
	t.Parallel()
	first := plugins.Stateful("first", func(_ struct{}, rows []string, st *plugins.State[int64]) []string {
		if st.Expired() {
			return []string{fmt.Sprintf("closed after %d", st.Get())}
		}
		if !st.Exists() {
			st.ExpireAfter(2 * time.Second)
		}
		st.Set(st.Get() + int64(len(rows)))
		return nil
	})
	type closed struct{ K, Value string }
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[closed] {
		return s.Frame().GroupBy(expr.Col("value").Left(1).As("k")).Running("first").Apply(first).As[closed]()
	}, [][]string{{"a1", "a2", "b1"}, {"a3"}, {"a4", "c1"}, {"a5"}, {}}, [][]closed{{}, {}, {{"a", "closed after 3"}, {"b", "closed after 1"}}, {}, {{"a", "closed after 2"}, {"c", "closed after 1"}}})
}

func TestProofFunc(t *testing.T) {
	t.Parallel()
	loud := dstream.Func(shout, []byte("!"))
	type noted struct {
		Page string
		Note *string
		Both string
	}
	dstreamtest.Check(t, func(s dstream.Stream[click]) dstream.Stream[noted] {
		return s.Frame().Where(loud(expr.Col("page")).Ne("B!")).
			Select(loud("page").As("constant"), loud(expr.Col("page")).As("page"), loud("note2").As("other"), loud(expr.Col("note")).As("note")).
			Select("page", "note", expr.Concat(expr.Col("constant"), loud(loud(expr.Col("page")))).As("both")).As[noted]()
	}, [][]click{{{Page: "a"}, {Page: "b"}, {Page: "c", Note: new("x")}}, {}, {{Page: "b"}}}, [][]noted{
		{{"A!", nil, "PAGE!A!!!"}, {"C!", new("X!"), "PAGE!C!!!"}}, {}, {},
	})
}
