package executor

import (
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/rdd"
)

// runKey names a batch as it was planned. Blocks carry it: those of another plan of the same batch are never mixed in (P14).
type runKey struct {
	batch int64
	hash  string
}

// place is where blocks meet: one partition or lane of an edge.
type place struct {
	edge rdd.EdgeID
	part int
}

// run is a batch in flight on this executor.
type run struct {
	key     runKey
	plan    *checkpoint.Plan
	graph   *rdd.Plan   // the nodes that it runs; nil while they are built (P22)
	wire    runKey      // names its blocks: key, and the hash of what was built for the batch
	layout  *rdd.Layout // the plan's; without lanes in a replay that nobody captures
	replay  bool
	skip    map[LaneID]bool
	attempt int
	began   time.Time

	marks    *rdd.Timeline  // event time, nil where the job has none
	versions []*rdd.Version // of broadcasts, by their numbers in the plan

	upstream map[rdd.EdgeID]*upstream
	gathers  map[place]*gather
	tasks    map[rdd.TaskID]*task // of the parts that this executor owns

	open      int        // own tasks that are not done
	lanesOpen int        // of these, tasks of lanes
	fresh     []TaskDone // done since the last Staged
	kept      int64      // bytes of own tasks' blocks
	finished  bool       // Staged was sent, under this generation
	quiet     bool       // no rows for lanes have been heard of, and blocks without rows for them are held back
	held      []heldBack // these
	waits     bool       // Staged was sent while lanes wait for what others hold back
	failed    bool       // its delta file could not be written; Retry tries again
	unbuilt   bool       // its nodes could not be built; Retry tries again
	builds    int        // attempts at that which failed
	writing   bool       // its delta file is being written
	ref       *checkpoint.DeltaRef
	files     int  // delta files that were written for it
	owned     int  // grows when stateful tasks are gained
	covered   bool // ref covers all that the executor owns

	publish bool // the driver said so
	told    bool // Published was sent for the last Publish
	gone    bool // rolled back or committed: what still arrives for it is dropped
}

// upstream are the tasks that write blocks for an edge in this batch, in order (I7). Everyone computes the same from the plan record.
type upstream struct {
	tasks []rdd.TaskID
	index map[rdd.TaskID]int
}

// gather collects the blocks of one place.
type gather struct {
	recs    []arrow.Record
	sums    []uint64
	got     []bool
	missing int
}

// rows are the blocks that hold any, in upstream order.
func (g *gather) rows() []arrow.Record {
	var recs []arrow.Record
	for _, r := range g.recs {
		if r != nil {
			recs = append(recs, r)
		}
	}
	return recs
}

func (g *gather) empty() bool {
	for _, r := range g.recs {
		if r != nil {
			return false
		}
	}
	return true
}

// status of a task.
type status uint8

const (
	waiting status = iota // for blocks, for state, or for its turn
	queued                // for a slot
	running
	failed // until Retry
	done
)

// task is one task of one batch: a source partition, a reduce partition of a wide node, or a lane of a sink.
type task struct {
	id      rdd.TaskID
	node    *rdd.Node
	run     *run
	status  status
	attempt int
	size    int64 // rough work, for the order in which tasks start
	lost    bool  // its part moved or was rolled back: what it still gives is dropped

	from *reader          // source
	rng  checkpoint.Range // source
	part *part            // wide
	in   []*gather        // wide, by input; one for a lane
	lane *lane            // lane

	blocks []rdd.Block // kept until Committed
	says   []int64     // of event time, with the blocks
	sums   []uint64

	staged    bool // lane: it was given to the sink, and has to be published
	published bool // lane: it is
	asked     bool // lane: publishing was handed to the lane

	counters *rdd.Counters // of the last attempt, for the planted faults of P17 only
	tally    *rdd.Tally
}

// newRun is a batch without tasks.
func newRun(plan *checkpoint.Plan, replay, capture bool) *run {
	r := &run{
		key: keyOf(plan), plan: plan, layout: &plan.Layout, replay: replay,
		skip: map[LaneID]bool{}, upstream: map[rdd.EdgeID]*upstream{}, gathers: map[place]*gather{}, tasks: map[rdd.TaskID]*task{},
	}
	if replay && !capture {
		r.layout = &rdd.Layout{Reduce: plan.Layout.Reduce}
	}
	return r
}

// use gives the batch its nodes, and finds out who writes for whom.
func (r *run) use(p *rdd.Plan) {
	r.graph, r.wire = p, r.key
	r.marks = rdd.NewTimeline(p, r.plan.Watermarks, r.sourceTasks(), r.plan.Time, r.plan.Final)
	if len(p.Fragments) > 0 {
		r.wire.hash += string(p.Fragment[:])
	}
	for _, n := range p.Nodes {
		switch n.Kind {
		case rdd.Wide:
			for i := range n.In {
				r.feed(rdd.EdgeID{Node: n.ID, Input: i})
			}
		case rdd.Sink:
			r.feed(rdd.EdgeID{Node: n.ID})
		}
	}
}

// sourceTasks are the batch's source tasks, in the order of its ranges.
func (r *run) sourceTasks() []rdd.TaskID {
	if len(r.graph.Events) == 0 {
		return nil
	}
	var tasks []rdd.TaskID
	for _, g := range r.plan.Ranges {
		if n := r.graph.Node(g.Source); n != nil && g.From < g.Until {
			tasks = append(tasks, rdd.TaskID{Node: n.ID, Part: g.Partition})
		}
	}
	return tasks
}

func keyOf(plan *checkpoint.Plan) runKey { return runKey{plan.Batch, string(plan.Hash)} }

// feed computes the edge's upstream tasks: by root, then partition. Source partitions without a range have no task.
func (r *run) feed(e rdd.EdgeID) {
	u := &upstream{index: map[rdd.TaskID]int{}}
	for _, root := range r.graph.Feeders(e) {
		if root.Kind == rdd.Source {
			for _, g := range r.plan.Ranges {
				if g.Source == root.Name && g.From < g.Until {
					u.tasks = append(u.tasks, rdd.TaskID{Node: root.ID, Part: g.Partition})
				}
			}
			continue
		}
		for part := range r.layout.Reduce {
			u.tasks = append(u.tasks, rdd.TaskID{Node: root.ID, Part: part})
		}
	}
	for i, t := range u.tasks {
		u.index[t] = i
	}
	r.upstream[e] = u
}

// gather is the meeting point of a place.
func (r *run) gather(at place) *gather {
	g := r.gathers[at]
	if g == nil {
		n := len(r.upstream[at.edge].tasks)
		g = &gather{recs: make([]arrow.Record, n), sums: make([]uint64, n), got: make([]bool, n), missing: n}
		r.gathers[at] = g
	}
	return g
}

// opened counts a task that is to be done, or again.
func (r *run) opened(t *task) { r.count(t, 1) }

// closed counts a task that is done, or somebody else's.
func (r *run) closed(t *task) { r.count(t, -1) }

func (r *run) count(t *task, n int) {
	r.open += n
	if t.node.Kind == rdd.Sink {
		r.lanesOpen += n
	}
}

// received are the blocks that came from tasks of others, to be kept when the batch is taken back and launched again.
func (r *run) received() []arrival {
	var blocks []arrival
	for at, g := range r.gathers { // order does not matter: each block has its place
		for i, from := range r.upstream[at.edge].tasks {
			if g.got[i] && r.tasks[from] == nil {
				b := rdd.Block{Edge: at.edge, Part: at.part, From: from, Rec: g.recs[i], Sum: g.sums[i]}
				blocks = append(blocks, arrival{Block: b, says: r.marks.Said(from)})
			}
		}
	}
	return blocks
}

// width is how many partitions or lanes an edge has.
func (r *run) width(e rdd.EdgeID) int {
	if n := r.graph.Nodes[e.Node]; n.Kind == rdd.Sink {
		return r.layout.Lanes[n.Name]
	}
	return r.layout.Reduce
}
