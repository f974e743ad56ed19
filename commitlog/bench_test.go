package commitlog

import (
	"context"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// fill writes n records with values of size bytes, and says how many bytes of values there are.
func fill(b *testing.B, n, size int, keyed bool) *Topic {
	b.Helper()
	l, err := Create(filepath.Join(b.TempDir(), "log"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	topic, err := l.Create("t", Settings{})
	if err != nil {
		b.Fatal(err)
	}
	w, err := topic.Writer(0)
	if err != nil {
		b.Fatal(err)
	}
	value, key := make([]byte, size), make([]byte, 8)
	for i := range n {
		k := key
		k[i&7]++
		if !keyed {
			k = nil
		}
		if err := w.Add(k, value, int64(i)); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return topic
}

// cpu is the processor time that this process has used, ns: a busy machine does not change it much.
func cpu(b *testing.B) float64 {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

func benchmarkRead(b *testing.B, size int, keyed bool) {
	const n = 500_000
	topic := fill(b, n, size, keyed)
	b.ReportAllocs()
	b.SetBytes(int64(n * size))
	before := cpu(b)
	for b.Loop() {
		r, err := topic.Reader(0, 0)
		if err != nil {
			b.Fatal(err)
		}
		rows := 0
		for {
			blk, err := r.Poll()
			if err != nil {
				b.Fatal(err)
			}
			if blk == nil {
				break
			}
			rows += blk.Len()
		}
		if rows != n {
			b.Fatalf("%d rows", rows)
		}
		r.Close()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric((cpu(b)-before)/float64(b.N)/n, "cpu-ns/row")
}

func BenchmarkRead200(b *testing.B)      { benchmarkRead(b, 200, false) }
func BenchmarkRead200Keyed(b *testing.B) { benchmarkRead(b, 200, true) }
func BenchmarkRead20(b *testing.B)       { benchmarkRead(b, 20, true) }

func BenchmarkAdd200(b *testing.B) {
	topic := fill(b, 0, 0, false)
	w, err := topic.Writer(0)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	value := make([]byte, 200)
	b.SetBytes(200)
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		if err := w.Add(nil, value, 1); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Sync(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric((cpu(b)-before)/float64(b.N), "cpu-ns/row")
}

func BenchmarkCommit(b *testing.B) {
	topic := fill(b, 0, 0, false)
	w, err := topic.Writer(0)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	var batch Batch
	for i := range 100 {
		if err := batch.Add([]byte("key"), []byte("a value of some bytes"), int64(i)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Commit(context.Background(), &batch, []byte("marker")); err != nil {
			b.Fatal(err)
		}
	}
}
