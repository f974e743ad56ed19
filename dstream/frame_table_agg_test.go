package dstream_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

// TestFrameTableAgg compares with aggregates that are computed from the whole table anew after each batch. People change their names, so groups gain and lose rows.
func TestFrameTableAgg(t *testing.T) {
	type group struct {
		Name string
		N    int64
		Sum  *int64
		Diff int8 `arrow:"_diff"`
	}
	rnd := rand.New(rand.NewPCG(4, 4))
	names, before := map[int64]string{}, map[string]group{}
	var in [][]person
	var want [][]group
	for range 6 {
		var batch []person
		for id := range int64(5) {
			if rnd.IntN(2) == 0 {
				continue
			}
			p := person{id, fmt.Sprint("n", rnd.IntN(3)), rnd.IntN(4) == 0}
			batch = append(batch, p)
			if names[id] = p.Name; p.Gone {
				delete(names, id)
			}
		}
		now := map[string]group{}
		for id := range int64(5) {
			if name, ok := names[id]; ok {
				g := now[name]
				sum := id
				if g.Sum != nil {
					sum += *g.Sum
				}
				now[name] = group{name, g.N + 1, &sum, 1}
			}
		}
		var changes []group
		for _, name := range []string{"n0", "n1", "n2"} {
			old, was := before[name]
			g, is := now[name]
			if was && is && old.N == g.N && *old.Sum == *g.Sum {
				continue
			}
			if was {
				old.Diff = -1
				changes = append(changes, old)
			}
			if is {
				changes = append(changes, g)
			}
		}
		in, want, before = append(in, batch), append(want, changes), now
	}
	table := func(s dstream.Stream[person]) dstream.FrameTable {
		return s.Frame().LatestIf("people", expr.Col("gone").Not(), "id").GroupBy("name").
			Agg("names", expr.Count().As("n"), expr.Sum(expr.Col("id")).As("sum"))
	}
	dstreamtest.Check(t, func(s dstream.Stream[person]) dstream.Stream[group] { return table(s).Changes().As[group]() }, in, want)

	t.Run("read", func(t *testing.T) { // by a stream, as any table
		type asked struct{ Name string }
		type answer struct {
			Name string
			N    int64
			Sum  *int64
		}
		dstreamtest.Check2(t, func(q dstream.Stream[asked], s dstream.Stream[person]) dstream.Stream[answer] {
			return q.Frame().JoinTable(table(s), dstream.On("name")).As[answer]()
		}, [][]asked{{{"a"}}, {{"a"}, {"b"}}, {{"a"}, {"b"}}},
			[][]person{{{1, "a", false}, {2, "a", false}}, {{1, "b", false}}, {{2, "a", true}}},
			[][]answer{{{"a", 2, new(int64(3))}}, {{"a", 1, new(int64(2))}, {"b", 1, new(int64(1))}}, {{"b", 1, new(int64(1))}}})
	})
}
