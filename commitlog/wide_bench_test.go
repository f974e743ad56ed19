package commitlog

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkWide has many partitions written at once, in several ways; one operation is a record or a commit of one partition.
func BenchmarkWide(b *testing.B) {
	for _, parts := range []int{1, 8, 200, 1000} {
		open := func(b *testing.B) *Producer {
			l, err := Create(b.TempDir(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			topic, err := l.Create("t", Settings{Partitions: parts})
			if err != nil {
				b.Fatal(err)
			}
			p, err := topic.Producer()
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() {
				if err := p.Close(); err != nil {
					b.Error(err)
				}
				l.Close()
			})
			return p
		}
		b.Run(fmt.Sprint("add/", parts), func(b *testing.B) {
			p := open(b)
			value := make([]byte, 100)
			for b.Loop() {
				if err := p.Send(nil, value, 1); err != nil {
					b.Fatal(err)
				}
			}
			if err := p.Sync(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
		for _, size := range []int{200, 8 << 10, 60 << 10, 200 << 10} {
			if parts*size > 20<<20 {
				continue
			}
			b.Run(fmt.Sprint("commit/", parts, "/", size), func(b *testing.B) {
				p := open(b)
				var batch Batch
				if err := batch.Add(nil, make([]byte, size), 1); err != nil {
					b.Fatal(err)
				}
				var left atomic.Int64
				left.Store(int64(b.N))
				var wg sync.WaitGroup
				b.ResetTimer()
				for i := range parts {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							if _, err := p.Writer(i).Commit(b.Context(), &batch, nil); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}
