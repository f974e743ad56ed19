package clock

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestFine: waits end in their order, none too early, and where there is a timer some of them, on a machine however busy, within a fraction of a millisecond.
func TestFine(t *testing.T) {
	var mu sync.Mutex
	var late []time.Duration
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			for k := range 5 {
				d := time.Duration(1+(i*7+k*13)%60) * time.Millisecond / 3
				began := time.Now()
				at := <-Fine{}.After(d)
				if took := time.Since(began); took < d || at.Sub(began) < d {
					t.Errorf("waited %v, asked for %v", took, d)
				} else if i < 3 {
					mu.Lock()
					late = append(late, took-d)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for range 50 { // alone
		began := time.Now()
		<-Fine{}.After(2300 * time.Microsecond)
		late = append(late, time.Since(began)-2300*time.Microsecond)
	}
	slices.Sort(late)
	t.Logf("half come within %v, nine of ten within %v", late[len(late)/2], late[len(late)*9/10])
	if runtime.GOOS == "linux" && late[len(late)/20] > 500*time.Microsecond {
		t.Errorf("all but a twentieth come %v late and more", late[len(late)/20])
	}
	if _, ok := <-(Fine{}).After(-1); !ok {
		t.Error("no time")
	}
	abandoned := Fine{}.After(time.Millisecond)
	<-Fine{}.After(2 * time.Millisecond)
	if len(abandoned) != 1 {
		t.Error("a wait that nobody waits for is late")
	}
}

func BenchmarkFine(b *testing.B) {
	for b.Loop() {
		Fine{}.After(20 * time.Millisecond)
	}
}
