package eventwindow

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/task"
)

func newDedup(t testing.TB, within int64, emit Emit, parts int) *world {
	t.Helper()
	d := &Dedup{Name: "d", Schema: eventSchema, Time: bound(t, "at"), Keys: []*expr.Bound{bound(t, "key")}, Within: within, Emit: emit}
	if err := d.Prepare(); err != nil {
		t.Fatal(err)
	}
	return worldOf(t, d, d.Key, d.State, parts)
}

// Within 10:
//
//	time   0   5   9  10         20  25
//	a      ✓   ·   ·   ✓          ✓
//	W          at 15 the row at 4 may have been forgotten: late; the one at 6 has not been
func TestDedupByHand(t *testing.T) {
	w := newDedup(t, 10, Emit{}, 2)
	want(t, "1", w.run(5, []event{{"a", 0, 1}, {"b", 7, 1}, {"a", 9, 2}}, []event{{"a", 5, 3}, {"a", 10, 4}}), "a 0 1", "a 10 4", "b 7 1")
	want(t, "2", w.run(15, []event{{"a", 11, 5}, {"b", 7, 2}}))
	want(t, "3", w.run(16, []event{{"b", 4, 3}, {"c", 6, 1}, {"b", -1, 1}}), "c 6 1")
	if w.late != 2 {
		t.Errorf("%d late", w.late)
	}
	want(t, "4", w.run(17, []event{{"a", 20, 6}, {"b", 6, 9}}), "a 20 6") // the one of b at 7 is kept until 17
	if w.open() != 1 {
		t.Errorf("%d keys", w.open())
	}
	want(t, "end", w.run(task.EndOfTime))
	if w.open() != 0 {
		t.Errorf("%d keys", w.open())
	}
}

func TestDedupAgainstReference(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 11))
		within := 1 + r.Int64N(20)
		w := newDedup(t, within, Emit{}, 1+r.IntN(3))
		passedAt := map[string][]int64{} // all times that ever passed, in order
		before, now, late := int64(task.NoTime), int64(100), int64(0)
		for batch := range 40 {
			sources := make([][]event, 1+r.IntN(3))
			var exp []string
			for p := range sources {
				for range r.IntN(6) {
					e := event{string(rune('a' + r.IntN(4))), now - r.Int64N(40), r.Int64N(100)}
					sources[p] = append(sources[p], e)
					if passed(e.at, within, before) {
						late++
						continue
					}
					if l := passedAt[e.key]; len(l) == 0 || e.at >= l[len(l)-1]+within || passed(l[len(l)-1], within, before) {
						passedAt[e.key], exp = append(l, e.at), append(exp, fmt.Sprintf("%s %d %d", e.key, e.at, e.v))
					}
				}
			}
			now += r.Int64N(8)
			after := max(before, now-r.Int64N(30))
			slices.Sort(exp)
			if got := w.run(after, sources...); !slices.Equal(got, exp) {
				t.Fatalf("seed %d within %d batch %d, watermark %d to %d:\n got %q\nwant %q", seed, within, batch, before, after, got, exp)
			}
			before = after
		}
		if w.late != late {
			t.Fatalf("seed %d: %d late, want %d", seed, w.late, late)
		}
	}
}
