package dstream_test

import (
	"context"
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// BenchmarkShared is what functions pay that are told their task, and what they reach with it, a row.
func BenchmarkShared(b *testing.B) {
	type stream = dstream.Stream[int64]
	rows := make([]int64, 100_000)
	for i := range rows {
		rows[i] = int64(i)
	}
	load := func(context.Context) (map[int64]int64, error) { return map[int64]int64{1: 2}, nil }
	for _, c := range []struct {
		name string
		op   func(*dstream.Job, stream) stream
	}{
		{"map", func(_ *dstream.Job, s stream) stream { return s.Map(func(n int64) int64 { return n + 1 }) }},
		{"mapTask", func(_ *dstream.Job, s stream) stream {
			return s.MapTask(func(t dstream.Task, n int64) int64 { return n + t.Batch() })
		}},
		{"add", func(job *dstream.Job, s stream) stream {
			acc := dstream.Accumulator[int64](job, "n")
			return s.MapTask(func(t dstream.Task, n int64) int64 { acc.Add(t, n); return n })
		}},
		{"accumulate", func(job *dstream.Job, s stream) stream {
			return s.Accumulate(dstream.Accumulator[int64](job, "n"), dstream.Self)
		}},
		{"get", func(job *dstream.Job, s stream) stream {
			bc := dstream.Broadcast(job, "b", load)
			return s.MapTask(func(t dstream.Task, n int64) int64 { return n + int64(len(bc.Get(t))) })
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			measure(b, len(rows), len(rows), func(job *dstream.Job) {
				c.op(job, dstream.From(job, prepared("in", rows))).Filter(func(int64) bool { return false }).To(dstreamtest.Sink("out"))
			})
		})
	}
}
