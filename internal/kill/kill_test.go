package kill

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestKillFiles(t *testing.T) { killSink(t, "files") }

func TestKillLog(t *testing.T) { killSink(t, "log") }

func TestKillKafka(t *testing.T) { killSink(t, "kafka") }

// killSink runs both jobs, with scripted and with free cuts, and kills their processes.
func killSink(t *testing.T, sink string) {
	needProc(t)
	kills := killCount()
	seed := seedOf(t)
	for i, c := range []struct {
		job      string
		scripted bool
	}{{"words", true}, {"enrich", false}, {"words", false}, {"enrich", true}} {
		n := (kills + 3 - i) / 4
		if n == 0 {
			continue
		}
		name := c.job + "-" + map[bool]string{true: "scripted", false: "free"}[c.scripted]
		t.Run(name, func(t *testing.T) {
			d := &disturbance{job: c.job, sink: sink, scripted: c.scripted, seed: seed + uint64(i)}
			d.rng = rand.New(rand.NewPCG(d.seed, 3))
			d.victim = i
			for d.kills < n {
				d.round(t, n-d.kills)
				d.seed += 100
			}
			t.Logf("%d kills, %d of the driver, %d executors adopted; restarted drivers committed after %s", d.kills, d.drivers, d.adopted, spread(d.restarts))
		})
	}
}

// killCount is how many processes are killed for each sink.
func killCount() int {
	if n, err := strconv.Atoi(os.Getenv("MILLRACE_KILLS")); err == nil {
		return n
	}
	if os.Getenv("MILLRACE_LONG") != "" {
		return 36
	}
	return 6
}

func seedOf(t testing.TB) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano() % 1_000_000)
	if s, err := strconv.ParseUint(os.Getenv("MILLRACE_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("seed %d; repeat with MILLRACE_SEED=%d", seed, seed)
	return seed
}

// needProc skips where processes cannot be found by their environment.
func needProc(t testing.TB) {
	t.Helper()
	if !exists("/proc/self/environ") {
		t.Skip("\n*** KILL TEST SKIPPED: there is no /proc by which the processes of a test are found ***")
	}
}

// disturbance kills processes of one job after another.
type disturbance struct {
	job, sink      string
	program        string // as world.program
	scripted       bool
	seed           uint64
	rng            *rand.Rand
	victim         int // of the next kill: victims take turns
	kills, drivers int
	adopted        int
	restarts       []time.Duration // from starting a driver after a kill to its first committed batch
}

const batchesPerKill = 12

// round runs one world to its end and kills up to n processes on the way.
func (d *disturbance) round(t *testing.T, n int) {
	w, batches := d.world(t, n)
	want := published(nil)
	if d.scripted {
		calm, _ := d.world(t, n)
		calm.start(t).finish(t)
		want = calm.verify(t)
	}
	var p *process
	restarted := false
	for used := 0; used < n; {
		if p == nil {
			p = w.start(t)
		}
		if !d.moment(t, p) {
			break // the job ended before it could be killed
		}
		used++
		d.kills++
		if d.strike(t, w, p) {
			d.heard(p, restarted)
			p, restarted = nil, true
			w.collect(t)
		}
	}
	if p == nil {
		p = w.start(t)
	}
	p.finish(t)
	d.heard(p, restarted)
	w.awaitNoProcess(t, orphanLimit)
	got := w.verify(t)
	if d.scripted {
		if len(w.plans) != batches {
			w.failf(t, "%d batches, the script has %d", len(w.plans), batches)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
			w.failf(t, "the output differs from that of an undisturbed run (-undisturbed +disturbed):\n%s", diff)
		}
	}
}

// world is a fresh one with enough batches for n kills.
func (d *disturbance) world(t *testing.T, n int) (*world, int) {
	batches := 20 + n*batchesPerKill
	if d.scripted {
		w := scriptedWorld(t, d.job, d.sink, d.seed, batches)
		w.program = d.program
		return w, batches
	}
	w := newWorld(t, d.job, d.sink, d.seed, batches*4)
	// About 16 records a batch of 5 ms.
	w.flags = []string{"--interval", "5ms", "--until-caught-up", "--max-rate", "3200"}
	if d.job == "words" { // state between two files is computed again by lineage (P15)
		w.flags = append(w.flags, "--checkpoint-every", "5")
	}
	return w, 0
}

// scriptedWorld is one in which the ranges of all batches are fixed.
func scriptedWorld(t *testing.T, job, sink string, seed uint64, batches int) *world {
	t.Helper()
	w := newWorld(t, job, sink, seed, batches*4)
	w.in.script(t, seed, batches, w.cuts())
	w.flags = []string{"--cuts", w.cuts(), "--interval", "asap"}
	return w
}

// moment waits for the next kill: some batches on and then up to ten milliseconds more, or at any time while the driver starts.
func (d *disturbance) moment(t *testing.T, p *process) bool {
	if d.rng.IntN(5) == 0 {
		return p.sleep(time.Duration(d.rng.IntN(200)) * time.Millisecond)
	}
	return p.await(t, d.rng.Int64N(batchesPerKill)) && p.sleep(time.Duration(d.rng.IntN(10_000))*time.Microsecond)
}

// sleep lets time pass; false means that the driver ended meanwhile.
func (p *process) sleep(d time.Duration) bool {
	select {
	case <-time.After(d):
		return !p.ended()
	case <-p.done:
		return false
	}
}

// strike kills the driver, one executor, or all processes, and tells whether the driver was among them.
func (d *disturbance) strike(t *testing.T, w *world, p *process) bool {
	victims := w.processes(t, false)
	d.victim++
	switch d.victim % 3 {
	case 0: // one executor
		if len(victims) > 0 {
			_ = syscall.Kill(victims[d.rng.IntN(len(victims))], syscall.SIGKILL)
			return false
		}
	case 1: // all, in any order
		victims = append(victims, p.cmd.Process.Pid)
		d.rng.Shuffle(len(victims), func(i, j int) { victims[i], victims[j] = victims[j], victims[i] })
		for _, pid := range slices.Clone(victims) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	d.drivers++
	p.kill(t)
	return true
}

// heard gathers what a driver told.
func (d *disturbance) heard(p *process, restarted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if restarted {
		d.adopted += p.adopted
		if p.first > 0 {
			d.restarts = append(d.restarts, p.first)
		}
	}
}

// spread is the median and the maximum.
func spread(list []time.Duration) string {
	if len(list) == 0 {
		return "no restart"
	}
	list = slices.Sorted(slices.Values(list))
	return fmt.Sprintf("%v (median), %v (most)", list[len(list)/2].Round(time.Millisecond), list[len(list)-1].Round(time.Millisecond))
}
