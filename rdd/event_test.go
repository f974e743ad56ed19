package rdd_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/task"
	"github.com/millrace/millrace/rdd"
)

// timed is a plan of sources, event times and wide nodes.
type timed struct {
	t     *testing.T
	nodes []*rdd.Node
}

func (p *timed) add(n *rdd.Node, in ...*rdd.Node) *rdd.Node {
	n.In, n.Val = in, codec[int64]()
	n.Op, n.Site = strings.ToLower(fmt.Sprint(n.Kind)), fmt.Sprintf("main.go:%d", len(p.nodes)+1)
	p.nodes = append(p.nodes, n)
	return n
}

func (p *timed) source(name string) *rdd.Node {
	return p.add(&rdd.Node{Kind: rdd.Source, Name: name, Leaf: eventLeaf{name}})
}

func (p *timed) event(column string, delay int64, in ...*rdd.Node) *rdd.Node {
	return p.add(&rdd.Node{Kind: rdd.Narrow, Kernel: ops.EventTime(func(s int64) time.Time { return time.Unix(s, 0) }), Event: &rdd.EventTime{Column: column, Delay: delay}}, in...)
}

func (p *timed) wide(hold int64, in ...*rdd.Node) *rdd.Node {
	w := &rdd.WideSpec{Hold: hold, New: func() rdd.Reducer { return nil }}
	for range in {
		w.Inputs = append(w.Inputs, rdd.Input{})
	}
	return p.add(&rdd.Node{Kind: rdd.Wide, Wide: w}, in...)
}

func (p *timed) build() *rdd.Plan {
	p.t.Helper()
	plan := &rdd.Plan{Nodes: p.nodes}
	if err := plan.Build(); err != nil {
		p.t.Fatal(err)
	}
	return plan
}

func codec[T any]() *row.Codec { return rdd.CodecOf[T](&rdd.Builder{}, rdd.Site{}) }

// eventLeaf is a source's connector, by name.
type eventLeaf struct{ name string }

func (l eventLeaf) PlanText() string        { return l.name }
func (l eventLeaf) NewDecoder() rdd.Decoder { return nil }

// TestWatermarksFollow: the watermark of an input is the least of those upstream, each minus what is held back on the longest way (P29).
//
//	a ─ at (1) ─┬──────────────── window (5) ─┐
//	            └─ session (20) ── window (0) ┼─ join (0) ─ last
//	b ─ t (2) ────────────────────────────────┘
func TestWatermarksFollow(t *testing.T) {
	p := &timed{t: t}
	at := p.event("at", 1, p.source("a"))
	other := p.event("t", 2, p.source("b"))
	window := p.wide(5, at)
	second := p.wide(0, p.wide(20, at))
	join := p.wide(0, window, second, other)
	last := p.wide(0, join)
	plan := p.build()

	a, b := plan.Node("a").ID, plan.Node("b").ID
	record := []rdd.Watermark{
		{Input: "a.at", Before: 100, Rest: rdd.EndOfTime, Highs: []int64{101, 110}},
		{Input: "b.t", Before: 90, Rest: 95, Highs: []int64{95}},
	}
	tl := rdd.NewTimeline(plan, record, []rdd.TaskID{{Node: a}, {Node: a, Part: 1}, {Node: b, Part: 3}}, 1000, false)
	tl.Hear(rdd.TaskID{Node: a}, []int64{131, rdd.NoTime})
	tl.Hear(rdd.TaskID{Node: a, Part: 1}, []int64{120, rdd.NoTime})
	tl.Hear(rdd.TaskID{Node: b, Part: 3}, []int64{rdd.NoTime, 200})
	if d := cmp.Diff([]int64{119, 93}, tl.After()); d != "" {
		t.Fatal(d)
	}
	marks, low := tl.Marks(join)
	if d := cmp.Diff([]rdd.Mark{{Before: 95, After: 114}, {Before: 80, After: 99}, {Before: 90, After: 93}}, marks); d != "" {
		t.Error(d)
	}
	if want := (rdd.Mark{Before: 80, After: 93}); low != want {
		t.Errorf("the lowest is %v, want %v", low, want)
	}
	if _, low := tl.Marks(last); low != (rdd.Mark{Before: 80, After: 93}) {
		t.Errorf("behind the join it is %v", low)
	}
	if due := plan.Soonest(join, 50); due != 50 {
		t.Errorf("a row due at 50 takes %d at least", due)
	}
	if due := plan.Soonest(second, 50); due != 70 {
		t.Errorf("a row due at 50 behind a session takes %d", due)
	}
	elsewhere := rdd.NewTimeline(plan, record, []rdd.TaskID{{Node: a}, {Node: a, Part: 1}, {Node: b, Part: 3}}, 1000, false)
	elsewhere.Hear(rdd.TaskID{Node: join.ID}, tl.Says())
	if marks, _ := elsewhere.Marks(last); marks[0] != low {
		t.Errorf("who hears of the join alone knows %v", marks)
	}
	final := rdd.NewTimeline(plan, record, nil, 1000, true)
	if _, low := final.Marks(last); low.After != rdd.EndOfTime {
		t.Errorf("the final watermark is %d (P30)", low.After)
	}
}

// TestWatermarkAfter: what a batch makes of what partitions have reached (P28).
func TestWatermarkAfter(t *testing.T) {
	const none, end = rdd.NoTime, rdd.EndOfTime
	for name, c := range map[string]struct {
		w    rdd.Watermark
		met  []int64
		want int64
	}{
		"the lowest partition counts":           {rdd.Watermark{Before: 10, Rest: end, Highs: []int64{30, 40}}, []int64{35, 60}, 30},
		"with those that are not read":          {rdd.Watermark{Before: 10, Rest: 33, Highs: []int64{30, 40}}, []int64{35, 60}, 28},
		"it never falls":                        {rdd.Watermark{Before: 10, Rest: 3, Highs: []int64{30}}, []int64{35}, 10},
		"one without any holds it back":         {rdd.Watermark{Before: none, Rest: none, Most: 30, Highs: []int64{30}}, []int64{35}, none},
		"rows without event time change little": {rdd.Watermark{Before: 10, Rest: end, Highs: []int64{30}}, []int64{none}, 25},
		"all idle: the highest":                 {rdd.Watermark{Before: 10, Rest: end, Most: 70}, nil, 65},
		"all idle, and the clock is later":      {rdd.Watermark{Before: 10, Rest: end, Most: 7}, nil, 50},
		"no partition was ever there":           {rdd.Watermark{Before: none, Rest: end, Most: none}, nil, 50},
		"a first row just above all times":      {rdd.Watermark{Before: none, Rest: end, Highs: []int64{none}}, []int64{none + 1}, none + 2},
	} {
		e := rdd.EventTime{Delay: 5, Follow: 950}
		if got := e.After(&c.w, c.met, 1000, false); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := task.Earlier(end, 5); got != end {
		t.Errorf("before the end of time is %d", got)
	}
}

// TestEventMistakes: event time belongs to a source's partitions.
func TestEventMistakes(t *testing.T) {
	p := &timed{t: t}
	p.event("at", 0, p.wide(0, p.source("a")))
	if err := (&rdd.Plan{Nodes: p.nodes}).Build(); err == nil || !strings.Contains(err.Error(), "main.go:3: EventTime stands behind") {
		t.Errorf("event time behind a shuffle: %v", err)
	}
	p = &timed{t: t}
	p.wide(0, p.source("a")).Wide.Event = true
	if err := (&rdd.Plan{Nodes: p.nodes}).Build(); err == nil || !strings.Contains(err.Error(), "none of its rows has any") {
		t.Errorf("counting in event time without it: %v", err)
	}
	p = &timed{t: t}
	src := p.source("a")
	p.event("at", 0, src)
	p.event("at", 5, src)
	plan := p.build()
	if plan.EventName(0) != "a.at" || plan.EventName(1) != "a.at#2" {
		t.Errorf("two on one column are %q and %q", plan.EventName(0), plan.EventName(1))
	}
}
