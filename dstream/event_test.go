package dstream_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// sighting is a row with an event time, in seconds.
type sighting struct {
	Who string
	At  int64
}

func (v sighting) when() time.Time {
	if v.At == 0 {
		return time.Time{}
	}
	return time.Unix(v.At, 0).UTC()
}

// sightings give each key the sum of its rows when the watermark has passed the last of them by a second, and tell the mark by which that is.
func sightings(s dstream.Stream[sighting], delay time.Duration, opts ...dstream.EventOption) dstream.Stream[string] {
	type sum struct{ N, Last int64 }
	return s.EventTime(sighting.when, delay, opts...).KeyBy(func(v sighting) string { return v.Who }).
		Stateful("sums", func(who string, rows []sighting, st *dstream.State[sum]) []string {
			x := st.Get()
			if st.Expired() {
				return []string{fmt.Sprintf("%s %d up to %d by %d", who, x.N, x.Last, st.Watermark().Unix())}
			}
			for _, v := range rows {
				x.N, x.Last = x.N+1, max(x.Last, v.At)
			}
			st.Set(x)
			st.ExpireAt(time.Unix(x.Last+1, 0))
			return nil
		}, dstream.EventTimers()).Values()
}

// TestEventTimers: a timer fires in the batch whose rows carry the watermark past it, behind that batch's rows, once, wherever the case runs.
//
//	batch   rows            watermark (delay 2)
//	1       a@10 b@11       9
//	2       a@12            10
//	3       c@14            12      b, due at 12, fires
//	4       a@13 c@15       13      a was due at 13: its row of this batch comes first
//	5       d@17            15      a, due at 14, fires
//	6                       15
func TestEventTimers(t *testing.T) {
	dstreamtest.Check(t, func(s dstream.Stream[sighting]) dstream.Stream[string] { return sightings(s, 2*time.Second) },
		[][]sighting{{{"a", 10}, {"b", 11}}, {{"a", 12}}, {{"c", 14}}, {{"a", 13}, {"c", 15}}, {{"d", 17}}, {}},
		[][]string{{}, {}, {"b 1 up to 11 by 12"}, {}, {"a 3 up to 13 by 15"}, {}, {"c 2 up to 15 by 9223372036854", "d 1 up to 17 by 9223372036854"}},
		dstreamtest.Finish())
}

// TestIdlePartition: a partition without rows holds the watermark back until it is idle, which moves it without rows (P28).
func TestIdlePartition(t *testing.T) {
	in := dstreamtest.Input[sighting]("in")
	j := dstreamtest.Run(t, func(job *dstream.Job) {
		sightings(dstream.From(job, in.Source()), 0, dstream.IdleAfter(5*time.Second)).To(dstreamtest.Sink("out"))
	})
	out := func(b *dstreamtest.Batch) []string { return dstreamtest.Values[string](b, "out") }
	j.Batch(in.Part(0, sighting{"a", 10}), in.Part(1, sighting{"b", 12}))
	if w := j.Watermark("in"); w.Unix() != 10 {
		t.Fatalf("watermark %v", w)
	}
	if got := out(j.Batch(in.Part(0, sighting{"a", 20}))); len(got) > 0 {
		t.Fatalf("partition 1, at 12, does not hold the watermark back: %v", got)
	}
	batches := j.Advance(10 * time.Second)
	var all []string
	for _, b := range batches {
		all = append(all, out(b)...)
	}
	if want := []string{"b 1 up to 12 by 20"}; !slices.Equal(all, want) {
		t.Fatalf("got %v, want %v in %d batches", all, want, len(batches))
	}
	if len(batches) != 1 {
		t.Fatalf("%d batches were cut while nothing came", len(batches))
	}
}

// TestAhead: a time too far ahead of the batch's does not move the watermark; a row without one is a dead letter, with its record.
func TestAhead(t *testing.T) {
	in := dstreamtest.Input[sighting]("in")
	j := dstreamtest.Run(t, func(job *dstream.Job) {
		sightings(dstream.From(job, in.Source()), 0, dstream.Ahead(time.Minute)).To(dstreamtest.Sink("out"))
	}, dstreamtest.Start(dstreamtest.At(100*time.Second)))
	b := j.Batch(in.Part(0, sighting{"a", 10}, sighting{"none", 0}, sighting{"far", 5000}, sighting{"b", 40}))
	if w := j.Watermark("in"); w.Unix() != 40 {
		t.Errorf("watermark %v", w)
	}
	if b.Counters.Ahead != 1 || b.Counters.Bad != 1 {
		t.Errorf("counted %+v", b.Counters)
	}
	letters := b.DeadLetters("in")
	if len(letters) != 1 || letters[0].Offset != 1 {
		t.Errorf("dead letters %+v", letters)
	}
}
