package driver

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/row"
)

// heartbeats is how often an executor says that it lives, per lease.
const heartbeats = 5

// heldEvery is how often an executor says what its readers hold, at most. What is held and not told waits a whole interval longer, so it is a small part of one; with asap
// (interval 0) a batch waits for it.
func heldEvery(interval time.Duration) time.Duration {
	return min(max(interval/20, 250*time.Microsecond), 5*time.Millisecond)
}

// welcome tells an executor what to build and after how many batches to write state, and hears whether it can join.
func (e *engine) welcome(name string, conn executor.Conn, every int) (joined, error) {
	w := &executor.Welcome{
		Epoch: e.rec.Epoch, Executor: name, Args: e.cfg.Args, Env: settingsEnv(), Values: e.plan.Values,
		Program: e.exe, PlanText: e.plan.Text, Job: e.cfg.Name, UUID: e.rec.UUID, Timeline: e.rec.Timeline,
		Checkpoint: e.dir, Nonce: e.nonce, Older: olderRows(e.rec.Operators),
		Settings: executor.Settings{
			StopOnBad: e.cfg.OnBadRecord == "stop", PrefetchBytes: e.cfg.PrefetchBytes, CheckpointEvery: every,
			HeartbeatMillis: max(e.cfg.Lease.Milliseconds()/heartbeats, 1), HeldMicros: heldEvery(e.cfg.Interval).Microseconds(), Brokers: e.cfg.Brokers, LogDir: e.cfg.LogDir,
			OffsetReset: e.cfg.OnOffsetGone == "reset", Deltas: e.dir != "",
		},
	}
	if err := conn.Send(w); err != nil {
		return joined{}, err
	}
	m, err := conn.Recv()
	if err != nil {
		return joined{}, err
	}
	j, ok := m.(*executor.Join)
	switch {
	case !ok:
		return joined{}, fmt.Errorf("executor %s answered a welcome with %T", name, m)
	case j.Refusal != "":
		return joined{}, fmt.Errorf("it does not join: %s", j.Refusal)
	case e.dir != "" && !j.Shared:
		e.log.Info("executor is on another machine, its state comes here", "executor", name)
	}
	return joined{
		name: name, slots: j.Slots, addr: j.Addr, hosts: j.Slots > 0, far: e.dir != "" && !j.Shared,
		local: e.master.kind == masterLocal || j.Slots == 0,
	}, nil
}

// olderRows are what rows of older state files hold in columns that came later, by operator.
func olderRows(ops []checkpoint.Operator) map[string][]row.Default {
	older := map[string][]row.Default{}
	for _, o := range ops {
		if len(o.Added) > 0 {
			older[o.Name] = o.Added
		}
	}
	return older
}

// settingsEnv are the MILLRACE_* settings that executors get (P21). Files with secrets are named by flags; their content is not in here.
func settingsEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "MILLRACE_") && !strings.HasPrefix(kv, envSocket+"=") {
			env = append(env, kv)
		}
	}
	return env
}

// errNoFleet is returned by launch where executors come by themselves.
var errNoFleet = errors.New("executors of this master are started elsewhere")
