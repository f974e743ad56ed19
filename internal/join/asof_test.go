package join

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
)

func asOfWorld(t testing.TB, kind Kind, cond string, atOnce bool, parts int) *world {
	t.Helper()
	a := &AsOf{Spec: specOf(t, kind, cond), Time: [2]Time{{Column: 1}, {Column: 1}}, AtOnce: atOnce}
	if err := a.Prepare(); err != nil {
		t.Fatal(err)
	}
	return newWorld(t, a.Inputs(), a.New, parts, [2]*row.Codec{PlaceCodec(), a.Held[0]}, [2]*row.Codec{PlaceCodec(), a.Held[1]})
}

// Orders take the rate that was valid when they were made.
//
//	time           0    10   20   30   40
//	orders l          1   2    3     4
//	rates  r       1         2       3
//	                └── 1 ──┘└─ 2 ──┘
func TestAsOfTimeline(t *testing.T) {
	w := asOfWorld(t, Left, "", false, 2)
	for i, s := range []struct {
		after int64
		l, r  []event
		want  string
	}{
		{5, []event{{"a", 5, 1}, {"b", 3, 9}}, []event{{"a", 0, 1}}, "b 3 9 - -"}, // 5 waits: a version may still come at 5
		{12, []event{{"a", 12, 2}}, []event{{"a", 20, 2}}, "a 5 1 0 1"},           // the version of 20 is there before its time
		{20, []event{{"a", 25, 3}}, []event{{"a", 11, 9}}, "a 12 2 0 1"},          // the version of 11 comes too late
		{35, []event{{"", 30, 7}}, []event{{"a", 36, 3}}, "- 30 7 - -, a 25 3 20 2"},
		{task.EndOfTime, []event{{"a", 36, 4}}, nil, "a 36 4 36 3"}, // valid from its own time on
	} {
		if got := w.events(s.after, s.l, s.r); got != s.want {
			t.Errorf("batch %d: got %q, want %q", i+1, got, s.want)
		}
	}
	if w.late != 1 || w.rows() != 1 {
		t.Errorf("%d late rows, want 1; %d rows of state, want the last version alone", w.late, w.rows())
	}
}

// A row that does not wait gets what is known, which later versions do not change.
func TestAsOfAtOnce(t *testing.T) {
	w := asOfWorld(t, Inner, "", true, 1)
	if got := w.events(0, []event{{"a", 30, 1}}, []event{{"a", 10, 1}, {"a", 40, 2}}); got != "a 30 1 10 1" {
		t.Errorf("got %q, want the version of 10", got)
	}
	if got := w.events(0, []event{{"a", 30, 2}}, []event{{"a", 20, 3}}); got != "a 30 2 20 3" {
		t.Errorf("got %q, want the version of 20", got)
	}
}

// asOfReference sees all rows at once.
func (h history) asOfReference(kind Kind, cond string) (want [][]string, kept map[string]int) {
	want, kept = make([][]string, len(h.l)), map[string]int{}
	read := func(in [][]event) (all []*arrival) {
		before := int64(task.NoTime)
		for b, events := range in {
			for _, e := range events {
				if e.at < 0 || e.at >= before {
					all = append(all, &arrival{event: e, batch: b})
				}
			}
			before = h.after[b]
		}
		return all
	}
	versions := read(h.r)
	for _, l := range read(h.l) {
		var best *arrival
		for _, r := range versions {
			if l.key != "" && l.key == r.key && l.at >= 0 && r.at >= 0 && r.at <= l.at && (best == nil || r.at >= best.at) {
				best = r
			}
		}
		b := l.batch
		for l.key != "" && l.at >= 0 && l.at >= h.after[b] {
			b++
		}
		switch {
		case best != nil && (cond == "" || l.v+best.v != 7):
			if kind == Semi {
				want[b] = append(want[b], text(l, "%s %s %d"))
			} else if kind != Anti {
				want[b] = append(want[b], fmt.Sprintf("%s %d %d %d %d", l.key, l.at, l.v, best.at, best.v))
			}
		case kind == Anti:
			want[b] = append(want[b], text(l, "%s %s %d"))
		case kind == Left:
			want[b] = append(want[b], text(l, "%s %s %d - -"))
		}
	}
	for _, r := range versions {
		if r.key != "" && r.at >= 0 {
			kept[r.key] = 1
		}
	}
	for b := range want {
		slices.Sort(want[b])
	}
	return want, kept
}

func TestAsOfAgainstReference(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		h := randomHistory(rnd)
		for _, kind := range []Kind{Inner, Left, Semi, Anti} {
			cond := [2]string{"", "l + r <> 7"}[rnd.IntN(2)]
			want, kept := h.asOfReference(kind, cond)
			w := asOfWorld(t, kind, cond, false, 1+rnd.IntN(4))
			for b := range h.l {
				// Of versions at one time the one that came last counts: they come in order of one source partition.
				got := w.run([]int64{h.after[b], h.after[b]}, split(rnd, "l", h.l[b]), []*col.Batch{batchOf(schemaOf("r"), h.r[b])})
				if !slices.Equal(got, want[b]) {
					t.Fatalf("seed %d, %s join: batch %d up to watermark %d:\n got %q\nwant %q", seed, kind, b, h.after[b], got, want[b])
				}
				if rnd.IntN(3) == 0 {
					w.restart(1 + rnd.IntN(4))
				}
			}
			if w.rows() != len(kept) {
				t.Fatalf("seed %d: %d rows of state, want one for each of %d keys", seed, w.rows(), len(kept))
			}
			for _, list := range w.tables {
				for _, d := range heldData(list[1], list[1].All()) {
					if vs, err := versions(d); err != nil || len(vs) != 1 {
						t.Fatalf("seed %d: a key has %d versions at the end (%v), want 1", seed, len(vs), err)
					}
				}
			}
		}
	}
}
