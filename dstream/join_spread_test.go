package dstream_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// spreadDelay is no whole number of seconds, as times of rows are: no watermark is a row's time.
const spreadDelay = 6500 * time.Millisecond

// viewsAndClicks are rows of some batches out of order, of which none is late: times of a batch lie between the latest of the one before and 6 s before that. Clicks of
// one key have times of their own.
func viewsAndClicks(r *rand.Rand) (views [][]viewed, clicks [][]clicked) {
	taken := map[clicked]bool{}
	for b := range 8 {
		var vs []viewed
		var cs []clicked
		for range 5 + r.IntN(6) {
			at := dstreamtest.At(seconds(100 + 5*b + r.IntN(6)))
			vs = append(vs, viewed{string(rune('a' + r.IntN(4))), at})
			c := clicked{string(rune('a' + r.IntN(4))), dstreamtest.At(seconds(100 + 5*b + r.IntN(6)))}
			if !taken[c] {
				taken[c] = true
				cs = append(cs, c)
			}
		}
		views, clicks = append(views, vs), append(clicks, cs)
	}
	return views, clicks
}

// spreadMarks are the watermarks behind batches, and at last behind all times.
func spreadMarks(views [][]viewed, clicks [][]clicked) []time.Time {
	var v, c time.Time
	var marks []time.Time
	for b := range views {
		for _, row := range views[b] {
			v = slices.MaxFunc([]time.Time{v, row.At}, time.Time.Compare)
		}
		for _, row := range clicks[b] {
			c = slices.MaxFunc([]time.Time{c, row.Clicked}, time.Time.Compare)
		}
		marks = append(marks, slices.MinFunc([]time.Time{v, c}, time.Time.Compare).Add(-spreadDelay))
	}
	return append(marks, dstreamtest.At(time.Hour))
}

// passing is the first batch whose watermark is behind t, if that is one after batch b; otherwise b.
func passing(marks []time.Time, b int, t time.Time) int {
	for !marks[b].After(t) {
		b++
	}
	return b
}

type spreadOut struct {
	ID      string
	At      time.Time
	Clicked *time.Time
}

// TestFrameJoinWithinSpread: rows out of order over several partitions, of which some are idle in each batch, against all pairs.
func TestFrameJoinWithinSpread(t *testing.T) {
	const before, after = 3 * time.Second, 4 * time.Second
	views, clicks := viewsAndClicks(rand.New(rand.NewPCG(1, 1)))
	marks := spreadMarks(views, clicks)
	want := make([][]spreadOut, len(marks))
	for b, vs := range views {
		for _, v := range vs {
			alone := true
			for n, cs := range clicks {
				for _, c := range cs {
					if d := c.Clicked.Sub(v.At); c.ID == v.ID && -before <= d && d <= after {
						at := max(b, n)
						want[at], alone = append(want[at], spreadOut{v.ID, v.At, &c.Clicked}), false
					}
				}
			}
			if alone {
				at := passing(marks, b, v.At.Add(after))
				want[at] = append(want[at], spreadOut{v.ID, v.At, nil})
			}
		}
	}
	dstreamtest.Check2(t, func(v dstream.Stream[viewed], c dstream.Stream[clicked]) dstream.Stream[spreadOut] {
		return v.Frame().EventTime("at", spreadDelay, dstream.Ahead(0)).JoinWithin("near", c.Frame().EventTime("clicked", spreadDelay, dstream.Ahead(0)),
			dstream.Within(before, after), dstream.On("id"), dstream.LeftJoin).As[spreadOut]()
	}, views, clicks, want, dstreamtest.Finish(), dstreamtest.Spread())
}

// TestFrameJoinAsOfSpread: as above, against the last click before each view.
func TestFrameJoinAsOfSpread(t *testing.T) {
	views, clicks := viewsAndClicks(rand.New(rand.NewPCG(2, 2)))
	marks := spreadMarks(views, clicks)
	want := make([][]spreadOut, len(marks))
	for b, vs := range views {
		for _, v := range vs {
			out := spreadOut{ID: v.ID, At: v.At}
			for _, c := range slices.Concat(clicks...) {
				if c.ID == v.ID && !c.Clicked.After(v.At) && (out.Clicked == nil || c.Clicked.After(*out.Clicked)) {
					out.Clicked = &c.Clicked
				}
			}
			at := passing(marks, b, v.At)
			want[at] = append(want[at], out)
		}
	}
	dstreamtest.Check2(t, func(v dstream.Stream[viewed], c dstream.Stream[clicked]) dstream.Stream[spreadOut] {
		return v.Frame().EventTime("at", spreadDelay, dstream.Ahead(0)).JoinAsOf("last click", c.Frame().EventTime("clicked", spreadDelay, dstream.Ahead(0)),
			dstream.On("id"), dstream.LeftJoin).As[spreadOut]()
	}, views, clicks, want, dstreamtest.Finish(), dstreamtest.Spread())
}
