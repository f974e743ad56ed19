package executor

import (
	"testing"
)

func pushed(w *world) {
	for b := range 12 {
		w.push(b, 50)
	}
}

func TestSteadyBatches(t *testing.T) {
	want := undisturbed(t, pushed, 10, 25, 0, 40, 7)
	if want == "" {
		t.Fatal("nothing was published")
	}
	t.Run("three processes", func(t *testing.T) {
		w := newWorld(t)
		pushed(w)
		f := newFleet(w)
		for _, n := range []string{"a", "b", "c"} {
			f.process(n)
		}
		f.assign(true, nil)
		for _, n := range []int64{10, 25, 0, 40, 7} {
			f.batch(n)
		}
		sameText(t, w.store.text(), want)
	})
	t.Run("no checkpoint", func(t *testing.T) {
		w := newWorld(t)
		pushed(w)
		f := newFleet(w)
		f.plain = true
		f.local("a")
		f.assign(true, nil)
		for _, n := range []int64{10, 25, 0, 40, 7} {
			f.batch(n)
		}
		sameText(t, w.store.text(), want)
	})
}
