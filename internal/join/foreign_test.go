package join

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
)

var (
	orderSchema = arrow.NewSchema([]arrow.Field{{Name: "id", Type: int64Type}, {Name: "of", Type: textType, Nullable: true}}, nil)
	buyerSchema = arrow.NewSchema([]arrow.Field{{Name: "code", Type: textType}, {Name: "v", Type: int64Type}}, nil)
)

// buyers is a right table, and the world of the references to it.
type buyers struct {
	*world
	f     *Foreign
	table *state.Table
}

func newBuyers(t *testing.T, parts int) *buyers {
	t.Helper()
	s := Spec{Kind: Left, Sides: [2]Side{{Schema: orderSchema}, {Schema: buyerSchema}}}
	on := []On{{expr.Col("of"), expr.Col("code")}}
	errs := s.Prepare(on)
	var more []error
	if s.Both, s.From, more = Columns(Left, orderSchema, buyerSchema, on, ""); len(errs)+len(more) > 0 {
		t.Fatal(errs, more)
	}
	s.Out = s.Both
	left, err := row.OfSchema(arrow.NewSchema(orderSchema.Fields()[:1], nil))
	if err != nil {
		t.Fatal(err)
	}
	val, err := row.OfSchema(arrow.NewSchema(buyerSchema.Fields()[1:], nil))
	if err != nil {
		t.Fatal(err)
	}
	table := state.New(s.Key, val, 0)
	right := View{Schema: buyerSchema, Key: s.Key, Values: func(t *state.Table, rows []int32, _ []int) (*col.Batch, []bool) { return t.GetCols(rows), nil }}
	f := &Foreign{Tables: Tables{Spec: s, Views: [2]View{{Schema: orderSchema, Key: left}, right}}}
	if err := f.Prepare(); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, f.ReferenceInputs(), f.NewReferences, parts, [2]*row.Codec{PlaceCodec(), f.Held})
	w.chunk, w.reads = 500, []*state.Table{table}
	return &buyers{w, f, table}
}

// change is a row of a left table that came (1) or went (-1). Key "" is null.
type orderChange struct {
	id   int64
	of   string
	diff int64
}

// batch sets rows of the right table, 0 for one that goes, and gives what references answer.
func (b *buyers) batch(changes []orderChange, set map[string]int64) []string {
	b.t.Helper()
	left, right := arrow.NewSchema(append(slices.Clone(orderSchema.Fields()), DiffField), nil), arrow.NewSchema(append(slices.Clone(buyerSchema.Fields()), DiffField), nil)
	id, of, diff := col.New(int64Type, len(changes)), col.New(textType, len(changes)), col.New(DiffField.Type, len(changes))
	for i, c := range changes {
		id.Ints[i], of.Texts[i], diff.Ints[i] = c.id, c.of, c.diff
		if c.of == "" {
			of.SetNull(i)
		}
	}
	codes := slices.Sorted(func(yield func(string) bool) {
		for k := range set {
			if !yield(k) {
				return
			}
		}
	})
	n := len(codes)
	code, v, diffs := col.New(textType, n), col.New(int64Type, n), col.New(DiffField.Type, n)
	b.table.Begin(b.world.batch + 1)
	for i, k := range codes {
		code.Texts[i], v.Ints[i], diffs.Ints[i] = k, set[k], 1
		var keys row.Keys
		b.f.Key.AppendVecKeys([]*col.Vec{code}, []int32{int32(i)}, &keys)
		at := make([]int32, 1)
		if set[k] != 0 {
			b.table.Upsert(&keys, at)
			b.table.SetCols(at, col.Of(arrow.NewSchema(buyerSchema.Fields()[1:], nil), 1, v.Take([]int32{int32(i)})))
		} else if b.table.Find(&keys, at); at[0] >= 0 {
			b.table.Delete(at)
		}
	}
	b.table.Seal()
	return b.run([]int64{0, 0}, []*col.Batch{col.Of(left, len(changes), id, of, diff)}, []*col.Batch{col.Of(right, n, code, v, diffs)})
}

// Orders of buyers; what is answered is the key of an order, and what its buyer has.
//
//	batch    1           2             3            4
//	orders   1→a, 2→b    2→a           -            1 goes, 2→null
//	buyers   a 10        -             a 11, b 20   a goes
//	answers  1 a 10      2 a 10        1, 2 a 11    none is left to be told
func TestForeignTimeline(t *testing.T) {
	b := newBuyers(t, 2)
	for i, s := range []struct {
		orders []orderChange
		buyers map[string]int64
		want   string
	}{
		{[]orderChange{{1, "a", 1}, {2, "b", 1}}, map[string]int64{"a": 10}, "1 true a 10"},
		{[]orderChange{{2, "b", -1}, {2, "a", 1}}, nil, "2 true a 10"},
		{nil, map[string]int64{"a": 11, "b": 20}, "1 true a 11, 2 true a 11"},
		{[]orderChange{{1, "a", -1}, {2, "a", -1}, {2, "", 1}}, map[string]int64{"a": 0}, ""},
		{[]orderChange{{3, "a", 1}}, nil, ""}, // there is no a
		{nil, map[string]int64{"a": 12}, "3 true a 12"},
		{nil, map[string]int64{"a": 0}, "3 false - -"},
	} {
		if got := strings.Join(b.batch(s.orders, s.buyers), ", "); got != s.want {
			t.Errorf("batch %d: got %q, want %q", i+1, got, s.want)
		}
	}
	if b.rows() != 1 {
		t.Errorf("%d places, want the bucket of a", b.rows())
	}
}

// References to few keys grow to thousands and shrink to none: each answer is what plain maps say, and no bucket holds many.
func TestForeignAgainstReference(t *testing.T) {
	for seed := range uint64(4) {
		rnd := rand.New(rand.NewPCG(seed, 23))
		b := newBuyers(t, 1+rnd.IntN(4))
		orders, values := map[int64]string{}, map[string]int64{}
		for i := range 24 {
			set := map[string]int64{}
			for range rnd.IntN(3) {
				set[string(rune('a'+rnd.IntN(3)))] = rnd.Int64N(4)
			}
			for k, v := range set {
				if values[k] = v; v == 0 {
					delete(values, k)
				}
			}
			keep := 0.9
			if i > 14 {
				keep = 0.3
			}
			changes, touched := randomOrders(rnd, orders, keep)
			var want []string
			for id, of := range orders {
				v, found := values[of]
				_, told := set[of]
				switch {
				case of == "", !told && !(touched[id] && found):
				case found:
					want = append(want, fmt.Sprintf("%d true %s %d", id, of, v))
				default:
					want = append(want, fmt.Sprintf("%d false - -", id))
				}
			}
			slices.Sort(want)
			if got := b.batch(changes, set); !slices.Equal(got, want) {
				t.Fatalf("seed %d, batch %d: %d answers, want %d:\n got %q\nwant %q", seed, i, len(got), len(want), got, want)
			}
			if rnd.IntN(3) == 0 {
				b.restart(1 + rnd.IntN(4))
			}
			b.small(t)
		}
		var all []orderChange
		for id, of := range orders {
			all = append(all, orderChange{id, of, -1})
		}
		if b.batch(all, nil); b.rows() != 0 {
			t.Errorf("seed %d: %d places are left of no references", seed, b.rows())
		}
	}
}

// randomOrders changes orders, and tells what changed and which of those that are there were touched.
func randomOrders(rnd *rand.Rand, orders map[int64]string, keep float64) (changes []orderChange, touched map[int64]bool) {
	touched = map[int64]bool{}
	for range rnd.IntN(400) {
		id := rnd.Int64N(2000)
		if touched[id] {
			continue
		}
		touched[id] = true
		if of, was := orders[id]; was {
			changes = append(changes, orderChange{id, of, -1})
			delete(orders, id)
		}
		if rnd.Float64() < keep {
			of := []string{"a", "a", "a", "a", "a", "b", "c", ""}[rnd.IntN(8)]
			orders[id] = of
			changes = append(changes, orderChange{id, of, 1})
		}
	}
	if keep < 0.5 { // most go
		for id := range int64(2000) {
			if of, there := orders[id]; there && !touched[id] && rnd.IntN(2) == 0 {
				touched[id] = true
				changes = append(changes, orderChange{id, of, -1})
				delete(orders, id)
			}
		}
	}
	return changes, touched
}

// small checks that no bucket holds many references.
func (b *buyers) small(t *testing.T) {
	t.Helper()
	for _, list := range b.tables {
		rows := list[0].All()
		places := list[0].KeyRows(rows, nil).([]place)
		for i, d := range heldData(list[0], rows) {
			if places[i].Span == rootSpan {
				continue
			}
			if all, err := entries(nil, d); err != nil || len(all) > 6*perBucket {
				t.Fatalf("bucket %d of %q holds %d references (%v)", places[i].Span, places[i].Key, len(all), err)
			}
		}
	}
}
