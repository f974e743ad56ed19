package state

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/internal/row"
)

// panics is the message that f panics with, "" if it does not.
func panics(f func()) (msg string) {
	defer func() {
		if e := recover(); e != nil {
			msg = fmt.Sprint(e)
		}
	}()
	f()
	return ""
}

// State version t comes only from version t-1 and batch t (I3).
func TestBeginWantsTheNextBatch(t *testing.T) {
	for _, b := range []int64{-1, 0, 2, 7} {
		table := New(codec[int64](t), codec[int64](t), 0)
		if panics(func() { table.Begin(b) }) == "" {
			t.Errorf("batch %d was begun on version 0", b)
		}
	}
}

// TestReadTogether: two joins read a table at once. The race detector has something to say here if reading writes.
func TestReadTogether(t *testing.T) {
	for _, kc := range []*row.Codec{codec[int64](t), codec[string](t)} {
		table := New(kc, codec[int64](t), 0)
		table.Begin(1)
		var keys *row.Keys
		if kc == codec[int64](t) {
			keys = keysOf(kc, numbers(10_000)...)
		} else {
			var texts []string
			for _, n := range numbers(10_000) {
				texts = append(texts, fmt.Sprint("key ", n))
			}
			keys = keysOf(kc, texts...)
		}
		table.Upsert(keys, make([]int32, keys.Len()))
		table.Seal()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				idx := make([]int32, keys.Len())
				if table.Find(keys, idx); slices.Contains(idx, -1) {
					t.Error("a key is not found")
				}
			})
		}
		wg.Wait()
	}
}

func numbers(n int) (out []int64) {
	for i := range n {
		out = append(out, int64(i))
	}
	return out
}

func TestMisuseIsCaught(t *testing.T) {
	kc, vc := codec[int64](t), codec[int64](t)
	k := keysOf[int64](kc, 1)
	idx := []int32{0}
	sealed := func() *Table {
		table := New(kc, vc, 4)
		table.Begin(5)
		table.Upsert(k, idx)
		table.Seal()
		return table
	}
	for want, f := range map[string]func(){
		"no batch is open":       func() { sealed().Upsert(k, idx) },
		"while another is open":  func() { t := sealed(); t.Begin(6); t.Begin(6) },
		"before the next batch":  func() { t := sealed(); t.Begin(6); t.Delta(5) },
		"it was forgotten":       func() { t := sealed(); t.Forget(5); t.Delta(5) },
		"undo of batch 5 was":    func() { t := sealed(); t.Forget(5); t.Rollback(4) },
		"load into a table with": func() { _ = sealed().Load(nil, 0, 1, true) },
		"row 0 was deleted":      func() { t := sealed(); t.Begin(6); t.Delete(idx); t.AddInt64(idx, []int64{1}) },
		"is not an int64":        func() { t := New(kc, codec[string](t), 0); t.Begin(1); t.AddInt64(nil, nil) },
		"published batches must be": func() {
			t := New(kc, vc, 0)
			for b := range int64(99) {
				t.Begin(b + 1)
				t.Seal()
			}
		},
		"by a key that may not be":    func() { New(codec[float64](t), vc, 0) },
		"rollback to 9 of state of v": func() { sealed().Rollback(9) },
	} {
		if got := panics(f); !strings.Contains(got, want) {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}

// A row that was deleted is not given out while the deletion can still be undone.
func TestNumbersAreReusedOnlyWhenForgotten(t *testing.T) {
	kc, vc := codec[string](t), codec[string](t)
	table := New(kc, vc, 0)
	idx := make([]int32, 1)
	add := func(k string) int32 {
		table.Upsert(keysOf(kc, k), idx)
		table.Set(idx, []string{"value of " + k})
		return idx[0]
	}
	table.Begin(1)
	a := add("a")
	table.Seal()
	table.Forget(1)
	table.Begin(2)
	table.Delete([]int32{a})
	if b := add("b"); b == a {
		t.Fatal("used again in the same batch")
	}
	table.Seal()
	table.Begin(3)
	if c := add("c"); c == a {
		t.Fatal("used again while it can be undone")
	}
	table.Seal()
	table.Rollback(1)
	if got := table.Get([]int32{a}, nil).([]string); got[0] != "value of a" || table.Len() != 1 {
		t.Fatalf("%q and %d rows after the rollback", got, table.Len())
	}
	table.Begin(2)
	table.Delete([]int32{a})
	table.Seal()
	table.Forget(2)
	table.Begin(3)
	rows := []int32{add("d"), add("e"), add("f")}
	if !slices.Contains(rows, a) {
		t.Fatalf("row %d is lost: %v", a, rows)
	}
}

func TestLoadRefusesForeignRecords(t *testing.T) {
	kc, vc := codec[string](t), codec[string](t)
	table := New(kc, vc, 0)
	table.Begin(1)
	idx := make([]int32, 1)
	table.Upsert(keysOf(kc, "a"), idx)
	table.Seal()
	rec := table.Delta(1)
	if err := New(kc, codec[int64](t), 0).Load(rec, 0, row.Groups, false); err == nil {
		t.Error("a record of another schema was loaded")
	}
	other := rec.NewSlice(0, 1).Columns()
	other[0] = headCodec.Columns([]head{{Group: 1}}, nil)[0]
	bad := arrayRecord(Schema(kc, vc), other)
	if err := New(kc, vc, 0).Load(bad, 0, row.Groups, false); err == nil || !strings.Contains(err.Error(), "its key belongs to") {
		t.Errorf("a key of another group was loaded: %v", err)
	}
}

// A million int64 keys with int64 values take at most 64 MB (DESIGN: 49 bytes a key were measured in the prototype).
func TestMemoryOfAMillionKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	kc, vc := codec[int64](t), codec[int64](t)
	before := heap()
	table := New(kc, vc, 0)
	const n, chunk = 1_000_000, 10_000
	keys, idx, ones := make([]int64, chunk), make([]int32, chunk), make([]int64, chunk)
	var k row.Keys
	for b := range int64(n / chunk) {
		for i := range keys {
			keys[i], ones[i] = b*chunk+int64(i), 1
		}
		k.Reset()
		kc.AppendKeys(keys, &k)
		table.Begin(b + 1)
		table.Upsert(&k, idx)
		table.AddInt64(idx, ones)
		table.Seal()
		table.Forget(b)
	}
	table.Forget(table.Version())
	used := heap() - before
	t.Logf("%d rows: %.1f MB of heap, Bytes says %.1f MB", table.Len(), float64(used)/1e6, float64(table.Bytes())/1e6)
	if used > 64e6 || table.Len() != n {
		t.Errorf("%d rows take %d bytes", table.Len(), used)
	}
	runtime.KeepAlive(table)
}

// The cost of a batch follows what it touches, not what there is: an empty batch and one of ten rows allocate next to nothing.
func TestSmallBatchesOnABigTableAllocateLittle(t *testing.T) {
	kc, vc := codec[int64](t), codec[int64](t)
	table := New(kc, vc, 0)
	keys := make([]int64, 100_000)
	for i := range keys {
		keys[i] = int64(i)
	}
	idx := make([]int32, len(keys))
	table.Begin(1)
	table.Upsert(keysOf(kc, keys...), idx)
	table.Seal()
	table.Forget(1)
	ten, delta := idx[:10], make([]int64, 10)
	n := testing.AllocsPerRun(100, func() {
		b := table.Version() + 1
		table.Begin(b)
		table.AddInt64(ten, delta)
		table.Seal()
		table.Forget(b)
	})
	if n > 1 {
		t.Errorf("%v allocations a batch", n)
	}
}
