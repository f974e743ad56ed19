package kill

import (
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestKilledWhileEnding kills an executor when the last batches are under way: its child's successor starts while the driver drains and stops.
func TestKilledWhileEnding(t *testing.T) {
	needProc(t)
	seed := seedOf(t)
	rounds := 4
	if os.Getenv("MILLRACE_LONG") != "" {
		rounds = 30
	}
	for i := range rounds {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			const batches = 12
			w := newWorld(t, "words", "log", seed, batches*4)
			w.in.script(t, seed, batches, w.cuts())
			w.flags = []string{"--cuts", w.cuts(), "--interval", "asap"}
			p := w.start(t)
			p.await(t, 4+rng.Int64N(batches-4))
			p.sleep(time.Duration(rng.IntN(5_000)) * time.Microsecond)
			if victims := w.processes(t, false); len(victims) > 0 {
				_ = syscall.Kill(victims[rng.IntN(len(victims))], syscall.SIGKILL)
			}
			began := time.Now()
			p.finish(t)
			if d := time.Since(began); d > 10*time.Second {
				w.failf(t, "the job took %v to end after an executor was killed:\n%s", d, p.output())
			}
			w.awaitNoProcess(t, orphanLimit)
			w.verify(t)
		})
	}
}
