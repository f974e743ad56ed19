package plugintest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/host"
	"github.com/millrace/millrace/plugins/plugintest"
)

type trip struct {
	User  int64
	Page  string
	Bytes int64
}

// measured are operators on rows of three columns, which the conformance plugin of this test binary has besides.
var measured = []plugins.Operator{
	plugins.Rows("bench.map", func(v trip) trip { return trip{v.User + 1, v.Page, v.Bytes * 2} }),
	plugins.Filter("bench.filter", func(v trip) bool { return v.User%2 == 0 }),
	plugins.With("bench.with", func(v struct{ User int64 }) struct{ Twice int64 } { return struct{ Twice int64 }{2 * v.User} }),
}

// BenchmarkRoundTrip is what a row of three columns costs there and back: CPU of host and plugin together, and elapsed time.
func BenchmarkRoundTrip(b *testing.B) {
	rows := make([]trip, 8192)
	for i := range rows {
		rows[i] = trip{int64(i * 7919 % 1000), fmt.Sprintf("/page/%d", i%977), int64(i % 5000)}
	}
	rec, err := plugins.RecordOf(rows)
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"identity", "bench.map", "bench.filter", "bench.with"} {
		for _, way := range []string{"compiled", "memory", "portable"} {
			b.Run(name+"/"+way, func(b *testing.B) { benchmarkWay(b, name, way, rec) })
		}
	}
}

func benchmarkWay(b *testing.B, name, way string, rec arrow.Record) {
	p := plugintest.Plugin()
	p.Operators = append(p.Operators, measured...)
	var op plugins.Operator
	pool := host.New(host.Options{})
	var err error
	if way == "compiled" {
		op = plugintest.CompiledIn(b, p)(name)
	} else if _, op, err = pool.Resolve(b.Context(), plugintest.Self(b).Op(name).Set(plugins.Settings{Portable: way == "portable"})); err != nil {
		b.Fatal(err)
	}
	m, err := op.Map(nil)
	if err != nil {
		b.Fatal(err)
	}
	d, err := m.Declare(rec.Schema())
	if err != nil {
		b.Fatal(err)
	}
	if d.Reads != nil {
		cols := make([]arrow.Array, len(d.Reads))
		for i, c := range d.Reads {
			cols[i] = rec.Column(c)
		}
		rec = array.NewRecord(d.Input(rec.Schema()), cols, rec.NumRows())
	}
	before := used()
	for b.Loop() {
		if err := sixteen(b.Context(), m, rec); err != nil {
			b.Fatal(err)
		}
	}
	took := b.Elapsed()
	if err := pool.Close(); err != nil { // its CPU counts from then on
		b.Fatal(err)
	}
	total := float64(b.N) * 16 * float64(rec.NumRows())
	b.ReportMetric(float64((used()-before).Nanoseconds())/total, "cpu-ns/row")
	b.ReportMetric(float64(took.Nanoseconds())/total, "ns/row")
}

// sixteen sends a record batch sixteen times, pipelined where the map is.
func sixteen(ctx context.Context, m plugins.Map, rec arrow.Record) error {
	p, ok := m.(plugins.Pipelined)
	sent := 0
	for done := range 16 {
		if !ok {
			if _, err := m.Process(ctx, plugins.Batch{}, rec); err != nil {
				return err
			}
			continue
		}
		for ; sent < 16 && sent-done < p.Window(); sent++ {
			if err := p.Send(ctx, plugins.Batch{}, rec); err != nil {
				return err
			}
		}
		if _, err := p.Receive(ctx); err != nil {
			return err
		}
	}
	return nil
}

// used is the CPU time of this process and of those that it has waited for.
func used() time.Duration {
	var sum time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}
