package eventwindow

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/task"
)

func TestCountWindowsByHand(t *testing.T) {
	w := newWorld(t, Spec{Kind: Count, Size: 2}, Emit{}, 2)
	want(t, "1", w.run(0, []event{{"a", -1, 1}, {"b", 5, 2}, {"a", 1, 4}, {"a", 1, 8}, {"a", 1, 16}, {"a", 1, 32}}), "a 2 24", "a 2 5")
	want(t, "2", w.run(0, []event{{"b", 1, 64}, {"c", 1, 1}}), "b 2 66")
	if w.open() != 2 {
		t.Errorf("%d open", w.open())
	}
	want(t, "end", w.run(task.EndOfTime, []event{{"a", 1, 1}}), "a 2 33", "c 1 1")
}

func TestCountWindowsAgainstReference(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 13))
		n := 1 + r.Int64N(5)
		w := newWorld(t, Spec{Kind: Count, Size: n}, Emit{}, 1+r.IntN(3))
		open := map[string][]int64{}
		for batch := range 30 {
			sources := make([][]event, 1+r.IntN(3))
			var exp []string
			for p := range sources {
				for range r.IntN(10) {
					e := event{string(rune('a' + r.IntN(4))), 1, r.Int64N(100)}
					sources[p] = append(sources[p], e)
					if open[e.key] = append(open[e.key], e.v); int64(len(open[e.key])) == n {
						exp = append(exp, fmt.Sprint(e.key, " ", n, " ", total(open[e.key])))
						delete(open, e.key)
					}
				}
			}
			after := int64(0)
			if batch == 29 {
				after = task.EndOfTime
				for key, rows := range open {
					exp = append(exp, fmt.Sprint(key, " ", len(rows), " ", total(rows)))
				}
			}
			slices.Sort(exp)
			if got := w.run(after, sources...); !slices.Equal(got, exp) {
				t.Fatalf("seed %d n %d batch %d:\n got %q\nwant %q", seed, n, batch, got, exp)
			}
		}
	}
}

func total(list []int64) (sum int64) {
	for _, n := range list {
		sum += n
	}
	return sum
}
