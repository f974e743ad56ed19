package eventwindow

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/task"
)

// Sessions with a gap of 10. Two of a, then a row that joins them:
//
//	time    0    5    10   15   20   25   30   35
//	rows    0 ─────── 10)            25 ─────── 35)
//	              5 ·····································  0 and 5: [0 15)
//	batch 3                15 ────── 25)               touches both: [0 35)
func TestSessionsByHand(t *testing.T) {
	w := newWorld(t, Spec{Kind: Session, Size: 10}, Emit{}, 2)
	want(t, "1", w.run(5, []event{{"a", 0, 1}, {"b", 3, 1}}, []event{{"a", 5, 2}}))
	want(t, "2", w.run(12, []event{{"a", 25, 4}}))
	if w.open() != 3 {
		t.Errorf("%d open", w.open())
	}
	want(t, "3", w.run(13, []event{{"a", 15, 8}}), "b [3 13) 1 1")
	if w.open() != 1 {
		t.Errorf("%d open", w.open())
	}
	want(t, "4", w.run(34, []event{{"b", 2, 16}}))
	if w.late != 1 {
		t.Errorf("%d late: the session [2 12) is behind the watermark, and b's is gone", w.late)
	}
	want(t, "5", w.run(35), "a [0 35) 4 15")
	if w.open() != 0 {
		t.Errorf("%d open", w.open())
	}
}

// A row whose own session is final is taken if it touches one that is open, or another row of its batch that is not late.
func TestLateRowsOfOpenSessions(t *testing.T) {
	w := newWorld(t, Spec{Kind: Session, Size: 10}, Emit{}, 1)
	want(t, "1", w.run(20, []event{{"a", 15, 1}}))
	want(t, "2", w.run(20, []event{{"a", 6, 2}, {"b", 5, 1}, {"b", 12, 1}, {"c", 5, 1}}))
	if w.late != 1 { // c
		t.Errorf("%d late", w.late)
	}
	want(t, "3", w.run(30), "a [6 25) 2 3", "b [5 22) 2 2")
}

// Behind its end a session shows each change, and opens again if a row makes it reach beyond the watermark.
func TestSessionLatenessByHand(t *testing.T) {
	w := newWorld(t, Spec{Kind: Session, Size: 10}, Emit{Lateness: 10}, 1)
	want(t, "1", w.run(12, []event{{"a", 1, 1}, {"b", 1, 1}}), "a [1 11) 1 1", "b [1 11) 1 1")
	want(t, "2", w.run(13, []event{{"a", 2, 1}, {"b", 4, 1}}), "a [1 12) 2 2") // b's is [1 14) now
	want(t, "3", w.run(14), "b [1 14) 2 2")
	want(t, "4", w.run(22), []string{}...)
	if w.open() != 1 {
		t.Errorf("%d open", w.open())
	}
	want(t, "5", w.run(24))
	if w.open() != 0 {
		t.Errorf("%d open", w.open())
	}
}

func TestSessionEarlyAndOnChange(t *testing.T) {
	w := newWorld(t, Spec{Kind: Session, Size: 10}, Emit{Every: 2}, 1)
	want(t, "1", w.run(0, []event{{"a", 1, 1}}))
	want(t, "2", w.run(1, []event{{"b", 1, 1}}), "a [1 11) 1 1", "b [1 11) 1 1")
	want(t, "3", w.run(1, []event{{"a", 2, 1}}))
	want(t, "4", w.run(1), "a [1 12) 2 2")
	want(t, "5", w.run(12), "a [1 12) 2 2", "b [1 11) 1 1")
	w = newWorld(t, Spec{Kind: Session, Size: 10}, Emit{OnChange: true}, 1)
	want(t, "1", w.run(0, []event{{"a", 1, 1}}), "a [1 11) 1 1")
	want(t, "2", w.run(11))
}

// refSession is a session of the reference.
type refSession struct {
	start, end int64
	n, v       int64
	changed    bool
	rows       []string
}

// runSessions joins intervals until none touch: the sessions that stay are the result.
func runSessions(open map[string][]refSession, gap, lateness, before, after int64, events []event) (out, late []string) {
	keys := map[string]bool{}
	for k := range open {
		keys[k] = true
	}
	for _, e := range events {
		if e.at >= 0 {
			keys[e.key] = true
			open[e.key] = append(open[e.key], refSession{e.at, e.at + gap, 1, e.v, true, []string{fmt.Sprint(e.key, " ", e.at, " ", e.v)}})
		}
	}
	for key := range keys {
		list := open[key]
		for joined := true; joined; {
			joined = false
			for i := 0; i < len(list) && !joined; i++ {
				for j := i + 1; j < len(list); j++ {
					if a, b := list[i], list[j]; a.start <= b.end && b.start <= a.end {
						list[i] = refSession{min(a.start, b.start), max(a.end, b.end), a.n + b.n, a.v + b.v, a.changed || b.changed, slices.Concat(a.rows, b.rows)}
						list, joined = slices.Delete(list, j, j+1), true
						break
					}
				}
			}
		}
		var stay []refSession
		for _, s := range list {
			if passed(s.end, lateness, before) {
				late = append(late, s.rows...)
				continue
			}
			if !passed(s.end, 0, before) && passed(s.end, 0, after) || passed(s.end, 0, before) && s.changed {
				out = append(out, fmt.Sprintf("%s [%d %d) %d %d", key, s.start, s.end, s.n, s.v))
			}
			if s.changed = false; !passed(s.end, lateness, after) {
				stay = append(stay, s)
			}
		}
		open[key] = stay
	}
	slices.Sort(out)
	return out, late
}

func TestSessionsAgainstReference(t *testing.T) {
	for seed := range uint64(80) {
		r := rand.New(rand.NewPCG(seed, 9))
		gap, lateness := 2+r.Int64N(10), r.Int64N(3)*5
		w := newWorld(t, Spec{Kind: Session, Size: gap}, Emit{Lateness: lateness}, 1+r.IntN(3))
		var late []string
		open := map[string][]refSession{}
		if seed%2 == 0 {
			w.withLate()
		}
		before, now := int64(task.NoTime), int64(100)
		for batch := range 50 {
			var all []event
			sources := make([][]event, 1+r.IntN(3))
			for range r.IntN(8) {
				e := event{string(rune('a' + r.IntN(5))), now - r.Int64N(60), r.Int64N(100)}
				p := r.IntN(len(sources))
				sources[p], all = append(sources[p], e), append(all, e)
			}
			now += r.Int64N(10)
			after := max(before, now-r.Int64N(40))
			if batch == 49 {
				after = task.EndOfTime
			}
			exp, n := runSessions(open, gap, lateness, before, after, all)
			late = append(late, n...)
			if got := w.run(after, sources...); !slices.Equal(got, exp) {
				t.Fatalf("seed %d, gap %d, lateness %d, batch %d, watermark %d to %d:\n got %q\nwant %q", seed, gap, lateness, batch, before, after, got, exp)
			}
			before = after
			left := 0
			for _, l := range open {
				left += len(l)
			}
			if w.open() != left {
				t.Fatalf("seed %d batch %d: %d sessions in the state, want %d", seed, batch, w.open(), left)
			}
		}
		slices.Sort(late)
		slices.Sort(w.lateRows)
		if int(w.late) != len(late) || w.both != nil && !slices.Equal(w.lateRows, late) {
			t.Fatalf("seed %d: %d late %q, want %q", seed, w.late, w.lateRows, late)
		}
	}
}
