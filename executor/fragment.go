package executor

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/rdd"
)

// FragmentTask names the building of a batch's own nodes in TaskFailed and Retry (P22).
var FragmentTask = rdd.TaskID{Node: -2}

// built is the plan of a batch, from build.
type built struct {
	run  *run
	plan *rdd.Plan
	err  error
}

// build makes the plan of a batch by the user's functions (P22), beside the loop: they may take their time. At most one goroutine a batch in flight.
func (e *core) build(ctx context.Context, r *run) {
	r.unbuilt = false
	static, b := e.plan, rdd.BatchInfo{Number: r.plan.Batch, Time: r.plan.Time, Final: r.plan.Final, Versions: r.versions}
	e.group.Go(func() error {
		ev := built{run: r}
		err := guarded(func() error {
			ev.plan, ev.err = static.For(b)
			return nil
		})
		if err != nil {
			ev.err = fmt.Errorf("batch %d, its plan: %w: %w", b.Number, errBroken, err)
		}
		e.post(ctx, ev)
		return nil
	})
}

// onBuilt starts a batch whose nodes are there. The driver hears of them first, so that it can compare before anything of the batch is published, and
// before executors wait for each other's blocks in vain.
func (e *core) onBuilt(ev built) {
	r := ev.run
	if r.gone {
		return
	}
	if ev.err != nil {
		r.unbuilt = true
		e.fail(r.key.batch, FragmentTask, r.builds, ev.err, false)
		return
	}
	e.say(&Built{Batch: r.key.batch, Hash: ev.plan.Fragment[:], Fragments: ev.plan.Fragments})
	e.begin(r, ev.plan)
	e.ownTasks(r)
	e.wake(r)
}
