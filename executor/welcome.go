package executor

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
)

// heartbeatOf is the pause between heartbeats, half a second where the setting is absent. Four without any end the lease.
func heartbeatOf(millis int64) time.Duration {
	if millis <= 0 {
		return 500 * time.Millisecond
	}
	return time.Duration(millis) * time.Millisecond
}

// onWelcome takes a driver, or says why not. A driver with a higher epoch replaces the one before it; an older one is refused (I9).
func (e *core) onWelcome(from *link, w *Welcome) {
	refusal := e.refuses(w)
	if refusal == "" {
		refusal = e.prepareJob(from, w)
	}
	if refusal != "" {
		e.log.Debug("driver refused", "epoch", w.Epoch, "reason", refusal) // the driver warns, and JoinDriver's error says it here
		from.past = true
		select {
		case from.out <- &Join{Executor: e.name, PID: os.Getpid(), Refusal: refusal}:
		default:
		}
		return
	}
	if e.driver != nil && e.driver != from {
		e.driver.past = true
		e.driver.close()
	}
	e.driver, e.epoch, e.generation, e.behind, e.beat = from, w.Epoch, 0, nil, nil
	e.rejoined = true
	e.versions.welcome()
	if w.Executor != "" {
		e.name = w.Executor
	}
	e.say(&Join{
		Executor: e.name, Slots: e.cfg.Slots, Addr: e.address(), PID: os.Getpid(), Shared: w.Checkpoint != "" && e.courier == nil, Holds: e.holds(),
	})
	if from.beat {
		e.heartbeat()
	}
}

// refuses compares epochs and settings: what is wrong with the driver itself.
func (e *core) refuses(w *Welcome) string {
	if w.Epoch < e.epoch && !fault.Planted("I9-executor") {
		return fmt.Sprintf("driver of epoch %d is older than the one of epoch %d that this executor follows", w.Epoch, e.epoch)
	}
	return ""
}

// sees tells whether the checkpoint's directory is seen from here, under its path: the driver's nonce file is in it (P23).
func sees(w *Welcome) bool {
	if w.Nonce == "" || fault.Planted("P23-shared") {
		return true
	}
	_, err := os.Stat(filepath.Join(w.Checkpoint, w.Nonce))
	return err == nil
}

// findDepot finds where state files go: into the checkpoint's folder if it is seen, else to the driver. Without a checkpoint there is no such place.
func (e *core) findDepot(from *link, w *Welcome) error {
	switch {
	case w.Checkpoint == "":
		e.courier, e.state = nil, nil
	case sees(w):
		dir, err := checkpoint.OpenState(w.Checkpoint)
		if err != nil {
			return err
		}
		e.courier, e.state = nil, folder{dir}
	default:
		e.courier = newCourier(from)
		e.state = e.courier
		e.log.Info("checkpoint is not seen from here, the driver keeps state", "executor", e.name, "checkpoint", w.Checkpoint)
	}
	return nil
}

// prepareJob builds the job's plan, or finds that it is the one that it has, and opens the state folder.
func (e *core) prepareJob(from *link, w *Welcome) (refusal string) {
	defer func() {
		if p := recover(); p != nil {
			refusal = fmt.Sprintf("the job function panics here: %v\n%s", p, debug.Stack())
		}
	}()
	plan := e.plan
	if plan == nil {
		plan = e.cfg.Plan
	}
	if plan == nil {
		if e.cfg.Build == nil {
			return "this executor has no job"
		}
		var err error
		if plan, err = e.cfg.Build(w); err != nil {
			return err.Error()
		}
	}
	if w.PlanText != "" && w.PlanText != plan.Text {
		return "the job has another plan here than on the driver; start both from the same binary:\n" + difference(w.PlanText, plan.Text)
	}
	if e.cfg.Check != nil {
		if err := e.cfg.Check(w, plan); err != nil {
			return err.Error()
		}
	}
	if err := e.findDepot(from, w); err != nil {
		return err.Error()
	}
	e.hello, e.set = w, w.Settings
	e.adopt(plan)
	return ""
}

// adopt makes plan the executor's.
func (e *core) adopt(plan *rdd.Plan) {
	if e.plan == plan {
		return
	}
	e.plan = plan
	e.shared.Store(plan)
	e.readers = map[int][]int{}
	for _, n := range plan.Wides {
		for _, table := range n.Wide.Tables {
			e.readers[table.ID] = append(e.readers[table.ID], n.ID)
		}
	}
}

// holds is the newest version that all of the state has.
func (e *core) holds() int64 {
	if len(e.parts) == 0 || e.preparing != nil {
		return 0
	}
	v := int64(-1)
	for _, x := range e.parts {
		for _, k := range x.tables {
			if v < 0 || k.at < v {
				v = k.at
			}
		}
	}
	return max(v, e.committed)
}

// address is where peers send blocks.
func (e *core) address() string {
	if e.cfg.Listen == nil {
		return ""
	}
	return e.cfg.Listen.Network + ":" + e.cfg.Listen.Addr
}

// difference shows the lines that only one of two texts has.
func difference(driver, here string) string {
	const most = 20
	a, b := strings.Split(driver, "\n"), strings.Split(here, "\n")
	in := func(list []string) map[string]bool {
		m := map[string]bool{}
		for _, l := range list {
			m[l] = true
		}
		return m
	}
	hasA, hasB := in(a), in(b)
	var out []string
	for _, l := range a {
		if !hasB[l] {
			out = append(out, "  driver:   "+l)
		}
	}
	for _, l := range b {
		if !hasA[l] {
			out = append(out, "  executor: "+l)
		}
	}
	if len(out) > most {
		out = append(out[:most], fmt.Sprintf("  … and %d more lines", len(out)-most))
	}
	if len(out) == 0 {
		return "  (the same lines in another order)"
	}
	return strings.Join(out, "\n")
}
