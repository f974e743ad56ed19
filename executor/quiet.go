package executor

import (
	"slices"

	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// A batch is quiet as long as no task of it, on any executor that this one has heard of, gave rows to a lane. Blocks without rows that go to lanes only are
// then held back, and with them most of what executors would say to each other in a batch that shows nothing:
//
//	all quiet   every executor reports Staged (Quiet), the driver knows that all lanes have nothing to publish, and no block has travelled
//	one is not  it sends its blocks, marked loud, to everyone; whoever hears that, sends what it holds back, and goes on as ever
//
// Who is quiet, has done all its tasks, and has lanes that wait for what others hold back, reports all the same (Waits), and again when they are done. Blocks between tasks are never held back.

// mayBeQuiet tells whether batches of an assignment may be. Each executor comes to the same answer.
func (e *core) mayBeQuiet(a *Assign) bool {
	if !e.plan.Fixed() || e.cfg.Capture != nil {
		return false
	}
	for _, addr := range a.Peers { // whoever holds something back has to hear of it
		if addr == "" && len(a.Peers) > 1 {
			return false
		}
	}
	hosts := slices.Clone(a.Reduce)
	for _, s := range a.Sources {
		hosts = append(hosts, s.Executor)
	}
	var dead []*rdd.Node
	for _, n := range e.plan.Nodes {
		if n.Dead != nil {
			dead = append(dead, n.Dead)
		}
	}
	for _, n := range e.plan.Sinks {
		if spec, ok := n.Outlet.(*sink.Spec); !ok || spec.EveryBatch {
			return false
		}
		if slices.Contains(dead, n) { // few rows go there: it pays to tell everyone then
			continue
		}
		for _, h := range hosts {
			if !slices.Contains(a.Lanes[n.Name], h) {
				return false // it would have to be told of each batch with rows
			}
		}
	}
	return true
}

// giveRows tells whether a task has rows for a lane.
func (r *run) givesRows(t *task) bool {
	return slices.ContainsFunc(t.blocks, func(b rdd.Block) bool { return b.Rec != nil && r.toLane(b.Edge) })
}

// toLane tells whether an edge leads to lanes.
func (r *run) toLane(e rdd.EdgeID) bool { return r.graph.Nodes[e.Node].Kind == rdd.Sink }

// parcelOut sorts a task's blocks by the executors that gather them, and delivers this executor's own. In a quiet batch it keeps back those that are for lanes, unless some for tasks
// go to the same executor.
func (e *core) parcelOut(t *task) map[string][]rdd.Block {
	r := t.run
	out := map[string][]rdd.Block{}
	var later []rdd.Block
	for _, b := range t.blocks {
		owner := e.ownerOf(r, b.Edge, b.Part)
		switch {
		case owner == e.name:
			e.deliver(r, b, t.says)
		case owner == "":
		case r.quiet && r.toLane(b.Edge):
			later = append(later, b)
		default:
			out[owner] = append(out[owner], b)
		}
	}
	kept := 0
	for _, b := range later {
		if owner := e.ownerOf(r, b.Edge, b.Part); out[owner] != nil {
			out[owner] = append(out[owner], b)
			continue
		}
		later[kept] = b
		kept++
	}
	if kept > 0 {
		r.held = append(r.held, heldBack{t, later[:kept]})
	}
	return out
}

// heldBack are blocks of a task that were not sent.
type heldBack struct {
	task   *task
	blocks []rdd.Block
}

// endQuiet sends what was held back, and returns to whom. The batch is like any other from now on.
func (e *core) endQuiet(r *run) map[string]bool {
	if !r.quiet {
		return nil
	}
	held := r.held
	r.quiet, r.held = false, nil
	told := map[string]bool{}
	for _, h := range held {
		out := map[string][]rdd.Block{}
		for _, b := range h.blocks {
			switch owner := e.ownerOf(r, b.Edge, b.Part); owner {
			case "":
			case e.name: // since an assignment
				e.deliver(r, b, h.task.says)
			default:
				out[owner] = append(out[owner], b)
			}
		}
		for owner, blocks := range out { // each to another peer: their order does not show
			e.push(owner, h.task, blocks)
			told[owner] = true
		}
	}
	return told
}

// tellOthers lets peers know that a batch is not quiet, if they do not hear it by blocks.
func (e *core) tellOthers(t *task, heard map[string]bool, blocks map[string][]rdd.Block) {
	for name := range e.peers {
		if !heard[name] && blocks[name] == nil {
			e.push(name, t, nil)
		}
	}
}

// waitsQuietly tells whether all that is left to do of a batch are lanes that wait for what others hold back.
func (r *run) waitsQuietly() bool { return r.quiet && r.open > 0 && r.open == r.lanesOpen }

// calm ends a batch that was quiet everywhere, as far as its lanes are concerned: they have got nothing.
func (e *core) calm(r *run) {
	if !r.quiet {
		return
	}
	r.waits = false
	for _, t := range e.laneTasks(r) {
		if t.status != done {
			e.complete(t, nil)
		}
	}
}

// still tells whether no own lane has anything of a batch to publish.
func (r *run) still() bool {
	for _, t := range r.tasks {
		if t.lane != nil && t.staged && !t.published {
			return false
		}
	}
	return true
}
