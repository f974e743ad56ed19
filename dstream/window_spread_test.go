package dstream_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// span is a window's part of time.
type span struct{ from, to time.Time }

// openWindow is a window of a key that plainWindows has not shown yet.
type openWindow struct {
	item string
	span
	n, total int64
}

// plainWindows is what windows show, batch by batch and at the end: rows are put into all their windows as they come, sessions are joined whenever two touch, and
// a window is shown behind the first batch of which the highest time less delay is not before its end. No row may be late.
//
//	W = max(time) - delay      batch t: take rows, move W, show what ends at or before W      end: show the rest
func plainWindows(batches [][]seen, delay time.Duration, of func(time.Time) []span, session bool) [][]windowTally {
	var open []openWindow
	var w time.Time
	out := make([][]windowTally, len(batches)+1)
	show := func(i int, ends func(time.Time) bool) {
		var rest []openWindow
		for _, o := range open {
			if ends(o.to) {
				out[i] = append(out[i], windowTally{o.item, o.from, o.to, o.n, new(o.total)})
			} else {
				rest = append(rest, o)
			}
		}
		open = rest
	}
	for i, rows := range batches {
		for _, r := range rows {
			for _, s := range of(r.At) {
				open = joinWindow(open, openWindow{r.Item, s, 1, r.Price}, session)
			}
			if at := r.At.Add(-delay); at.After(w) {
				w = at
			}
		}
		show(i, func(end time.Time) bool { return !end.After(w) })
	}
	show(len(batches), func(time.Time) bool { return true })
	return out
}

// joinWindow adds a window: to the same one, and, of sessions, to those that it touches.
func joinWindow(open []openWindow, w openWindow, session bool) []openWindow {
	var rest []openWindow
	for _, o := range open {
		same := o.span == w.span || session && !o.to.Before(w.from) && !w.to.Before(o.from)
		if o.item != w.item || !same {
			rest = append(rest, o)
			continue
		}
		if o.from.Before(w.from) {
			w.from = o.from
		}
		if o.to.After(w.to) {
			w.to = o.to
		}
		w.n, w.total = w.n+o.n, w.total+o.total
	}
	return append(rest, w)
}

// shuffled are rows every step, each up to eight steps late, in batches of none to six.
func shuffled(r *rand.Rand, from time.Time, step time.Duration) [][]seen {
	batches := make([][]seen, 6+r.IntN(6))
	n := 0
	for i := range batches {
		for range r.IntN(7) {
			n++
			back := time.Duration(r.Int64N(int64(8 * step))).Truncate(time.Microsecond)
			batches[i] = append(batches[i], seen{string(rune('a' + r.IntN(3))), from.Add(time.Duration(n) * step).Add(-back), r.Int64N(100)})
		}
	}
	return batches
}

// Windows of all kinds over rows out of order, against the plain reference, with rows dealt to one, two and three source partitions, some of them without rows for a while, in all layouts, through
// restarts and deaths.
func TestWindowsOfShuffledRows(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	day := func(at time.Time, days int) time.Time {
		y, m, d := at.In(zone).Date()
		return time.Date(y, m, d+days, 0, 0, 0, 0, zone).UTC()
	}
	month := func(at time.Time, months int) time.Time {
		y, m, _ := at.In(zone).Date()
		return time.Date(y, m+time.Month(months), 1, 0, 0, 0, 0, zone).UTC()
	}
	aligned := func(size, slide time.Duration) func(at time.Time) []span {
		return func(at time.Time) (all []span) {
			for from := at.Truncate(slide); from.Add(size).After(at); from = from.Add(-slide) {
				all = append(all, span{from, from.Add(size)})
			}
			return all
		}
	}
	for _, c := range []struct {
		name    string
		window  dstream.Window
		of      func(time.Time) []span
		from    time.Time
		step    time.Duration
		session bool
	}{
		{"tumbling", dstream.Tumbling(10 * time.Second), aligned(10*time.Second, 10*time.Second), dstreamtest.At(100 * time.Second), time.Second, false},
		{"sliding", dstream.Sliding(9*time.Second, 3*time.Second), aligned(9*time.Second, 3*time.Second), dstreamtest.At(100 * time.Second), time.Second, false},
		{"sessions", dstream.Session(4 * time.Second), func(at time.Time) []span { return []span{{at, at.Add(4 * time.Second)}} }, dstreamtest.At(100 * time.Second), time.Second, true},
		// Summer time begins at 2024-03-10 07:00 UTC: that day has 23 hours. It ends on 3 November, a day of 25.
		{"days in spring", dstream.Days(1).In("America/New_York"), func(at time.Time) []span { return []span{{day(at, 0), day(at, 1)}} }, time.Date(2024, 3, 8, 0, 0, 0, 0, time.UTC), 3 * time.Hour, false},
		{"days in autumn", dstream.Days(1).In("America/New_York"), func(at time.Time) []span { return []span{{day(at, 0), day(at, 1)}} }, time.Date(2024, 11, 1, 0, 0, 0, 0, time.UTC), 3 * time.Hour, false},
		{"months", dstream.Months(1).In("America/New_York"), func(at time.Time) []span { return []span{{month(at, 0), month(at, 1)}} }, time.Date(2024, 1, 20, 0, 0, 0, 0, time.UTC), 50 * time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			batches := shuffled(rand.New(rand.NewPCG(1, uint64(len(c.name)))), c.from, c.step)
			delay := 10 * c.step
			want := plainWindows(batches, delay, c.of, c.session)
			if all := slices.Concat(want...); len(all) < 4 || len(want[len(want)-1]) == len(all) {
				t.Fatalf("of %d windows none closes before the end", len(all))
			}
			dstreamtest.Check(t, func(s dstream.Stream[seen]) dstream.Stream[windowTally] {
				return s.Frame().EventTime("at", delay, dstream.Ahead(0)).Window(c.window).GroupBy("item").Agg("tally", countAndTotal()...).As[windowTally]()
			}, batches, want, dstreamtest.Finish(), dstreamtest.Spread())
		})
	}
}
