package executor

import (
	"slices"

	"github.com/millrace/millrace/rdd"
)

// dispatch hands work to idle slots.
func (e *core) dispatch() {
	if len(e.behind) > 0 && e.preparing == nil {
		return // a rollback waits for the slots
	}
	for e.busy < e.cfg.Slots {
		var w work
		switch {
		case len(e.files) > 0:
			w, e.files = e.files[0], e.files[1:]
		default:
			t := e.nextTask()
			if t == nil {
				return
			}
			w = e.workOf(t)
		}
		e.busy++
		e.work <- w
	}
}

// nextTask takes the best task that may start: older batches first, then wide tasks, then the larger. A batch that is not the oldest
// waits while the blocks that are kept for the batches before it fill their bound (I8).
func (e *core) nextTask() *task {
	for i, t := range e.ready {
		if t.lost || t.status != queued {
			continue
		}
		if t.run != e.runs[0] && e.keptBytes() > e.cfg.BlockBytes {
			continue
		}
		e.ready = slices.Delete(e.ready, i, i+1)
		return t
	}
	e.ready = slices.DeleteFunc(e.ready, func(t *task) bool { return t.lost || t.status != queued })
	return nil
}

func (e *core) keptBytes() int64 {
	n := int64(0)
	for _, r := range e.runs {
		n += r.kept
	}
	return n
}

// enqueue puts a task among those that are ready.
func (e *core) enqueue(t *task) {
	t.status = queued
	i, _ := slices.BinarySearchFunc(e.ready, t, func(a, b *task) int {
		if a.run.key.batch != b.run.key.batch {
			return int(a.run.key.batch - b.run.key.batch)
		}
		if w := kindOrder(a) - kindOrder(b); w != 0 {
			return w
		}
		switch {
		case a.size > b.size:
			return -1
		case a.size < b.size:
			return 1
		}
		return 0
	})
	e.ready = slices.Insert(e.ready, i, t)
}

func kindOrder(t *task) int {
	if t.node.Kind == rdd.Wide {
		return 0
	}
	return 1
}
