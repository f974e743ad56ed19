package dstream_test

import (
	_ "embed"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

// visitRow is a row of a log with a column that may be null.
type visitRow struct {
	Page *string
	User int64
	Took *float64
}

// pageStats is what is made of a page's visits.
type pageStats struct {
	Page  *string
	N     int64
	Users int64
	Total *int64
	Slow  *float64
	Fast  int64
	First *int64
	List  []int64
}

var pageAggs = []expr.Agg{
	expr.Count().As("n"), expr.CountDistinct("user").As("users"), expr.Sum("user").As("total"), expr.Max("took").As("slow"),
	expr.Count().Where(expr.Col("took").Lt(1.0)).As("fast"), expr.FirstBy("user", "user").As("first"), expr.Collect(expr.Lit(4), 3).As("list"),
}

func TestProofGroupBy(t *testing.T) {
	t.Parallel()
	a, b := "a", "b"
	dstreamtest.Check(t, func(s dstream.Stream[visitRow]) dstream.Stream[pageStats] {
		return s.Frame().Where(expr.Col("user").Ge(0)).GroupBy("page").Agg(pageAggs...).As[pageStats]()
	}, [][]visitRow{
		{{&a, 1, new(0.5)}, {nil, 2, nil}, {&b, 7, new(3.0)}, {&a, 1, new(2.5)}, {nil, 3, new(0.1)}, {&a, -1, nil}},
		{},
		{{&b, 1, nil}, {&b, 2, nil}, {&b, 3, nil}, {&b, 3, nil}},
		{{nil, -1, nil}},
	}, [][]pageStats{
		{
			{&a, 2, 1, new(int64(2)), new(2.5), 1, new(int64(1)), []int64{4, 4}}, {nil, 2, 2, new(int64(5)), new(0.1), 1, new(int64(2)), []int64{4, 4}},
			{&b, 1, 1, new(int64(7)), new(3.0), 0, new(int64(7)), []int64{4}},
		},
		{},
		{{&b, 4, 3, new(int64(9)), nil, 0, new(int64(1)), []int64{4, 4, 4}}},
		{},
	})
}

type totals struct {
	N     int64
	Total *int64
}

func TestProofGroupByNothing(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[int64]) dstream.Stream[totals] {
		return s.Frame().GroupBy().Agg(expr.Count().As("n"), expr.Sum("value").As("total")).As[totals]()
	}, [][]int64{{1, 2, 3}, {}, {5}}, [][]totals{{{3, new(int64(6))}}, {{0, nil}}, {{1, new(int64(5))}}})
}

func TestProofRunningAgg(t *testing.T) {
	t.Parallel()
	a, b := "a", "b"
	dstreamtest.Check(t, func(s dstream.Stream[visitRow]) dstream.Stream[pageStats] {
		return s.Frame().GroupBy("page").Running("pages", dstream.Expire(3*time.Second), dstream.CheckpointEvery(2)).Agg(pageAggs...).As[pageStats]()
	}, [][]visitRow{
		{{&a, 1, new(0.5)}, {nil, 2, nil}, {&a, 1, new(2.5)}},
		{{nil, 3, new(0.1)}, {&b, 7, nil}},
		{},
		{{&a, 5, nil}, {nil, 3, nil}},
		{{&a, 5, nil}},
	}, [][]pageStats{
		{{&a, 2, 1, new(int64(2)), new(2.5), 1, new(int64(1)), []int64{4, 4}}, {nil, 1, 1, new(int64(2)), nil, 0, new(int64(2)), []int64{4}}},
		{{nil, 2, 2, new(int64(5)), new(0.1), 1, new(int64(2)), []int64{4, 4}}, {&b, 1, 1, new(int64(7)), nil, 0, new(int64(7)), []int64{4}}},
		{},
		{{&a, 3, 2, new(int64(7)), new(2.5), 1, new(int64(1)), []int64{4, 4, 4}}, {nil, 3, 2, new(int64(8)), new(0.1), 1, new(int64(2)), []int64{4, 4, 4}}},
		{{&a, 1, 1, new(int64(5)), nil, 0, new(int64(5)), []int64{4}}}, // three seconds and more later: it began anew
	}, dstreamtest.Times(at(1), at(2), at(3), at(3).Add(time.Millisecond), at(7)))
}

func TestProofRunningAggAll(t *testing.T) {
	t.Parallel()
	type counted struct {
		Value string
		N     int64
		Until *string
	}
	dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[counted] {
		return s.Frame().GroupBy("value").Running("words").Agg(expr.Count().As("n"), expr.Max("value").As("until")).Snapshots().As[counted]()
	}, [][]string{{"b", "a", "b"}, {}, {"c"}}, [][]counted{
		{{"a", 1, new("a")}, {"b", 2, new("b")}}, {{"a", 1, new("a")}, {"b", 2, new("b")}}, {{"a", 1, new("a")}, {"b", 2, new("b")}, {"c", 1, new("c")}},
	})
}

//go:embed grouped_test.go
var groupedSource string

func TestMistakesOfGroups(t *testing.T) {
	visits := dstreamtest.Input[visitRow]("visits")
	_, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) {
		f := dstream.From(job, visits.Source()).Frame()
		f.As[visitRow]().To(dstreamtest.Sink("out"))
		n := expr.Count().As("n")
		f.GroupBy("pgae").Agg(n)                       // want: group by: there is no column "pgae"; did you mean "page"?
		f.GroupBy("took").Agg(n)                       // want: column "took": a float may not be part of a key (P25)
		f.GroupBy("page").Agg(expr.Sum("usr").As("x")) // want: aggregate: sum(usr) as x: there is no column "usr"; did you mean "user"?
		f.GroupBy("page").Agg(expr.Sum("page"))        // want: sum(page): utf8 is not a number
		f.GroupBy("page").Agg()                        // want: no aggregates; give at least one
		f.GroupBy("page").Agg(expr.Count().As("page")) // want: column "page" is there twice
		f.GroupBy("page").Running("").Agg(n)           // want: an operator that keeps state needs a name
		f.GroupBy("page").Agg(n).Snapshots()           // want: Snapshots belongs directly behind GroupBy(…).Running(…).Agg; groupBy keeps no groups
	})
	wantMistakes(t, "grouped_test.go", groupedSource, err)
}

// ends are the first and last values of the odd and the even numbers.
type ends struct {
	Odd         bool
	First, Last *int64
}

// What the state holds came before the batch.
func TestProofRunningOrder(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[valued]) dstream.Stream[ends] {
		return s.Frame().GroupBy("odd").Running("ends").Agg(expr.First("value").As("first"), expr.Last("value").As("last")).As[ends]()
	}, [][]valued{{{true, 1}}, {{false, 4}, {true, 3}}, {{true, 5}}}, [][]ends{
		{{true, new(int64(1)), new(int64(1))}}, {{false, new(int64(4)), new(int64(4))}, {true, new(int64(1)), new(int64(3))}}, {{true, new(int64(1)), new(int64(5))}},
	})
}

type valued struct {
	Odd   bool
	Value int64
}

type noteRow struct {
	Page string
	Note string
}

// TestProofTextsAreKept: what keeps texts of rows keeps those that it was given, while the columns of sources are overwritten where nothing keeps them: an aggregate, an order, a
// function of the user's.
func TestProofTextsAreKept(t *testing.T) {
	in := [][]noteRow{
		{{"a", "one"}, {"b", "two"}, {"a", "four"}, {"c", "three"}, {"b", "five"}},
		{{"c", "six"}, {"c", "a longer text than the others"}, {"a", ""}},
	}
	least := [][]noteRow{{{"a", "four"}, {"b", "five"}, {"c", "three"}}, {{"c", "a longer text than the others"}, {"a", ""}}}
	var mu sync.Mutex
	kept := map[string]bool{} // by a function of the user's
	keep := expr.Func1("keep", func(s string) int64 {
		mu.Lock()
		defer mu.Unlock()
		kept[s] = true
		return int64(len(s))
	})
	for name, c := range map[string]struct {
		form func(f dstream.Frame) dstream.Frame
		want [][]noteRow
	}{
		"min": {func(f dstream.Frame) dstream.Frame {
			return f.GroupBy("page").Agg(expr.Min("note").As("note")).Select("page", expr.Coalesce(expr.Col("note"), "").As("note"))
		}, least},
		"top":      {func(f dstream.Frame) dstream.Frame { return f.GroupBy("page").TopN(1, expr.Col("note").Asc()) }, least},
		"order":    {func(f dstream.Frame) dstream.Frame { return f.OrderBy("note") }, in},
		"function": {func(f dstream.Frame) dstream.Frame { return f.Where(keep(expr.Col("note")).Ge(0)).OrderBy("page") }, in},
	} {
		t.Run(name, func(t *testing.T) {
			dstreamtest.Check(t, func(s dstream.Stream[noteRow]) dstream.Stream[noteRow] {
				return c.form(s.Frame()).As[noteRow]()
			}, in, c.want)
		})
	}
	for _, rows := range in {
		for _, r := range rows {
			delete(kept, r.Note)
		}
	}
	for s := range kept {
		t.Errorf("the function kept %q, which no row has", s)
	}
}
