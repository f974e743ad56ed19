package dstream_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// prepared is a source of rows that are decoded already: what is measured is the operators.
func prepared[T any](name string, rows []T) source.Source[T] {
	return source.Of[T](&source.Spec{Name: name, Kind: "memory", Text: name, Decoder: func() rdd.Decoder { return decoded[T]{rows} }})
}

type decoded[T any] struct{ rows []T }

func (d decoded[T]) Decode(b *records.Block, lo, hi int) (rdd.Chunk, []int32, []rdd.Bad) {
	rows := d.rows[int(b.First)%len(d.rows):]
	return rdd.Chunk{N: hi - lo, Vals: rows[lo:hi:hi]}, nil, nil
}

// lines are texts of ten words, Zipf-distributed over 100,000.
func lines(n int) []string {
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, 99_999)
	out := make([]string, n)
	for i := range out {
		words := make([]string, 10)
		for j := range words {
			words[j] = fmt.Sprintf("w%d", z.Uint64())
		}
		out[i] = strings.Join(words, " ")
	}
	return out
}

// measure runs a job over n prepared rows of source "in" in batches of size rows and reports rows/s, and what a row costs in time of
// processors, the collector's included: that holds on a busy machine too.
func measure(b *testing.B, n, size int, build func(*dstream.Job)) {
	r, err := dstreamtest.New(dstreamtest.Options{Reduce: 2, Forget: true}, build)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	total, now, used := 0, time.Duration(0), processorTime()
	for b.Loop() {
		now += 100 * time.Millisecond
		if _, err := r.Run(dstreamtest.At(now), dstreamtest.Empty("in", 0, total%n, size)); err != nil {
			b.Fatal(err)
		}
		total += size
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(total), "ns/row")
	b.ReportMetric(float64((processorTime()-used).Nanoseconds())/float64(total), "cpu-ns/row")
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkWordCount(b *testing.B) {
	for _, size := range []int{100, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			rows := lines(100_000)
			measure(b, len(rows), size, func(job *dstream.Job) {
				dstream.From(job, prepared("in", rows)).FlatMap(strings.Fields).KeyBy(dstream.Self).RunningCount("words").To(dstreamtest.Sink("out"))
			})
		})
	}
}

type adEvent struct {
	AdID, EventType string
	EventTime       int64
}

type adWindow struct {
	Campaign string
	Start    int64
}

func BenchmarkAds(b *testing.B) {
	events, campaigns := make([]adEvent, 100_000), map[string]string{}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		campaigns[fmt.Sprintf("ad-%032d", i)] = fmt.Sprintf("campaign-%026d", i/10)
	}
	for i := range events {
		events[i] = adEvent{fmt.Sprintf("ad-%032d", r.IntN(1000)), []string{"view", "click", "purchase"}[r.IntN(3)], int64(i)}
	}
	for _, size := range []int{100, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			measure(b, len(events), size, func(job *dstream.Job) {
				table := dstream.Value(job, "campaigns", func() map[string]string { return campaigns })
				dstream.From(job, prepared("in", events)).
					Filter(func(e adEvent) bool { return e.EventType == "view" }).
					KeyBy(func(e adEvent) adWindow { return adWindow{table.Get()[e.AdID], e.EventTime / 10_000 * 10_000} }).
					RunningCount("views", dstream.Expire(time.Minute)).
					To(dstreamtest.Sink("out"))
			})
		})
	}
}

func BenchmarkStateful(b *testing.B) {
	rows := make([]int64, 100_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range rows {
		rows[i] = r.Int64N(50_000)
	}
	measure(b, len(rows), 100_000, func(job *dstream.Job) {
		dstream.From(job, prepared("in", rows)).KeyBy(dstream.Self).
			Stateful("sum", func(_ int64, vs []int64, st *dstream.State[int64]) []int64 {
				st.Set(st.Get() + int64(len(vs)))
				return nil
			}).To(dstreamtest.Sink("out"))
	})
}

func BenchmarkJoinTable(b *testing.B) {
	rows := make([]int64, 100_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range rows {
		rows[i] = r.Int64N(50_000)
	}
	measure(b, len(rows), 100_000, func(job *dstream.Job) {
		s := dstream.From(job, prepared("in", rows)).KeyBy(dstream.Self)
		table := s.Filter(func(v int64) bool { return v%16 == 0 }).MapValues(func(v int64) string { return "name" }).Latest("names")
		s.LeftJoinTable(table, func(v int64, name *string) bool { return name != nil }).To(dstreamtest.Sink("out"))
	})
}

func BenchmarkEmptyBatch(b *testing.B) {
	measure(b, 1, 0, func(job *dstream.Job) {
		dstream.From(job, in.Source()).FlatMap(strings.Fields).KeyBy(dstream.Self).RunningCount("words").To(dstreamtest.Sink("out"))
	})
}
