package host

import (
	"testing"

	"github.com/millrace/millrace/plugins"
)

// BenchmarkMap sends 8,192 rows with a number and 20 letters, and takes them back: in this process, in shared memory, and over gRPC.
func BenchmarkMap(b *testing.B) {
	in := rows(0, 8192, 16)
	run := func(b *testing.B, m plugins.Map) {
		if _, err := m.Declare(rowsSchema); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := m.Process(ctx, plugins.Batch{}, in); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/8192, "ns/row")
	}
	b.Run("here", func(b *testing.B) {
		op, _ := choose(honest(), "fail")
		m, _ := op.Map(nil)
		run(b, m)
	})
	for name, change := range ways {
		b.Run(name, func(b *testing.B) {
			p := New(Options{})
			defer p.Close()
			_, op, err := p.Resolve(ctx, ref(b, "honest", "fail", change...))
			if err != nil {
				b.Fatal(err)
			}
			m, _ := op.Map(nil)
			run(b, m)
		})
	}
}
