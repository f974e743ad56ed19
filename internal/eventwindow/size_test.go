package eventwindow

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/task"
)

// keyed are n events of n keys, in no order of keys, at times from at to at + 899.
func keyed(n int, at int64) []event {
	out := make([]event, n)
	for i := range out {
		k := i * 7919 % n // n is no multiple of 7919
		out[i] = event{fmt.Sprintf("user-%07d", k), at + int64(k*31%900), 1}
	}
	return out
}

// A million open sessions take 110 MB at most: what the table says, and what the process holds more than before.
func TestMillionSessionsFit(t *testing.T) {
	if testing.Short() {
		t.Skip("a million sessions")
	}
	const sessions, limit = 1_000_000, 110 << 20
	w := newWorld(t, Spec{Kind: Session, Size: 1000}, Emit{}, 1)
	w.chunk = task.ChunkRows
	all := keyed(sessions, 10)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for lo := range 100 {
		w.run(5, all[lo*sessions/100:(lo+1)*sessions/100])
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d sessions: %d MB in the table, %d MB of heap", w.open(), w.tables[0].Bytes()>>20, held>>20)
	if w.open() != sessions || w.tables[0].Bytes() > limit || held > limit {
		t.Errorf("%d sessions in %d bytes of table, %d of heap", w.open(), w.tables[0].Bytes(), held)
	}
	runtime.KeepAlive(w)
	runtime.KeepAlive(all)
}

// BenchmarkClose closes 100,000 windows in one batch, of as many and of a million that are open: results, and the delta for the checkpoint. CPU is that of the process.
func BenchmarkClose(b *testing.B) {
	for _, open := range []int{100_000, 1_000_000} {
		for _, kind := range []struct {
			name string
			spec Spec
		}{{"tumbling", Spec{Kind: Sliding, Size: 1000, Slide: 1000}}, {"sessions", Spec{Kind: Session, Size: 1000}}} {
			b.Run(fmt.Sprintf("%s of %d", kind.name, open), func(b *testing.B) { benchmarkClose(b, kind.spec, open) })
		}
	}
}

func benchmarkClose(b *testing.B, spec Spec, open int) {
	const windows = 100_000
	closing, rest := keyed(open, 10)[:windows], keyed(open, 1_000_000)[windows:]
	var took, cpu time.Duration
	for b.Loop() {
		w := newWorld(b, spec, Emit{}, 1)
		w.silent, w.deltas, w.chunk = true, true, task.ChunkRows
		w.run(5, rest)
		w.run(5, closing)
		runtime.GC()
		before := cpuTime(b)
		took += timeOf(func() { w.run(5000) })
		cpu += cpuTime(b) - before
		if w.open() != len(rest) {
			b.Fatalf("%d windows are left", w.open())
		}
	}
	b.ReportMetric(took.Seconds()*1000/float64(b.N), "ms/close")
	b.ReportMetric(cpu.Seconds()*1000/float64(b.N), "cpu-ms/close")
}

// BenchmarkUpdate is a batch of 100,000 rows of windows that are all open already: what a task and a reduce partition do, and the delta, by number of keys.
func BenchmarkUpdate(b *testing.B) {
	for _, kind := range []struct {
		name string
		spec Spec
	}{{"tumbling", Spec{Kind: Sliding, Size: 1000, Slide: 1000}}, {"sessions", Spec{Kind: Session, Size: 1000}}} {
		for _, keys := range []int{1000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s of %d", kind.name, keys), func(b *testing.B) {
				const rows = 100_000
				w := newWorld(b, kind.spec, Emit{}, 1)
				w.silent, w.deltas, w.chunk = true, true, task.ChunkRows
				all := keyed(keys, 10)
				w.run(5, all)
				batch := make([]event, rows)
				runtime.GC()
				var cpu time.Duration
				next := 0
				for b.Loop() {
					for i := range batch {
						batch[i] = all[next%keys]
						next += 7907
					}
					before := cpuTime(b)
					w.run(5, batch)
					cpu += cpuTime(b) - before
				}
				b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N)/rows, "cpu-ns/row")
			})
		}
	}
}

func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// 100,000 windows close in one batch in about 100 ms (BenchmarkClose). On a machine that is busy that says nothing, so the test compares: it takes no longer
// than opening them with ten rows each.
func TestClosingManyWindowsIsFast(t *testing.T) {
	events := keyed(100_000, 10)
	for name, spec := range map[string]Spec{"tumbling": {Kind: Sliding, Size: 1000, Slide: 1000}, "sessions": {Kind: Session, Size: 1000}} {
		w := newWorld(t, spec, Emit{}, 1)
		w.silent, w.chunk = true, task.ChunkRows
		opening := timeOf(func() { w.run(5, events) })
		closing := timeOf(func() { w.run(task.EndOfTime) })
		t.Logf("%s: opened in %v, closed in %v", name, opening, closing)
		if closing > 2*opening || w.open() != 0 {
			t.Errorf("%s: opened in %v, closed in %v, %d left", name, opening, closing, w.open())
		}
	}
}

func timeOf(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
