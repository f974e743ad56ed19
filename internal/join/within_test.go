package join

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/internal/task"
)

func withinWorld(t testing.TB, kind Kind, cond string, before, after int64, parts int) *world {
	t.Helper()
	w := &Within{Spec: specOf(t, kind, cond), Before: before, After: after, Time: [2]Time{{Column: 1}, {Column: 1}}}
	if err := w.Prepare(); err != nil {
		t.Fatal(err)
	}
	return newWorld(t, w.Inputs(), w.New, parts, [2]*row.Codec{PlaceCodec(), w.Held[0]}, [2]*row.Codec{PlaceCodec(), w.Held[1]})
}

func (w *world) events(after int64, l, r []event) string {
	w.t.Helper()
	return strings.Join(w.run([]int64{after, after}, []*col.Batch{batchOf(schemaOf("l"), l)}, []*col.Batch{batchOf(schemaOf("r"), r)}), ", ")
}

// A view is joined with the clicks up to 10 behind it.
//
//	time          0    10   20   30   40   50
//	views  l      1    2         3
//	clicks r        1        2         3
//	                └ of 1   └ of 2    └ of none
func TestWithinTimeline(t *testing.T) {
	w := withinWorld(t, Left, "", 0, 10, 2)
	for i, s := range []struct {
		after int64
		l, r  []event
		want  string
	}{
		{0, []event{{"a", 0, 1}, {"a", 10, 2}}, []event{{"a", 5, 1}}, "a 0 1 5 1"},
		{20, nil, nil, ""}, // click 2 may still come at 20
		{20, nil, []event{{"a", 20, 2}, {"a", 19, 9}}, "a 10 2 20 2"}, // 19 is late: W was 20
		{40, []event{{"a", 30, 3}}, nil, ""},                          // 30 + 10 is not behind 40 yet
		{41, nil, []event{{"a", 41, 3}}, "a 30 3 - -"},                // now it is
		{60, []event{{"a", 31, 4}, {"", 50, 5}}, nil, "- 50 5 - -"},   // 31 is late; null matches nothing
		{task.EndOfTime, []event{{"b", 60, 6}}, nil, "b 60 6 - -"},    // the end shows what is left
	} {
		if got := w.events(s.after, s.l, s.r); got != s.want {
			t.Errorf("batch %d: got %q, want %q", i+1, got, s.want)
		}
	}
	if w.late != 2 || w.rows() != 0 {
		t.Errorf("%d late rows, want 2; %d rows of state, want none", w.late, w.rows())
	}
}

// history is a random stream in batches, with the watermark behind each.
type history struct {
	l, r   [][]event
	after  []int64
	before int64
	reach  int64
}

func randomHistory(rnd *rand.Rand) history {
	h := history{before: rnd.Int64N(20), reach: rnd.Int64N(20)}
	if rnd.IntN(8) == 0 {
		h.before = -rnd.Int64N(h.reach + 1)
	}
	mark, n := int64(task.NoTime), int64(0)
	for b := range int64(8) {
		side := func() (out []event) {
			for range rnd.IntN(12) {
				n++
				e := event{string(rune('a' + rnd.IntN(3))), max(0, 10*b+rnd.Int64N(40)-20), n}
				switch rnd.IntN(15) {
				case 0:
					e.key = ""
				case 1:
					e.at = -1
				case 2:
					n-- // a duplicate value follows
				}
				out = append(out, e)
			}
			return out
		}
		h.l, h.r = append(h.l, side()), append(h.r, side())
		if rnd.IntN(3) > 0 {
			mark = max(mark, 10*b-rnd.Int64N(15))
		}
		h.after = append(h.after, mark)
	}
	h.after[len(h.after)-1] = task.EndOfTime
	return h
}

// arrival is a row that is not late, and its batch.
type arrival struct {
	event
	batch int
	hit   bool
}

// reference sees all rows at once, and gives what each batch must show.
func (h history) reference(kind Kind, cond string) (want [][]string, late int64) {
	want = make([][]string, len(h.l))
	read := func(in [][]event, side int) (all []*arrival) {
		before := int64(task.NoTime)
		for b, events := range in {
			for _, e := range events {
				if e.key == "" && !kind.Lonely(side) {
					continue // not even sent
				}
				if e.at >= 0 && e.at < before {
					late++
					continue
				}
				all = append(all, &arrival{event: e, batch: b})
			}
			before = h.after[b]
		}
		return all
	}
	ls, rs := read(h.l, 0), read(h.r, 1)
	for _, l := range ls {
		first := -1
		for _, r := range rs {
			if l.key == "" || l.key != r.key || l.at < 0 || r.at < 0 || r.at < l.at-h.before || r.at > l.at+h.reach || cond != "" && l.v+r.v == 7 {
				continue
			}
			b := max(l.batch, r.batch)
			if first < 0 || b < first {
				first = b
			}
			l.hit, r.hit = true, true
			if kind.Pairs() {
				want[b] = append(want[b], fmt.Sprintf("%s %d %d %d %d", l.key, l.at, l.v, r.at, r.v))
			}
		}
		if kind == Semi && first >= 0 {
			want[first] = append(want[first], text(l, "%s %s %d"))
		}
	}
	h.lonely(kind, 0, ls, h.reach, want)
	h.lonely(kind, 1, rs, h.before, want)
	for b := range want {
		slices.Sort(want[b])
	}
	return want, late
}

func text(a *arrival, form string) string {
	key, at := a.key, fmt.Sprint(a.at)
	if key == "" {
		key = "-"
	}
	if a.at < 0 {
		at = "-"
	}
	return fmt.Sprintf(form, key, at, a.v)
}

func (h history) lonely(kind Kind, side int, all []*arrival, reach int64, want [][]string) {
	form := [2]string{"%s %s %d - -", "%s - - %s %d"}[side]
	if kind == Anti {
		form = "%s %s %d"
	}
	for _, a := range all {
		if a.hit || !kind.Lonely(side) {
			continue
		}
		b := a.batch
		for a.key != "" && a.at >= 0 && a.at+reach >= h.after[b] {
			b++
		}
		want[b] = append(want[b], text(a, form))
	}
}

func TestWithinAgainstReference(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		h := randomHistory(rnd)
		for _, kind := range []Kind{Inner, Left, Right, Full, Semi, Anti} {
			cond := [2]string{"", "l + r <> 7"}[rnd.IntN(2)]
			want, late := h.reference(kind, cond)
			w := withinWorld(t, kind, cond, h.before, h.reach, 1+rnd.IntN(4))
			for b := range h.l {
				got := w.run([]int64{h.after[b], h.after[b]}, split(rnd, "l", h.l[b]), split(rnd, "r", h.r[b]))
				if !slices.Equal(got, want[b]) {
					t.Fatalf("seed %d, %s join, -%d +%d: batch %d up to watermark %d:\n got %q\nwant %q", seed, kind, h.before, h.reach, b, h.after[b], got, want[b])
				}
				if rnd.IntN(3) == 0 {
					w.restart(1 + rnd.IntN(4))
				}
			}
			if w.late != late || w.rows() != 0 {
				t.Fatalf("seed %d, %s join: %d late rows, want %d; %d rows of state are left", seed, kind, w.late, late, w.rows())
			}
		}
	}
}

// split deals rows to source partitions.
func split(rnd *rand.Rand, name string, events []event) []*col.Batch {
	parts := make([][]event, 1+rnd.IntN(3))
	for _, e := range events {
		p := rnd.IntN(len(parts))
		parts[p] = append(parts[p], e)
	}
	var out []*col.Batch
	for _, p := range parts {
		out = append(out, batchOf(schemaOf(name), p))
	}
	return out
}

// The lower watermark counts: a side that is behind holds the other's rows.
func TestWithinLowestWatermark(t *testing.T) {
	w := withinWorld(t, Left, "", 5, 5, 1)
	l := []*col.Batch{batchOf(schemaOf("l"), []event{{"a", 10, 1}})}
	none := []*col.Batch{}
	if got := w.run([]int64{10, 100}, l, none); len(got) != 0 {
		t.Errorf("the right side is at 100, the left one at 10: got %q, want nothing yet", got)
	}
	r := []*col.Batch{batchOf(schemaOf("r"), []event{{"a", 12, 2}})}
	if got := w.run([]int64{100, 100}, none, r); !slices.Equal(got, []string{"a 10 1 12 2"}) {
		t.Errorf("got %q; a row at 12 is not late where the operator is at 10", got)
	}
}

// A join that keeps more than it may stops, and says what it holds.
func TestWithinLimit(t *testing.T) {
	w := &Within{Spec: specOf(t, Inner, ""), Limit: Limit{"clicks", 1 << 20}, After: 1e6, Time: [2]Time{{Column: 1}, {Column: 1}}}
	if err := w.Prepare(); err != nil {
		t.Fatal(err)
	}
	ctx := &task.Context{Batch: 1, Layout: &task.Layout{Reduce: 2}, Counters: &task.Counters{}}
	ctx.State, ctx.More = state.New(PlaceCodec(), w.Held[0], 0), []*state.Table{state.New(PlaceCodec(), w.Held[1], 0)}
	var many []event
	for i := range int64(10_000) {
		many = append(many, event{fmt.Sprint(i), i, i})
	}
	ctx.State.Begin(1)
	ctx.More[0].Begin(1)
	err := w.New().Reduce(ctx, [][]arrow.Record{{batchOf(schemaOf("l"), many).Record()}, nil}, nil)
	if err == nil || !strings.Contains(err.Error(), `the join "clicks" keeps rows at 10000 places in `) {
		t.Errorf("got %v", err)
	}
}
