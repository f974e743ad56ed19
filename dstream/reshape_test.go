package dstream_test

import (
	_ "embed"
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

// scored is a row to rank; a nil score is null.
type scored struct {
	Team  string
	Name  string
	Score *int64
}

var scores = [][]scored{
	{{"red", "ann", new(int64(3))}, {"blue", "bob", nil}, {"red", "cid", new(int64(7))}, {"red", "dan", nil}, {"blue", "eve", new(int64(1))}, {"red", "fay", new(int64(5))}},
	{},
	{{"blue", "gus", new(int64(2))}},
}

func TestProofOrderBy(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[scored]) dstream.Stream[scored] {
		return s.Frame().OrderBy(expr.Col("score").Desc().NullsFirst(), "name").Limit(4).As[scored]()
	}, scores, [][]scored{{scores[0][1], scores[0][3], scores[0][2], scores[0][5]}, {}, scores[2]}, dstreamtest.Ordered())
	dstreamtest.Check(t, func(s dstream.Stream[scored]) dstream.Stream[scored] {
		return s.Frame().TopN(3, "score").As[scored]()
	}, scores, [][]scored{{scores[0][4], scores[0][0], scores[0][5]}, {}, scores[2]}, dstreamtest.Ordered())
}

func TestProofTopNOfGroups(t *testing.T) {
	t.Parallel()
	dstreamtest.Check(t, func(s dstream.Stream[scored]) dstream.Stream[scored] {
		return s.Frame().GroupBy("team").TopN(2, expr.Col("score").Desc().NullsLast(), expr.Col("name")).As[scored]()
	}, scores, [][]scored{{scores[0][2], scores[0][5], scores[0][4], scores[0][1]}, {}, scores[2]})
}

// crew is a row with a list, and member one of its elements.
type crew struct {
	Ship string
	Crew []string
}

type member struct {
	Vessel string
	Member *string
}

func TestProofExplode(t *testing.T) {
	t.Parallel()
	ships := [][]crew{{{"argo", []string{"ann", "bob"}}, {"ghost", nil}, {"argo", []string{"bob", "ann"}}}, {}, {{"ghost", nil}}}
	dstreamtest.Check(t, func(s dstream.Stream[crew]) dstream.Stream[member] {
		return s.Frame().ExplodeOuter("crew", "member").Rename("ship", "vessel").Distinct().As[member]()
	}, ships, [][]member{{{"argo", new("ann")}, {"argo", new("bob")}, {"ghost", nil}}, {}, {{"ghost", nil}}})
	dstreamtest.Check(t, func(s dstream.Stream[crew]) dstream.Stream[string] {
		return s.Frame().Explode("crew", "value").Drop("ship").Distinct("value").As[string]()
	}, ships, [][]string{{"ann", "bob"}, {}, {}})
}

//go:embed reshape_test.go
var reshapeSource string

func TestMistakesOfRows(t *testing.T) {
	ships := dstreamtest.Input[crew]("ships")
	_, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) {
		f := dstream.From(job, ships.Source()).Frame()
		f.As[crew]().To(dstreamtest.Sink("out"))
		f.OrderBy()                    // want: order by: give at least one column
		f.OrderBy("shp")               // want: orderBy: there is no column "shp"; did you mean "ship"?
		f.OrderBy("crew")              // want: orderBy: crew is list
		f.TopN(0, "ship")              // want: topN(0): at least 1
		f.TopN(1, 7)                   // want: topN: want names of columns, expressions and orders
		f.Limit(-1)                    // want: limit(-1): at least 1
		f.Distinct()                   // want: column "crew": a slice may not be part of a key (P25)
		f.GroupBy("crew").TopN(1)      // want: column "crew": a slice may not be part of a key (P25)
		f.Drop("shp")                  // want: drop: there is no column "shp"; did you mean "ship"?
		f.Drop("ship", "crew")         // want: drop: no column is left
		f.Rename("shp", "vessel")      // want: rename: there is no column "shp"
		f.Rename("ship", "crew")       // want: column "crew" is there twice
		f.Explode("ship", "s")         // want: explode: column "ship" is utf8, not a list
		f.ExplodeOuter("crews", "who") // want: explode: there is no column "crews"; did you mean "crew"?
	})
	wantMistakes(t, "reshape_test.go", reshapeSource, err)
}
