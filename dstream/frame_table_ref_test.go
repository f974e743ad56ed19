package dstream_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

// ordered is a row of a table that refers to people by Buyer.
type ordered struct {
	No    int64
	Buyer *int64
	Note  string
	Gone  bool
}

// bought by whom: a row of the join of orders with people.
type orderOf struct {
	No   int64
	Note string
	Name *string
	Diff int8 `arrow:"_diff"`
}

func ordersTable(s dstream.Stream[ordered]) dstream.FrameTable {
	return s.Frame().LatestIf("orders", expr.Col("gone").Not(), "no")
}

func peopleTable(s dstream.Stream[person]) dstream.FrameTable {
	return s.Frame().LatestIf("people", expr.Col("gone").Not(), "id")
}

// ordersWithNames are the changes of orders with the names of their buyers.
func ordersWithNames(o dstream.Stream[ordered], p dstream.Stream[person], opts ...dstream.JoinOption) dstream.Frame {
	on := dstream.OnEqual(expr.Col("buyer"), expr.Col("id"))
	return ordersTable(o).Join("orders with names", peopleTable(p), append(opts, on, dstream.Suffix("_2"))...).Changes().Select("no", "note", "name", "_diff")
}

// Orders that refer to people, who change, go and come.
//
//	batch    1           2            3                4               5
//	orders   1→7, 2→8    3→7          1→8              2 goes, 3→null  –
//	people   7 ann       –            7 eve            –               8 bo
//	result   +1 ann      +3 ann       -1 ann           -3 eve          +1 bo
//	                                  -3 ann, +3 eve
func TestFrameTablesJoinByReference(t *testing.T) {
	id := func(n int64) *int64 { return &n }
	orders := [][]ordered{{{1, id(7), "x", false}, {2, id(8), "x", false}}, {{3, id(7), "x", false}}, {{1, id(8), "x", false}}, {{2, nil, "", true}, {3, nil, "y", false}}, {}}
	people := [][]person{{{7, "ann", false}}, {}, {{7, "eve", false}}, {}, {{8, "bo", false}}}
	type inner struct {
		No   int64
		Note string
		Name string
		Diff int8 `arrow:"_diff"`
	}
	dstreamtest.Check2(t, func(o dstream.Stream[ordered], p dstream.Stream[person]) dstream.Stream[inner] {
		return ordersWithNames(o, p).As[inner]()
	}, orders, people, [][]inner{
		{{1, "x", "ann", 1}},
		{{3, "x", "ann", 1}},
		{{1, "x", "ann", -1}, {3, "x", "ann", -1}, {3, "x", "eve", 1}},
		{{3, "x", "eve", -1}},
		{{1, "x", "bo", 1}},
	})
}

// TestFrameTablesJoinByReferenceAgainstMaps compares what changes with tables that are plain maps, batch by batch, with a condition and without.
func TestFrameTablesJoinByReferenceAgainstMaps(t *testing.T) {
	for seed, kind := range []dstream.JoinKind{dstream.InnerJoin, dstream.LeftJoin, dstream.LeftJoin} {
		t.Run(fmt.Sprint(kindName(kind), seed), func(t *testing.T) {
			var opts []dstream.JoinOption
			match := func(ordered, string) bool { return true }
			if seed == 2 {
				opts = append(opts, dstream.If(expr.Col("note").Ne(expr.Col("name"))))
				match = func(o ordered, name string) bool { return o.Note != name }
			}
			orders, people, want := randomReferences(uint64(seed), kind, match)
			dstreamtest.Check2(t, func(o dstream.Stream[ordered], p dstream.Stream[person]) dstream.Stream[orderOf] {
				f := ordersWithNames(o, p, append(opts, kind)...)
				if kind == dstream.LeftJoin {
					return f.As[orderOf]()
				}
				type inner struct {
					No   int64
					Note string
					Name string
					Diff int8 `arrow:"_diff"`
				}
				return f.As[inner]().Map(func(v inner) orderOf { return orderOf{v.No, v.Note, &v.Name, v.Diff} })
			}, orders, people, want)
		})
	}
}

func randomReferences(seed uint64, kind dstream.JoinKind, match func(ordered, string) bool) (orders [][]ordered, people [][]person, want [][]orderOf) {
	rnd := rand.New(rand.NewPCG(seed, 31))
	held, names, before := map[int64]ordered{}, map[int64]string{}, map[int64]orderOf{}
	for range 6 {
		var ol []ordered
		var pl []person
		for no := range int64(8) {
			if rnd.IntN(3) > 0 {
				continue
			}
			o := ordered{No: no, Note: fmt.Sprint("n", rnd.IntN(2)), Gone: rnd.IntN(4) == 0}
			if rnd.IntN(5) > 0 {
				o.Buyer = new(rnd.Int64N(3))
			}
			ol = append(ol, o)
			if held[no] = o; o.Gone {
				delete(held, no)
			}
		}
		for id := range int64(3) {
			if rnd.IntN(2) > 0 {
				continue
			}
			p := person{id, fmt.Sprint("n", rnd.IntN(3)), rnd.IntN(3) == 0}
			pl = append(pl, p)
			if names[id] = p.Name; p.Gone {
				delete(names, id)
			}
		}
		var changes []orderOf
		for no := range int64(8) {
			o, here := held[no]
			now := orderOf{No: no, Note: o.Note, Diff: 1}
			if here && o.Buyer != nil {
				if name, found := names[*o.Buyer]; found && match(o, name) {
					now.Name = &name
				}
			}
			here = here && (now.Name != nil || kind == dstream.LeftJoin)
			old, was := before[no]
			if was && here && old.Note == now.Note && fmt.Sprint(livesText(lives{Name: old.Name})) == fmt.Sprint(livesText(lives{Name: now.Name})) {
				// A row that refers to another is another row, though its other columns are the same: the column is part of it.
				if sameBuyer(heldBefore(orders, no), o) {
					continue
				}
			}
			if was {
				old.Diff = -1
				changes = append(changes, old)
				delete(before, no)
			}
			if here {
				changes = append(changes, now)
				before[no] = now
			}
		}
		orders, people, want = append(orders, ol), append(people, pl), append(want, changes)
	}
	return orders, people, want
}

// heldBefore is what batches so far say of an order.
func heldBefore(orders [][]ordered, no int64) (last ordered) {
	for _, rows := range orders {
		for _, o := range rows {
			if o.No == no {
				last = o
			}
		}
	}
	return last
}

func sameBuyer(a, b ordered) bool {
	return (a.Buyer == nil) == (b.Buyer == nil) && (a.Buyer == nil || *a.Buyer == *b.Buyer)
}

// A table may refer to itself, and the join is a table like others: it is read, joined and aggregated.
func TestFrameTableRefersToItself(t *testing.T) {
	type staff struct {
		ID   int64
		Boss *int64
		Name string
	}
	type count struct {
		Chief string
		N     int64
		Diff  int8 `arrow:"_diff"`
	}
	id := func(n int64) *int64 { return &n }
	dstreamtest.Check(t, func(s dstream.Stream[staff]) dstream.Stream[count] {
		all := s.Frame().Latest("staff", "id")
		chiefs := all.Join("staff with chiefs", all, dstream.OnEqual(expr.Col("boss"), expr.Col("id")), dstream.Suffix("_chief"))
		return chiefs.GroupBy("name_chief").Agg("how many", expr.Count().As("n")).Changes().Select(expr.Col("name_chief").As("chief"), "n", "_diff").As[count]()
	}, [][]staff{
		{{1, nil, "ann"}, {2, id(1), "bo"}, {3, id(1), "cy"}},
		{{3, id(2), "cy"}},
		{{1, id(2), "eve"}},
	}, [][]count{
		{{"ann", 2, 1}},
		{{"ann", 2, -1}, {"ann", 1, 1}, {"bo", 1, 1}},
		{{"ann", 1, -1}, {"eve", 1, 1}, {"bo", 1, -1}, {"bo", 2, 1}},
	})
}

func TestFrameTableReferenceMistakes(t *testing.T) {
	job := dstream.NewJob(dstream.JobOptions{})
	orders := ordersTable(dstream.From(job, dstreamtest.Input[ordered]("o").Source()))
	people := peopleTable(dstream.From(job, dstreamtest.Input[person]("p").Source()))
	col := expr.Col
	orders.Join("a", people)
	orders.Join("b", people, dstream.OnEqual(col("buyre"), col("id")))
	orders.Join("c", people, dstream.OnEqual(col("note"), col("id")))
	orders.Join("d", people, dstream.OnEqual(col("note"), col("name")))
	orders.Join("e", people, dstream.OnEqual(col("buyer"), col("id")), dstream.FullJoin, dstream.Suffix("_2"))
	orders.Join("f", people, dstream.OnEqual(col("buyer"), col("id")), dstream.AntiJoin)
	orders.Join("g", people, dstream.OnEqual(col("buyer"), col("id")))
	_, err := job.Plan()
	if err == nil {
		t.Fatal("no mistakes")
	}
	for i, want := range []string{
		"keys are no and id; say with OnEqual what of the left table is the right one's key",
		`did you mean "buyer"?`,
		"equal values need one type",
		"the table is found by its key, id; join on all of it and on nothing else",
		"rows of the right table that nothing refers to have no key; use LeftJoin",
		"an InnerJoin, LeftJoin or FullJoin, not a anti join",
		`both sides have a column "gone"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("mistake %d: %q is not in\n%v", i, want, err)
		}
	}
}
