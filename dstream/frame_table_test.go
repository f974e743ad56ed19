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
	"github.com/millrace/millrace/source"
)

// person is a change of a table.
type person struct {
	ID   int64
	Name string
	Gone bool
}

// looked is a row of the stream that reads it.
type looked struct {
	ID   *int64
	Page string
}

type visitor struct {
	ID   *int64
	Page string
	Name *string
}

// In batch t the table holds the changes of all batches up to and including t, in the batch itself too.
//
//	batch    1            2            3          4
//	people   1 ann, 2 bo  1 eve        2 gone     2 kim
//	visits   1, 3         1, 2, null   1, 2       2
func TestFrameJoinTable(t *testing.T) {
	id := func(n int64) *int64 { return &n }
	people := [][]person{{{1, "ann", false}, {2, "bo", false}}, {{1, "eve", false}}, {{2, "", true}}, {{2, "kim", false}}}
	visits := [][]looked{{{id(1), "a"}, {id(3), "a"}}, {{id(1), "b"}, {id(2), "b"}, {nil, "b"}}, {{id(1), "c"}, {id(2), "c"}}, {{id(2), "d"}}}
	want := [][]visitor{
		{{id(1), "a", new("ann")}, {id(3), "a", nil}},
		{{id(1), "b", new("eve")}, {id(2), "b", new("bo")}, {nil, "b", nil}},
		{{id(1), "c", new("eve")}, {id(2), "c", nil}},
		{{id(2), "d", new("kim")}},
	}
	table := func(s dstream.Stream[person]) dstream.FrameTable {
		return s.Frame().LatestIf("people", expr.Col("gone").Not(), "id")
	}
	t.Run("left", func(t *testing.T) {
		dstreamtest.Check2(t, func(v dstream.Stream[looked], p dstream.Stream[person]) dstream.Stream[visitor] {
			return v.Frame().JoinTable(table(p), dstream.On("id"), dstream.LeftJoin).Select("id", "page", "name").As[visitor]()
		}, visits, people, want)
	})
	t.Run("fewer columns are shuffled", func(t *testing.T) {
		var names [][]*string
		for _, rows := range want {
			var of []*string
			for _, n := range rows {
				of = append(of, n.Name)
			}
			names = append(names, of)
		}
		dstreamtest.Check2(t, func(v dstream.Stream[looked], p dstream.Stream[person]) dstream.Stream[*string] {
			return v.Frame().JoinTable(table(p), dstream.On("id"), dstream.LeftJoin).Select(expr.Col("name").As("value")).As[*string]()
		}, visits, people, names)
	})
	type inner struct {
		ID   int64
		Page string
		Name string
	}
	for kind, keep := range map[dstream.JoinKind]func(visitor) bool{
		dstream.InnerJoin: func(n visitor) bool { return n.Name != nil && *n.Name != "bo" },
		dstream.SemiJoin:  func(n visitor) bool { return n.Name != nil && *n.Name != "bo" },
		dstream.AntiJoin:  func(n visitor) bool { return n.Name == nil || *n.Name == "bo" },
	} {
		t.Run(kindName(kind), func(t *testing.T) {
			var some [][]looked
			for _, rows := range want {
				var kept []looked
				for _, n := range rows {
					if keep(n) {
						kept = append(kept, looked{n.ID, n.Page})
					}
				}
				some = append(some, kept)
			}
			dstreamtest.Check2(t, func(v dstream.Stream[looked], p dstream.Stream[person]) dstream.Stream[looked] {
				f := v.Frame().JoinTable(table(p), kind, dstream.On("id"), dstream.If(expr.Col("name").Ne("bo")))
				if kind != dstream.InnerJoin {
					return f.As[looked]()
				}
				return f.Select("id", "page", "name").As[inner]().Map(func(n inner) looked { return looked{&n.ID, n.Page} })
			}, visits, people, some)
		})
	}
}

// A table of Go values is read by Frames too, whatever made it.
func TestFrameJoinTypedTable(t *testing.T) {
	type profile struct{ Name string }
	type row struct {
		User string
		N    int64
		Name *string
	}
	type click struct {
		User string
		N    int64
	}
	dstreamtest.Check2(t, func(c dstream.Stream[click], p dstream.Stream[source.Change[profile]]) dstream.Stream[row] {
		table := dstream.Latest("profiles", p).Frame("user")
		return c.Frame().JoinTable(table, dstream.On("user"), dstream.LeftJoin).As[row]()
	}, [][]click{{{"a", 1}, {"b", 2}}, {{"a", 3}}, {{"a", 4}}},
		[][]source.Change[profile]{{{Key: "a", Value: profile{"Ann"}}}, {{Key: "a", Value: profile{"Eve"}}}, {{Key: "a", Deleted: true}}},
		[][]row{{{"a", 1, new("Ann")}, {"b", 2, nil}}, {{"a", 3, new("Eve")}}, {{"a", 4, nil}}})
}

// address is a row of the second table of joins of tables.
type address struct {
	ID   int64
	City string
	Gone bool
}

type lives struct {
	ID   int64
	Name *string
	City *string
	Diff int8 `arrow:"_diff"`
}

// TestFrameTablesJoin compares what changes with tables that are plain maps, batch by batch.
func TestFrameTablesJoin(t *testing.T) {
	for _, kind := range []dstream.JoinKind{dstream.InnerJoin, dstream.LeftJoin, dstream.FullJoin} {
		t.Run(kindName(kind), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(uint64(kind), 5))
			var people [][]person
			var addresses [][]address
			var want [][]lives
			names, cities, before := map[int64]string{}, map[int64]string{}, map[int64]lives{}
			for range 5 {
				ps := map[int64]person{}
				as := map[int64]address{}
				for range rnd.IntN(4) {
					p := person{rnd.Int64N(4), fmt.Sprint("n", rnd.IntN(3)), rnd.IntN(3) == 0}
					ps[p.ID] = p
					a := address{rnd.Int64N(4), fmt.Sprint("c", rnd.IntN(3)), rnd.IntN(3) == 0}
					as[a.ID] = a
				}
				var pl []person
				var al []address
				for id := range int64(4) {
					if p, ok := ps[id]; ok {
						pl = append(pl, p)
						if names[id] = p.Name; p.Gone {
							delete(names, id)
						}
					}
					if a, ok := as[id]; ok {
						al = append(al, a)
						if cities[id] = a.City; a.Gone {
							delete(cities, id)
						}
					}
				}
				people, addresses = append(people, pl), append(addresses, al)
				want = append(want, livesChanges(kind, names, cities, before))
			}
			dstreamtest.Check2(t, func(p dstream.Stream[person], a dstream.Stream[address]) dstream.Stream[lives] {
				pt := p.Frame().LatestIf("people", expr.Col("gone").Not(), "id")
				at := a.Frame().LatestIf("addresses", expr.Col("gone").Not(), "id")
				f := pt.Join("lives", at, kind, dstream.Suffix("_2")).Changes()
				return fit(f.Select("id", "name", "city", "_diff"), kind)
			}, people, addresses, want)
		})
	}
}

// livesChanges are the changes from before, which is brought up to date.
func livesChanges(kind dstream.JoinKind, names, cities map[int64]string, before map[int64]lives) (out []lives) {
	for id := range int64(4) {
		name, n := names[id]
		city, c := cities[id]
		now, here := lives{ID: id, Diff: 1}, n && c || n && kind != dstream.InnerJoin || c && kind == dstream.FullJoin
		if n {
			now.Name = &name
		}
		if c {
			now.City = &city
		}
		old, was := before[id]
		if was && here && fmt.Sprint(livesText(old)) == fmt.Sprint(livesText(now)) {
			continue
		}
		if was {
			gone := old
			gone.Diff = -1
			out = append(out, gone)
			delete(before, id)
		}
		if here {
			out = append(out, now)
			before[id] = now
		}
	}
	return out
}

func livesText(l lives) []string {
	text := func(s *string) string {
		if s == nil {
			return "-"
		}
		return *s
	}
	return []string{text(l.Name), text(l.City)}
}

// fit reads the columns of a join of tables, which are null where its kind may leave a side out.
func fit(f dstream.Frame, kind dstream.JoinKind) dstream.Stream[lives] {
	type inner struct {
		ID   int64
		Name string
		City string
		Diff int8 `arrow:"_diff"`
	}
	type left struct {
		ID   int64
		Name string
		City *string
		Diff int8 `arrow:"_diff"`
	}
	switch kind {
	case dstream.InnerJoin:
		return f.As[inner]().Map(func(v inner) lives { return lives{v.ID, &v.Name, &v.City, v.Diff} })
	case dstream.LeftJoin:
		return f.As[left]().Map(func(v left) lives { return lives{v.ID, &v.Name, v.City, v.Diff} })
	}
	return f.As[lives]()
}

func TestFrameTableMistakes(t *testing.T) {
	job := dstream.NewJob(dstream.JobOptions{})
	people := dstream.From(job, dstreamtest.Input[person]("people").Source())
	visits := dstream.From(job, dstreamtest.Input[looked]("visits").Source()).Frame()
	f := people.Frame()
	f.Latest("no key")
	f.Latest("wrong key", "idd")
	f.Select("id").Latest("only a key", "id")
	f.LatestIf("no boolean", expr.Col("id"), "id")
	table := f.Latest("people table", "id")
	visits.JoinTable(table, dstream.OnEqual(expr.Col("page"), expr.Col("name")))
	visits.JoinTable(table, dstream.On("id"), dstream.FullJoin)
	table.Join("all", table, dstream.SemiJoin, dstream.Suffix("_2"))
	typed := people.LatestBy("typed", func(p person) (int64, person, bool) { return p.ID, p, true })
	typed.Frame("id")
	typed.Frame("a", "b")
	typed.Frame("key").Changes()
	_, err := job.Plan()
	if err == nil {
		t.Fatal("no mistakes")
	}
	for i, want := range []string{
		"a table needs a key; name its columns",
		`did you mean "id"?`,
		"a table needs columns besides its key",
		"id is int64, not a boolean",
		"the table is found by its key, id; join on all of it",
		"a full join would show rows of the table that no row asks for",
		"an InnerJoin, LeftJoin or FullJoin, not a semi join",
		`key and value both have a column "id"; give the key another name: Frame("id_key")`,
		"2 names for a key of 1 columns",
		"a Table of Go values gives what came, not what went",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("mistake %d: %q is not in\n%v", i, want, err)
		}
	}
}

// What a table tells of itself adds up to what it holds.
func TestFrameTableChanges(t *testing.T) {
	type change struct {
		ID   int64
		Name string
		Diff int8 `arrow:"_diff"`
	}
	dstreamtest.Check(t, func(s dstream.Stream[person]) dstream.Stream[change] {
		return s.Frame().Select("id", "name", "gone").LatestIf("people", expr.Col("gone").Not(), "id").Changes().Select("id", "name", "_diff").As[change]()
	}, [][]person{
		{{1, "ann", false}},
		{{1, "ann", false}, {2, "bo", false}},
		{{1, "eve", false}},
		{{1, "", true}, {3, "", true}},
	}, [][]change{{{1, "ann", 1}}, {{2, "bo", 1}}, {{1, "ann", -1}, {1, "eve", 1}}, {{1, "eve", -1}}})
}

// The streams that read a table wait for its sources, over joins and aggregates of tables too (P32).
func TestFrameTablesAreLoadedFirst(t *testing.T) {
	job := dstream.NewJob(dstream.JobOptions{})
	visits := dstream.From(job, dstreamtest.Input[looked]("visits").Source()).Frame()
	people := dstream.From(job, dstreamtest.Input[person]("people").Source()).Frame().Latest("people table", "id")
	cities := dstream.From(job, dstreamtest.Input[address]("cities").Source()).Frame().Latest("cities table", "id")
	both := people.Join("both", cities, dstream.Suffix("_2"))
	visits.JoinTable(both, dstream.On("id")).To(dstreamtest.Sink("out"))
	names := dstream.From(job, dstreamtest.Input[person]("names").Source()).Frame().Latest("names table", "id").GroupBy("name").Agg("by name", expr.Count().As("n"))
	dstream.From(job, dstreamtest.Input[looked]("asked").Source()).Frame().JoinTable(names, dstream.OnEqual(expr.Col("page"), expr.Col("name"))).To(dstreamtest.Sink("more"))
	refer := dstream.From(job, dstreamtest.Input[looked]("refer").Source()).Frame().Latest("refer table", "page").
		Join("refer to people", dstream.From(job, dstreamtest.Input[person]("referred").Source()).Frame().Latest("referred table", "id"), dstream.OnEqual(expr.Col("id"), expr.Col("id")), dstream.Suffix("_2"))
	dstream.From(job, dstreamtest.Input[looked]("asks").Source()).Frame().JoinTable(refer, dstream.On("page"), dstream.Suffix("_3")).To(dstreamtest.Sink("most"))
	plan, err := job.Plan()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"visits": {"cities", "people"}, "asked": {"names"}, "asks": {"refer", "referred"}}
	if diff := cmp.Diff(want, plan.Gates); diff != "" {
		t.Error(diff)
	}
}

func TestTimedJoinMistakes(t *testing.T) {
	job := dstream.NewJob(dstream.JobOptions{})
	l := dstream.From(job, dstreamtest.Input[lefty]("l").Source()).Frame()
	r := dstream.From(job, dstreamtest.Input[righty]("r").Source()).Frame()
	l.JoinWithin("a", r, dstream.Within(-2*time.Second, time.Second), dstream.On("id"))
	l.JoinAsOf("b", r, dstream.On("id"), dstream.FullJoin)
	l.JoinAsOfNow("c", r)
	l.JoinAsOf("e", r, dstream.On("id")).LateRightRows()
	r.LateRightRows()
	l.Join(r, dstream.On("id")).LateRows()
	r.Latest("t", "id").GroupBy("r").Agg("d", expr.Min(expr.Col("n")).As("m"))
	_, err := job.Plan()
	if err == nil {
		t.Fatal("no mistakes")
	}
	for i, want := range []string{
		"joinWithin: Within(-2s, 1s) has its end before its beginning",
		"joinWithin: rows need event time on both sides",
		"joinAsOf: a full join would show versions that no row asks for",
		"joinAsOfNow: nothing to join on",
		"LateRightRows belongs directly behind JoinWithin, JoinAsOf or JoinAsOfNow; frame gives none",
		"LateRows belongs directly behind an operator that gives them: Window(…)…Agg, JoinWithin, JoinAsOf, JoinAsOfNow; join gives none",
		"agg: ",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("mistake %d: %q is not in\n%v", i, want, err)
		}
	}
}
