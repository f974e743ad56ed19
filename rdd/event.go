package rdd

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/task"
)

// Watermarks are kept per event-time node: one number a batch, from which the watermarks of all inputs of wide nodes follow by the plan alone. An input's is
// the least of those of the event-time nodes upstream, each minus what wide nodes on the way may still emit behind it (P29):
//
//	orders ─ EventTime a ─▶ window (Hold 0) ─┐
//	                                         ├▶ join: W(a), and W(b) − 1h
//	clicks ─ EventTime b ─▶ session (Hold 1h)┘

// eventInput is a node with EventTime: its name in plan records, and the sources in whose tasks it runs.
type eventInput struct {
	name    string
	sources []*Node
}

// lag says that rows may come hold µs behind the watermark of an event-time node.
type lag struct {
	event int // of Plan.Events
	hold  int64
	cut   bool // in this batch's plan no rows come from there: the watermark of the batch before is all that is known of it
}

// EventName is the name of an event-time node in plan records: its sources' and its column's.
func (p *Plan) EventName(event int) string { return p.inputs[event].name }

// EventSources are the sources in whose tasks an event-time node runs.
func (p *Plan) EventSources(event int) []*Node { return p.inputs[event].sources }

// Timed tells whether rows of n have event time, all or some of them.
func (p *Plan) Timed(n *Node) bool { return len(p.lags[n.ID]) > 0 }

// findEvents numbers the event-time nodes and finds out who lies behind which of them.
func (p *Plan) findEvents() error {
	var mistakes []error
	for _, n := range p.Nodes {
		if n.Event == nil {
			continue
		}
		sources, err := sourcesAbove(n)
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		p.Events = append(p.Events, n)
		p.inputs = append(p.inputs, eventInput{p.eventName(n, sources), sources})
	}
	p.lags = make([][]lag, len(p.Nodes))
	if len(p.Events) > 0 {
		p.deriveLags(func(*Node) bool { return true })
	}
	for _, n := range p.Wides {
		if n.Wide.Event && len(p.lags[n.ID]) == 0 && len(mistakes) == 0 {
			mistakes = append(mistakes, fmt.Errorf("%s: %s%s counts in event time, and none of its rows has any: call EventTime on the stream of a source before it", n.Site, n.Op, quoted(n.Name)))
		}
	}
	return errors.Join(mistakes...)
}

// eventName is the name of a node under which plan records know it.
func (p *Plan) eventName(n *Node, sources []*Node) string {
	var names []string
	for _, s := range sources {
		names = append(names, s.Name)
	}
	name := strings.Join(names, "+")
	if n.Event.Column != "" {
		name += "." + n.Event.Column
	}
	base := name
	for i := 2; slices.ContainsFunc(p.inputs, func(e eventInput) bool { return e.name == name }); i++ {
		name = fmt.Sprintf("%s#%d", base, i)
	}
	return name
}

// sourcesAbove are the sources in whose tasks n runs, ascending. Elsewhere a node cannot give event time: a watermark is kept for each partition of a source.
func sourcesAbove(n *Node) ([]*Node, error) {
	seen := map[*Node]bool{n: true}
	nodes := []*Node{n}
	var sources []*Node
	for i := 0; i < len(nodes); i++ {
		at := nodes[i]
		switch {
		case at.Kind == Wide:
			return nil, fmt.Errorf("%s: EventTime stands behind %s%s (%s), which moves rows between partitions: a watermark is kept for each partition of a source; call EventTime before it",
				n.Site, at.Op, quoted(at.Name), at.Site)
		case at.Expand != nil:
			return nil, fmt.Errorf("%s: EventTime stands behind %s%s (%s), which is built anew for each batch; call EventTime before it", n.Site, at.Op, quoted(at.Name), at.Site)
		case at.Kind == Source:
			sources = append(sources, at)
		}
		for _, in := range at.In {
			if !seen[in] {
				seen[in] = true
				nodes = append(nodes, in)
			}
		}
	}
	slices.SortFunc(sources, func(a, b *Node) int { return a.ID - b.ID })
	return sources, nil
}

// deriveLags fills p.lags for the nodes that want says, from those of their inputs.
func (p *Plan) deriveLags(want func(*Node) bool) {
	for _, n := range p.Nodes {
		if n.Kind == Hole || !want(n) {
			continue
		}
		if i := slices.Index(p.Events, n); i >= 0 {
			p.lags[n.ID] = []lag{{event: i}}
			continue
		}
		p.lags[n.ID] = p.lagOf(n)
	}
}

// lagOf is the lag of n's rows behind each event-time node upstream: the longest way counts.
func (p *Plan) lagOf(n *Node) []lag {
	var out []lag
	for _, in := range n.In {
		for _, l := range p.lags[in.ID] {
			if n.Kind == Wide && !fault.Planted("P29-hold") {
				l.hold += n.Wide.Hold
			}
			i := slices.IndexFunc(out, func(o lag) bool { return o.event == l.event })
			if i < 0 {
				out = append(out, l)
			} else {
				out[i].hold = max(out[i].hold, l.hold)
			}
		}
	}
	slices.SortFunc(out, func(a, b lag) int { return a.event - b.event })
	return out
}

// keepEvents fills what findEvents does in the plan of one batch. Nodes of the job keep the lags that they have in static: what a transform builds must not
// make their watermarks fall from one batch to the next. What it cuts off from an event-time node knows of it what the plan record says.
func (p *Plan) keepEvents(static *Plan) {
	p.inputs, p.lags = static.inputs, make([][]lag, len(p.Nodes))
	if len(static.Events) == 0 {
		return
	}
	p.Events = p.twins(static.Events)
	p.deriveLags(func(*Node) bool { return true })
	for id, lags := range static.lags {
		if static.Nodes[id].Kind == Hole {
			continue
		}
		now := p.lags[id]
		p.lags[id] = slices.Clone(lags)
		for i := range p.lags[id] {
			l := &p.lags[id][i]
			l.cut = !slices.ContainsFunc(now, func(o lag) bool { return o.event == l.event })
		}
	}
}

// Soonest is the lowest watermark of event-time nodes at which a row that is due at an event time can be due in n: what it needs at least.
func (p *Plan) Soonest(n *Node, due int64) int64 {
	least := int64(0)
	for i, l := range p.lagsOfInputs(n) {
		if i == 0 || l.hold < least {
			least = l.hold
		}
	}
	return due + least
}

func (p *Plan) lagsOfInputs(n *Node) []lag {
	var all []lag
	for _, in := range n.In {
		all = append(all, p.lags[in.ID]...)
	}
	return all
}

// Watermark is what a plan record says of an event-time node: all that its watermark behind the batch follows from, but for the rows of the batch (P1). What
// partitions have reached is the highest event time of their rows, NoTime before the first.
type Watermark struct {
	Input  string  `cbor:"1,keyasint"`           // Plan.EventName
	Before int64   `cbor:"2,keyasint"`           // behind the batch before
	Rest   int64   `cbor:"3,keyasint"`           // what the partitions that the batch does not read have reached, the lowest of those that are not idle; EndOfTime: all are
	Most   int64   `cbor:"4,keyasint"`           // what any partition has reached
	Highs  []int64 `cbor:"5,keyasint,omitempty"` // what the partitions that it reads have reached, in the order of its ranges
}

// After is the watermark behind a batch. met is what the rows of the batch have, in the order of w.Highs. It never falls (P28).
func (e *EventTime) After(w *Watermark, met []int64, time int64, final bool) int64 {
	if final {
		return task.EndOfTime // P30
	}
	low := w.Rest
	for i, h := range w.Highs {
		low = min(low, max(h, met[i]))
	}
	at := task.Earlier(low, e.Delay)
	if len(w.Highs) == 0 && w.Rest == task.EndOfTime { // every partition is idle
		at = task.Earlier(w.Most, e.Delay)
		if e.Follow > 0 {
			at = max(at, time-e.Follow)
		}
	}
	if fault.Planted("P28-falls") {
		return at
	}
	return max(at, w.Before)
}

// text is what decides watermarks, for the plan's text.
func (e *EventTime) text() string {
	if e == nil {
		return ""
	}
	span := func(name string, µs int64) string {
		if µs == 0 {
			return ""
		}
		return fmt.Sprintf(", %s %v", name, time.Duration(µs)*time.Microsecond)
	}
	by := cmp.Or(e.Column, "by a function")
	return fmt.Sprintf(", event time %s, delay %v", by, time.Duration(e.Delay)*time.Microsecond) + span("idle after", e.Idle) + span("ahead", e.Ahead) + span("follows the clock by", e.Follow)
}
