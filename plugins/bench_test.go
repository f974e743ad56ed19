package plugins_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/plugins"
)

type visit struct {
	User  int64
	Page  string
	Bytes int64
}

func visits(n int) []visit {
	rows := make([]visit, n)
	for i := range rows {
		rows[i] = visit{int64(i * 7919 % 1000), fmt.Sprintf("/page/%d", i%977), int64(i % 5000)}
	}
	return rows
}

// perRow runs a map over record batches of several sizes.
func perRow(b *testing.B, op plugins.Operator) {
	for _, n := range []int{1 << 10, 1 << 13, 1 << 16} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := must(op.Map(nil))
			rec := must(plugins.RecordOf(visits(n)))
			benchmark(b, m, rec)
		})
	}
}

func benchmark(b *testing.B, m plugins.Map, rec arrow.Record) {
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		if _, err := m.Process(context.Background(), plugins.Batch{}, rec); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N)/float64(rec.NumRows()), "cpu-ns/row")
}

// cpu is what this process has used: on a busy machine elapsed time says little.
func cpu() time.Duration {
	var u unix.Rusage
	must(0, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func BenchmarkMapRows(b *testing.B) {
	perRow(b, plugins.Rows("map", func(v visit) visit { return visit{v.User + 1, v.Page, v.Bytes * 2} }))
}

func BenchmarkFilter(b *testing.B) {
	perRow(b, plugins.Filter("filter", func(v visit) bool { return v.User%2 == 0 && len(v.Page) > 3 && v.Bytes >= 0 }))
}

func BenchmarkWith(b *testing.B) {
	type in struct{ Page string }
	type add struct{ Size int64 }
	perRow(b, plugins.With("with", func(v in) add { return add{int64(len(v.Page))} }))
}

func BenchmarkFlatRows(b *testing.B) {
	perRow(b, plugins.FlatRows("flat", func(v visit, emit func(visit)) { emit(v) }))
}

func BenchmarkRecordOf(b *testing.B) {
	rows := visits(8192)
	before := cpu()
	for b.Loop() {
		must(plugins.RecordOf(rows))
	}
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N)/float64(len(rows)), "cpu-ns/row")
}

func BenchmarkRowsOf(b *testing.B) {
	rec := must(plugins.RecordOf(visits(8192)))
	before := cpu()
	for b.Loop() {
		must(plugins.RowsOf[visit](rec))
	}
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N)/float64(rec.NumRows()), "cpu-ns/row")
}
