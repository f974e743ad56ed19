package eventwindow

import (
	"testing"

	"github.com/millrace/millrace/internal/task"
)

func TestGlobalWindowByHand(t *testing.T) {
	w := newWorld(t, Spec{Kind: Global}, Emit{}, 2)
	want(t, "1", w.run(5, []event{{"a", 1, 1}, {"b", 9, 1}, {"b", -1, 1}}))
	want(t, "2", w.run(50, []event{{"a", 2, 2}}))
	want(t, "end", w.run(task.EndOfTime, []event{{"a", 3, 4}}), "a 3 7", "b 2 2")
}

// Each second row: b passes two multiples at once and is shown once.
func TestGlobalWindowEveryRows(t *testing.T) {
	w := newWorld(t, Spec{Kind: Global}, Emit{Rows: 2}, 1)
	want(t, "1", w.run(5, []event{{"a", 1, 1}, {"b", 9, 1}, {"b", 1, 1}, {"b", 1, 1}, {"b", 1, 1}}), "b 4 4")
	want(t, "2", w.run(5, []event{{"a", 1, 1}, {"b", 1, 1}}), "a 2 2")
	want(t, "3", w.run(5, []event{{"a", 1, 1}, {"b", 1, 1}}), "b 6 6")
	want(t, "end", w.run(task.EndOfTime), "a 3 3", "b 6 6")
}

func TestGlobalWindowOnChangeAndEarly(t *testing.T) {
	w := newWorld(t, Spec{Kind: Global}, Emit{OnChange: true}, 1)
	want(t, "1", w.run(5, []event{{"a", 1, 1}}), "a 1 1")
	want(t, "2", w.run(5, []event{{"b", 1, 1}}), "b 1 1")
	want(t, "end", w.run(task.EndOfTime))
	w = newWorld(t, Spec{Kind: Global}, Emit{Every: 2}, 1)
	want(t, "1", w.run(5, []event{{"a", 1, 1}}))
	want(t, "2", w.run(5, []event{{"b", 1, 1}}), "a 1 1", "b 1 1")
	want(t, "4", append(w.run(5, []event{{"b", 1, 1}}), w.run(5)...), "b 2 2")
}
