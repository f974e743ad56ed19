package eventwindow

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/task"
)

// Tumbling windows of 10, rows a at 1, 12, 8, 9, and the watermark W behind each batch:
//
//	batch   1       2          3        4       5
//	rows    1, 12   8          9        11      -
//	W       5       10         15       19      end
//	        -       [0 10) 2   9 late   -       [10 20) 2
func TestTumblingWindowsByHand(t *testing.T) {
	w := newWorld(t, Spec{Kind: Sliding, Size: 10, Slide: 10}, Emit{}, 2)
	want(t, "batch 1", w.run(5, []event{{"a", 1, 1}, {"a", 12, 10}}))
	want(t, "batch 2", w.run(10, []event{{"a", 8, 2}}, []event{{"b", -1, 9}}), "a [0 10) 2 3")
	want(t, "batch 3", w.run(15, []event{{"a", 9, 3}}))
	if w.late != 2 || w.open() != 1 { // one has no time
		t.Errorf("%d late, %d open", w.late, w.open())
	}
	want(t, "batch 4", w.run(19, []event{{"a", 11, 20}}))
	want(t, "end", w.run(task.EndOfTime), "a [10 20) 2 30")
	if w.open() != 0 {
		t.Errorf("%d windows are left", w.open())
	}
}

// What comes in the batch that closes its window counts: lateness is judged by the watermark before (P29).
func TestRowsOfTheClosingBatchCount(t *testing.T) {
	w := newWorld(t, Spec{Kind: Sliding, Size: 10, Slide: 10}, Emit{}, 1)
	want(t, "batch 1", w.run(30, []event{{"a", 1, 1}, {"a", 35, 2}}), "a [0 10) 1 1")
	want(t, "batch 2", w.run(30, []event{{"a", 2, 1}, {"a", 29, 1}, {"a", 30, 1}}))
	if w.late != 2 {
		t.Errorf("%d late", w.late)
	}
}

// Lateness 5: the window [0, 10) closes at W = 10, shows each change, and is final at W = 15.
//
//	batch   1     2            3            4         5
//	rows    1     -            2            -         3
//	W       5     10           14           15        16
//	              [0 10) 1     [0 10) 2     (final)   3 late
func TestAllowedLatenessByHand(t *testing.T) {
	w := newWorld(t, Spec{Kind: Sliding, Size: 10, Slide: 10}, Emit{Lateness: 5}, 1)
	want(t, "batch 1", w.run(5, []event{{"a", 1, 1}}))
	want(t, "batch 2", w.run(10), "a [0 10) 1 1")
	want(t, "batch 3", w.run(14, []event{{"a", 2, 2}, {"b", 3, 7}}), "a [0 10) 2 3", "b [0 10) 1 7")
	if w.open() != 2 {
		t.Errorf("%d open", w.open())
	}
	want(t, "batch 4", w.run(15))
	if w.open() != 0 {
		t.Errorf("%d open behind the end of lateness", w.open())
	}
	want(t, "batch 5", w.run(16, []event{{"a", 3, 3}}))
	if w.late != 1 {
		t.Errorf("%d late", w.late)
	}
}

func TestOnChangeByHand(t *testing.T) {
	w := newWorld(t, Spec{Kind: Sliding, Size: 10, Slide: 10}, Emit{OnChange: true}, 1)
	want(t, "batch 1", w.run(5, []event{{"a", 1, 1}, {"b", 1, 1}}), "a [0 10) 1 1", "b [0 10) 1 1")
	want(t, "batch 2", w.run(6, []event{{"a", 2, 1}}), "a [0 10) 2 2")
	want(t, "batch 3", w.run(10, []event{{"b", 3, 1}}), "b [0 10) 2 2") // a has not changed since it was shown
}

// Early results at each third batch; closing windows are shown as ever.
func TestEarlyByHand(t *testing.T) {
	w := newWorld(t, Spec{Kind: Sliding, Size: 10, Slide: 10}, Emit{Every: 3}, 1)
	want(t, "1", w.run(1, []event{{"a", 1, 1}, {"b", 1, 1}, {"c", 11, 1}}))
	want(t, "2", w.run(2, []event{{"a", 2, 1}}))
	want(t, "3", w.run(3), "a [0 10) 2 2", "b [0 10) 1 1", "c [10 20) 1 1")
	want(t, "4", w.run(4, []event{{"b", 2, 1}}))
	want(t, "5", w.run(5))
	want(t, "6", w.run(10, []event{{"c", 12, 1}}), "a [0 10) 2 2", "b [0 10) 2 2", "c [10 20) 2 2")
	want(t, "7", w.run(10))
	want(t, "8", w.run(11, []event{{"c", 12, 1}}))
	want(t, "9", w.run(11), "c [10 20) 3 3")
	want(t, "10", w.run(20), "c [10 20) 3 3")
}

// By batch time the windows are (T − 10, T]; the batches' times are 5, 10 and 11.
func TestBatchTimeByHand(t *testing.T) {
	w := newWorld(t, Spec{Kind: Sliding, Size: 10, Slide: 10, Batch: true}, Emit{}, 1)
	for _, c := range []struct {
		now  int64
		want []string
	}{{5, nil}, {10, []string{"a [0 10) 2 2"}}, {11, nil}, {20, []string{"a [10 20) 2 2"}}} {
		want(t, fmt.Sprint(c.now), w.attempt(c.now, task.NoTime, [][]event{{{"a", 999, 1}}}), c.want...)
	}
}

// counted is a row and the windows that took it.
type counted struct {
	event
	starts []int64
}

// A plain reference: it looks at all rows of the past each time.
type reference struct {
	size, slide, lateness int64
	taken                 []counted
	rows                  []string // that were late
	late                  int64
}

func (r *reference) windows(at int64) (starts []int64) {
	for s := at - r.size; s <= at; s++ {
		if s%r.slide == 0 && s+r.size > at {
			starts = append(starts, s)
		}
	}
	return starts
}

// run gives what a batch shows when windows are shown as they close and as they change behind that.
func (r *reference) run(before, after int64, events []event) (out []string) {
	changed := map[string]bool{}
	for _, e := range events {
		starts := r.windows(e.at)
		if e.at < 0 {
			r.late++
			r.rows = append(r.rows, fmt.Sprint(e.key, " null ", e.v))
		}
		if e.at < 0 || len(starts) == 0 {
			continue
		}
		if last := starts[len(starts)-1] + r.size; passed(last, r.lateness, before) {
			r.late++
			r.rows = append(r.rows, fmt.Sprint(e.key, " ", e.at, " ", e.v))
			continue
		}
		in := counted{event: e}
		for _, s := range starts {
			if !passed(s+r.size, r.lateness, before) {
				in.starts, changed[fmt.Sprint(e.key, s)] = append(in.starts, s), true
			}
		}
		r.taken = append(r.taken, in)
	}
	type sum struct{ n, v int64 }
	sums := map[string]map[int64]*sum{}
	for _, e := range r.taken {
		for _, s := range e.starts {
			if sums[e.key] == nil {
				sums[e.key] = map[int64]*sum{}
			}
			if sums[e.key][s] == nil {
				sums[e.key][s] = &sum{}
			}
			sums[e.key][s].n++
			sums[e.key][s].v += e.v
		}
	}
	for key, of := range sums {
		for s, sum := range of {
			end := s + r.size
			closes := !passed(end, 0, before) && passed(end, 0, after)
			if closes || passed(end, 0, before) && changed[fmt.Sprint(key, s)] {
				out = append(out, fmt.Sprintf("%s [%d %d) %d %d", key, s, end, sum.n, sum.v))
			}
		}
	}
	slices.Sort(out)
	return out
}

// Random streams, out of order, late and without times, in one to three source and reduce partitions, against the reference.
func TestWindowsAgainstReference(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		size := 5 + r.Int64N(20)
		ref := &reference{size: size, slide: size, lateness: r.Int64N(3) * 4}
		if seed%3 == 0 {
			ref.slide = 1 + r.Int64N(size+3)
		}
		w := newWorld(t, Spec{Kind: Sliding, Size: ref.size, Slide: ref.slide}, Emit{Lateness: ref.lateness}, 1+r.IntN(3))
		if seed%2 == 0 {
			w.withLate()
		}
		before, now := int64(task.NoTime), int64(100)
		for batch := range 40 {
			var all []event
			sources := make([][]event, 1+r.IntN(3))
			for range r.IntN(12) {
				e := event{string(rune('a' + r.IntN(4))), now - r.Int64N(40) + r.Int64N(10), r.Int64N(100)}
				if r.IntN(20) == 0 {
					e.at = -1
				}
				p := r.IntN(len(sources))
				sources[p] = append(sources[p], e)
			}
			for _, s := range sources {
				all = append(all, s...)
			}
			now += r.Int64N(8)
			after := max(before, now-r.Int64N(30))
			if batch == 39 {
				after = task.EndOfTime
			}
			exp := ref.run(before, after, all)
			if got := w.run(after, sources...); !slices.Equal(got, exp) {
				t.Fatalf("seed %d, size %d slide %d lateness %d, batch %d, watermark %d to %d:\n got %q\nwant %q", seed, ref.size, ref.slide, ref.lateness, batch, before, after, got, exp)
			}
			before = after
		}
		if w.late != ref.late || w.open() != 0 {
			t.Fatalf("seed %d: %d late rows, want %d; %d windows left", seed, w.late, ref.late, w.open())
		}
		slices.Sort(w.lateRows)
		slices.Sort(ref.rows)
		if w.both != nil && !slices.Equal(w.lateRows, ref.rows) {
			t.Fatalf("seed %d: late rows\n got %q\nwant %q", seed, w.lateRows, ref.rows)
		}
	}
}

func TestShedOldest(t *testing.T) {
	w := newWorld(t, Spec{Kind: Sliding, Size: 10, Slide: 10}, Emit{Shed: true, MaxRows: 3}, 1)
	w.run(5, []event{{"d", 1, 1}, {"c", 1, 1}, {"a", 11, 1}, {"b", 1, 1}, {"e", 21, 1}})
	if w.open() != 3 || w.shed != 2 {
		t.Errorf("%d open, %d shed", w.open(), w.shed)
	}
	want(t, "the oldest, by key, are gone", w.run(task.EndOfTime), "d [0 10) 1 1", "a [10 20) 1 1", "e [20 30) 1 1")
}

func TestStateLimitStopsTheJob(t *testing.T) {
	w := newWorld(t, Spec{Kind: Sliding, Size: 10, Slide: 10}, Emit{MaxBytes: 1 << 20}, 2)
	w.chunk, w.mayFail = task.ChunkRows, true
	w.run(5, keyed(100, 1))
	if w.err != nil {
		t.Fatal(w.err)
	}
	w.run(5, keyed(20_000, 1))
	var full *ErrState
	if !errors.As(w.err, &full) || full.Name != "w" || full.Limit != 1<<20 || full.Partitions != 2 || full.Rows < 5000 || full.Bytes <= 1<<19 {
		t.Errorf("error %v", w.err)
	}
}
