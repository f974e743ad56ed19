package join

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

// A join that is asked for late rows shows what it shows otherwise, and beside it what it counts as late.
//
//	W of t−1       -         20            20
//	left   l       a 10      a 19 late     b 25
//	right  r       a 12      a 3 late      b 2 late, b 26
//	               └ pair                  └ pair
func TestWithinLateRows(t *testing.T) {
	w := lateWorld(t, Inner, 0, 10, 2)
	for i, s := range []struct {
		l, r []event
		want string
	}{
		{[]event{{"a", 10, 1}}, []event{{"a", 12, 2}}, "0 a 10 1 12 2"},
		{[]event{{"a", 19, 3}}, []event{{"a", 3, 4}}, "1 a 19 3 - -, 2 a - - 3 4"},
		{[]event{{"b", 25, 5}}, []event{{"b", 2, 6}, {"b", 26, 7}}, "0 b 25 5 26 7, 2 b - - 2 6"},
	} {
		if got := w.events(20, s.l, s.r); got != s.want {
			t.Errorf("batch %d: got %q, want %q", i+1, got, s.want)
		}
	}
	if w.late != 3 {
		t.Errorf("%d late rows are counted, want 3", w.late)
	}
}

func lateWorld(t testing.TB, kind Kind, before, after int64, parts int) *world {
	t.Helper()
	w := &Within{Spec: specOf(t, kind, ""), Before: before, After: after, Time: [2]Time{{Column: 1}, {Column: 1}}}
	w.WithLate()
	if err := w.Prepare(); err != nil {
		t.Fatal(err)
	}
	return newWorld(t, w.Inputs(), w.New, parts, [2]*row.Codec{PlaceCodec(), w.Held[0]}, [2]*row.Codec{PlaceCodec(), w.Held[1]})
}

func lateAsOfWorld(t testing.TB, kind Kind, parts int) *world {
	t.Helper()
	a := &AsOf{Spec: specOf(t, kind, ""), Time: [2]Time{{Column: 1}, {Column: 1}}}
	a.WithLate()
	if err := a.Prepare(); err != nil {
		t.Fatal(err)
	}
	return newWorld(t, a.Inputs(), a.New, parts, [2]*row.Codec{PlaceCodec(), a.Held[0]}, [2]*row.Codec{PlaceCodec(), a.Held[1]})
}

// lateRows sees all rows at once, and gives those that are late, batch by batch.
func (h history) lateRows(lonely [2]bool) (want [][]string) {
	before := int64(task.NoTime)
	for b := range h.l {
		var late []string
		for side, events := range [][]event{h.l[b], h.r[b]} {
			for _, e := range events {
				if e.at >= 0 && e.at < before && (e.key != "" || lonely[side]) { // others without a key are not even sent
					late = append(late, text(&arrival{event: e}, [2]string{"1 %s %s %d - -", "2 %s - - %s %d"}[side]))
				}
			}
		}
		slices.Sort(late)
		want, before = append(want, late), h.after[b]
	}
	return want
}

// shown are results as the stream of results and late rows has them.
func shown(kind Kind, results []string) (out []string) {
	for _, r := range results {
		if !kind.Pairs() {
			r += " - -"
		}
		out = append(out, "0 "+r)
	}
	return out
}

func TestLateRowsAgainstReference(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 17))
		h := randomHistory(rnd)
		for _, kind := range []Kind{Inner, Left, Right, Full, Semi, Anti} {
			want, _ := h.reference(kind, "")
			late := h.lateRows([2]bool{kind.Lonely(0), kind.Lonely(1)})
			w := lateWorld(t, kind, h.before, h.reach, 1+rnd.IntN(4))
			for b := range h.l {
				all := slices.Sorted(slices.Values(append(shown(kind, want[b]), late[b]...)))
				got := w.run([]int64{h.after[b], h.after[b]}, split(rnd, "l", h.l[b]), split(rnd, "r", h.r[b]))
				if !slices.Equal(got, all) {
					t.Fatalf("seed %d, %s join: batch %d:\n got %q\nwant %q", seed, kind, b, got, all)
				}
			}
			if kind.Lonely(1) {
				continue
			}
			want, _ = h.asOfReference(kind, "")
			late = h.lateRows([2]bool{kind.Lonely(0), false})
			w = lateAsOfWorld(t, kind, 1+rnd.IntN(4))
			for b := range h.l {
				all := slices.Sorted(slices.Values(append(shown(kind, want[b]), late[b]...)))
				got := w.run([]int64{h.after[b], h.after[b]}, split(rnd, "l", h.l[b]), []*col.Batch{batchOf(schemaOf("r"), h.r[b])})
				if !slices.Equal(got, all) {
					t.Fatalf("seed %d, as-of %s join: batch %d:\n got %q\nwant %q", seed, kind, b, got, all)
				}
			}
		}
	}
}

// The parts of the stream are what a join without late rows gives, and the rows as they came.
func TestLateParts(t *testing.T) {
	s := specOf(t, Semi, "")
	s.WithLate()
	l := batchOf(schemaOf("l"), []event{{"a", 1, 2}, {"", 3, 4}})
	r := batchOf(schemaOf("r"), []event{{"b", 5, -1}, {"", -1, 6}})
	var parts [3][]string
	take := func(c task.Chunk) error {
		for i, k := range []task.Kernel{s.ResultPart(), s.LatePart(0)(), s.LatePart(1)()} {
			out, err := k.Process(nil, c)
			if err != nil {
				return err
			}
			parts[i] = append(parts[i], texts(out.Vals.(*col.Batch))...)
		}
		return nil
	}
	for _, err := range []error{
		s.results(take)(task.Chunk{N: 2, Vals: s.out(chosen(l, numbered(2)))}),
		s.lateRows(0, l, []int32{1}, take),
		s.lateRows(1, r, []int32{0, 1}, take),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"a 1 2, - 3 4", "- 3 4", "b 5 -1, - - 6"} {
		if got := strings.Join(parts[i], ", "); got != want {
			t.Errorf("part %d: got %q, want %q", i, got, want)
		}
	}
}
