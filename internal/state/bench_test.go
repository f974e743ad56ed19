package state

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/internal/row"
)

func rowsPerSecond(b *testing.B, n int) {
	b.ReportAllocs()
	b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/float64(n), "ns/row")
}

// bigTable has n keys; the result has the encodings of a batch of random ones.
func bigTable(b *testing.B, n, touch int) (*Table, *row.Keys) {
	kc, vc := codec[int64](b), codec[int64](b)
	table := New(kc, vc, 0)
	keys := make([]int64, n)
	for i := range keys {
		keys[i] = int64(i) * 7
	}
	table.Begin(1)
	table.Upsert(keysOf(kc, keys...), make([]int32, n))
	table.Seal()
	table.Forget(1)
	r := rand.New(rand.NewPCG(1, 1))
	some := make([]int64, touch)
	for i := range some {
		some[i] = keys[r.IntN(n)]
	}
	return table, keysOf(kc, some...)
}

// BenchmarkUpdate is a batch of 10,000 updates of a million keys: upsert, add, seal, forget.
func BenchmarkUpdate(b *testing.B) {
	table, k := bigTable(b, 1_000_000, 10_000)
	idx, one := make([]int32, k.Len()), make([]int64, k.Len())
	for b.Loop() {
		v := table.Version() + 1
		table.Begin(v)
		table.Upsert(k, idx)
		table.AddInt64(idx, one)
		table.Seal()
		table.Forget(v)
	}
	rowsPerSecond(b, k.Len())
}

func BenchmarkDelta(b *testing.B) {
	table, k := bigTable(b, 1_000_000, 100_000)
	idx, one := make([]int32, k.Len()), make([]int64, k.Len())
	table.Begin(2)
	table.Upsert(k, idx)
	table.AddInt64(idx, one)
	table.Seal()
	n := int(table.Delta(2).NumRows())
	for b.Loop() {
		table.Delta(2)
	}
	rowsPerSecond(b, n)
}

func BenchmarkDump(b *testing.B) {
	table, _ := bigTable(b, 1_000_000, 1)
	for b.Loop() {
		table.Dump(17)
	}
	rowsPerSecond(b, table.GroupLen(17))
}

func BenchmarkRollback(b *testing.B) {
	table, k := bigTable(b, 1_000_000, 10_000)
	idx, one := make([]int32, k.Len()), make([]int64, k.Len())
	for b.Loop() {
		table.Begin(2)
		table.Upsert(k, idx)
		table.AddInt64(idx, one)
		table.Seal()
		table.Rollback(1)
	}
	rowsPerSecond(b, k.Len())
}

type profile struct {
	Name, City string
	Visits     int64
}

// BenchmarkProfiles sets 10,000 of 100,000 rows with strings in each batch.
func BenchmarkProfiles(b *testing.B) {
	kc, vc := codec[string](b), codec[profile](b)
	table := New(kc, vc, 0)
	keys, vals := make([]string, 100_000), make([]profile, 10_000)
	for i := range keys {
		keys[i] = fmt.Sprint("user", i)
	}
	for i := range vals {
		vals[i] = profile{fmt.Sprint("name of ", i), "Rome", int64(i)}
	}
	idx := make([]int32, len(keys))
	table.Begin(1)
	table.Upsert(keysOf(kc, keys...), idx)
	table.Seal()
	r := rand.New(rand.NewPCG(1, 1))
	r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	k := keysOf(kc, keys[:len(vals)]...)
	idx = idx[:len(vals)]
	got := make([]profile, 0, len(vals))
	for b.Loop() {
		v := table.Version() + 1
		table.Begin(v)
		table.Upsert(k, idx)
		table.Get(idx, got)
		table.Set(idx, vals)
		table.Seal()
		table.Forget(v)
	}
	rowsPerSecond(b, len(vals))
}

// BenchmarkExpiry gives 10,000 of a million rows a due time and takes as many that are due.
func BenchmarkExpiry(b *testing.B) {
	table, k := bigTable(b, 1_000_000, 10_000)
	idx, due := make([]int32, k.Len()), make([]int64, k.Len())
	now := int64(0)
	for b.Loop() {
		now++
		for i := range due {
			due[i] = now
		}
		v := table.Version() + 1
		table.Begin(v)
		table.Upsert(k, idx)
		table.SetDue(idx, due)
		table.Due(now)
		table.Seal()
		table.Forget(v)
	}
	rowsPerSecond(b, k.Len())
}
