package eventwindow

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/task"

	"github.com/millrace/millrace/expr"
)

func newTop(t testing.TB, spec Spec, emit Emit, n, parts int) *world {
	t.Helper()
	a := &Top{Aggregation: Aggregation{Name: "t", Spec: spec, Emit: emit, Time: bound(t, "at"), Keys: []*expr.Bound{bound(t, "key")}, Rows: eventSchema}, N: n, By: []Order{{By: bound(t, "v"), Desc: true}, {By: bound(t, "at")}}}
	if err := a.Prepare(); err != nil {
		t.Fatal(err)
	}
	return worldOf(t, a, a.Key, a.State, parts)
}

// The first two of each window by v, the greatest first.
func TestTopByHand(t *testing.T) {
	w := newTop(t, Spec{Kind: Sliding, Size: 10, Slide: 10}, Emit{}, 2, 2)
	want(t, "1", w.run(5, []event{{"a", 1, 5}, {"a", 2, 9}, {"b", 3, 1}}, []event{{"a", 3, 7}, {"a", 11, 1}}))
	want(t, "2", w.run(10, []event{{"a", 4, 9}, {"a", -1, 99}}), "a 2 9 [0 10) 1", "a 4 9 [0 10) 2", "b 3 1 [0 10) 1")
	want(t, "3", w.run(task.EndOfTime, []event{{"a", 9, 100}}), "a 11 1 [10 20) 1")
	if w.late != 2 || w.open() != 0 {
		t.Errorf("%d late, %d open", w.late, w.open())
	}
}

func TestTopAgainstReference(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 17))
		size := 5 + r.Int64N(10)
		ref := &reference{size: size, slide: 1 + r.Int64N(size), lateness: r.Int64N(3) * 4}
		n := 1 + r.IntN(4)
		w := newTop(t, Spec{Kind: Sliding, Size: size, Slide: ref.slide}, Emit{Lateness: ref.lateness}, n, 1+r.IntN(3))
		before, now := int64(task.NoTime), int64(100)
		for batch := range 30 {
			sources := make([][]event, 1+r.IntN(3))
			var all []event
			for p := range sources {
				for range r.IntN(6) {
					e := event{string(rune('a' + r.IntN(3))), now - r.Int64N(40) + r.Int64N(10), r.Int64N(1000000)} // hardly ever equal
					sources[p], all = append(sources[p], e), append(all, e)
				}
			}
			now += r.Int64N(8)
			after := max(before, now-r.Int64N(30))
			if batch == 29 {
				after = task.EndOfTime
			}
			var exp []string
			for _, shown := range ref.run(before, after, all) {
				exp = append(exp, topOf(ref, shown, n)...)
			}
			slices.Sort(exp)
			if got := w.run(after, sources...); !slices.Equal(got, exp) {
				t.Fatalf("seed %d batch %d:\n got %q\nwant %q", seed, batch, got, exp)
			}
			before = after
		}
		if w.late != ref.late || w.open() != 0 {
			t.Fatalf("seed %d: %d late, want %d", seed, w.late, ref.late)
		}
	}
}

// topOf are the first n rows of a window that the reference shows as "key [start end) …".
func topOf(ref *reference, shown string, n int) (out []string) {
	var key string
	var start, end int64
	fmt.Sscanf(shown, "%s [%d %d)", &key, &start, &end)
	var rows []event
	for _, c := range ref.taken {
		if c.key == key && slices.Contains(c.starts, start) {
			rows = append(rows, c.event)
		}
	}
	slices.SortFunc(rows, func(a, b event) int { return cmp.Or(-cmp.Compare(a.v, b.v), cmp.Compare(a.at, b.at)) })
	for i, e := range rows[:min(n, len(rows))] {
		out = append(out, fmt.Sprintf("%s %d %d [%d %d) %d", e.key, e.at, e.v, start, end, i+1))
	}
	return out
}
