package kill

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// TestNoOrphans kills a driver again and again. Each new one adopts the executors of the one before, no process is left over, and executors whose
// driver does not come back end by themselves (P20).
func TestNoOrphans(t *testing.T) {
	needProc(t)
	kills := 8
	if os.Getenv("MILLRACE_LONG") != "" {
		kills = 32
	}
	seed := seedOf(t)
	rng := rand.New(rand.NewPCG(seed, 4))
	w := scriptedWorld(t, "words", "log", seed, 20+kills*8)
	adopted := 0
	var restarts []time.Duration
	for range kills {
		p := w.start(t)
		if !p.await(t, 1+rng.Int64N(6)) {
			w.failf(t, "the driver ended:\n%s", p.output())
		}
		if n := len(w.processes(t, false)); n > 3 {
			w.failf(t, "%d executors, want 3:\n%s", n, p.output())
		}
		p.kill(t)
		p.mu.Lock()
		if adopted += p.adopted; p.adopted > 0 {
			restarts = append(restarts, p.first)
		}
		p.mu.Unlock()
		w.collect(t)
	}
	if want := (kills - 1) * 3; adopted != want {
		w.failf(t, "%d executors were adopted in %d restarts, want %d", adopted, kills-1, want)
	}
	t.Logf("restarted drivers committed after %s", spread(restarts))
	began := time.Now()
	w.awaitNoProcess(t, orphanLimit)
	t.Logf("executors without a driver ended after %v", time.Since(began).Round(time.Millisecond))
	p := w.start(t)
	p.finish(t)
	w.awaitNoProcess(t, 3*time.Second)
	w.verify(t)
}
