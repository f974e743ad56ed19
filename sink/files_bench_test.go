package sink_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/sinktest"
)

// BenchmarkFiles is Stage and Publish of one batch, one fdatasync each; files roll beside it.
func BenchmarkFiles(b *testing.B) {
	for _, f := range []struct {
		name string
		make func(string, ...sink.FileOption) sink.Sink
	}{{"json", sink.FilesJSON}, {"text", sink.FilesText}, {"parquet", sink.FilesParquet}} {
		for _, rows := range []int{10, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", f.name, rows), func(b *testing.B) {
				l := openLane(b, openOutput(b, f.make(b.TempDir()), sinktest.Schema), 1)
				vals := make([]int64, rows)
				for i := range vals {
					vals[i] = int64(i)
				}
				recs := pairs("some-key", vals...)
				n := int64(0)
				b.ReportAllocs()
				for b.Loop() {
					n++
					publish(b, l, n, recs)
				}
				b.ReportMetric(float64(n*int64(rows))/b.Elapsed().Seconds(), "rows/s")
				if err := l.Flush(context.Background()); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
