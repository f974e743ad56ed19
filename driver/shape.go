package driver

import (
	"fmt"
	"slices"

	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// shape is what the machine needs to know of a plan: names, and who waits for whom.
type shape struct {
	sources  []sourceShape
	sinks    []sinkShape
	onEmpty  bool    // an operator acts on batches without rows (P28)
	every    []int64 // µs: a batch is cut at the multiples of each (P31)
	reach    int64   // µs: how long rows count at most, through chains of windows
	stateful bool
	nodes    []string       // for messages, by node ID: `runningCount "words" (main.go:12)`
	inputs   map[int]string // source nodes, and their names
	lags     bool           // state of an operator is not written in every batch

	accumulators []accumulatorShape
	broadcasts   []string
	events       []eventShape
	operators    []operatorShape // those that have a name, by node
}

// eventShape is an event-time input.
type eventShape struct {
	name    string
	node    int
	sources []string // in whose tasks it is
	time    rdd.EventTime
}

type operatorShape struct {
	node  int
	name  string
	event bool // it counts in event time
}

type accumulatorShape struct {
	name string
	kind rdd.AccumulatorKind
}

type sourceShape struct {
	name    string
	bounded bool     // no partition will be added
	after   []string // table sources that are read up to their targets first (P32)
	table   bool     // others wait for it
}

type sinkShape struct {
	name     string
	onDriver bool
}

// shapeOf reads the shape from a plan.
func shapeOf(p *rdd.Plan) shape {
	s := shape{inputs: map[int]string{}, onEmpty: !p.Fixed()} // what is built for a batch may give rows without input
	for _, w := range p.Wides {
		s.onEmpty = s.onEmpty || w.Wide.OnEmpty
		s.stateful = s.stateful || w.Wide.State
		if w.Name != "" {
			s.operators = append(s.operators, operatorShape{w.ID, w.Name, w.Wide.Event})
		}
		s.lags = s.lags || w.Wide.CheckpointEvery > 1
		if every := w.Wide.Every; every > 0 && !slices.Contains(s.every, every) {
			s.every = append(s.every, every)
		}
	}
	s.reach = reachOf(p)
	tables := map[string]bool{}
	for _, gates := range p.Gates {
		for _, t := range gates {
			tables[t] = true
		}
	}
	for _, n := range p.Sources {
		s.inputs[n.ID] = n.Name
		src := sourceShape{name: n.Name, after: p.Gates[n.Name], table: tables[n.Name]}
		if spec, ok := n.Leaf.(*source.Spec); ok {
			src.bounded = bounded(spec)
		}
		s.sources = append(s.sources, src)
	}
	for _, n := range p.Sinks {
		k := sinkShape{name: n.Name}
		if spec, ok := n.Outlet.(*sink.Spec); ok {
			k.onDriver = spec.OnDriver
		}
		s.sinks = append(s.sinks, k)
	}
	for _, a := range p.Accumulators {
		s.accumulators = append(s.accumulators, accumulatorShape{a.Name, a.Kind})
	}
	for _, b := range p.Broadcasts {
		s.broadcasts = append(s.broadcasts, b.Name)
	}
	for i, n := range p.Events {
		e := eventShape{name: p.EventName(i), node: n.ID, time: *n.Event}
		for _, src := range p.EventSources(i) {
			e.sources = append(e.sources, src.Name)
		}
		s.events = append(s.events, e)
	}
	for _, n := range p.Nodes {
		s.nodes = append(s.nodes, nodeTitle(n))
	}
	return s
}

// reachOf is how far back rows count in the windows of a plan, one behind the other.
func reachOf(p *rdd.Plan) int64 {
	longest := int64(0)
	reach := make([]int64, len(p.Nodes))
	for i, n := range p.Nodes {
		for _, in := range n.In {
			reach[i] = max(reach[i], reach[in.ID])
		}
		if n.Kind == rdd.Wide {
			reach[i] += n.Wide.Reach
		}
		longest = max(longest, reach[i])
	}
	return longest
}

func nodeTitle(n *rdd.Node) string {
	title := n.Op
	if n.Name != "" {
		title += fmt.Sprintf(" %q", n.Name)
	}
	if n.Site != "" {
		title += " (" + n.Site + ")"
	}
	return title
}

// task names a task for messages.
func (s *shape) task(t rdd.TaskID) string {
	switch t {
	case executor.DeltaTask:
		return "state file"
	case executor.FragmentTask:
		return "building its plan"
	}
	return fmt.Sprintf("%s partition %d", s.title(t.Node), t.Part)
}

// title names a node for messages.
func (s *shape) title(node int) string {
	if node >= 0 && node < len(s.nodes) {
		return s.nodes[node]
	}
	return fmt.Sprintf("node %d", node)
}

// source tells whether a node is a source.
func (s *shape) source(node int) bool { return s.inputs[node] != "" }

// node is the number of a source's node, -1 if there is none.
func (s *shape) node(source string) int {
	for id, name := range s.inputs {
		if name == source {
			return id
		}
	}
	return -1
}

// bounded tells whether a source's partitions are all there at the start.
func bounded(s *source.Spec) bool { return s.Kind == "memory" }
