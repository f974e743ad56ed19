package dstream

import (
	"slices"
	"strings"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/agg"
	"github.com/millrace/millrace/internal/eventwindow"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// Agg keeps aggregates of each key and window under name. Results have the keys' columns, window_start and window_end where windows have them, and the aggregates; their
// event time is the window's last microsecond, so that windows behind this one take them into the same span, in the same batch.
//
// A window is shown once, when the watermark reaches its end, and what comes later is late; options say otherwise. Those that are shown for a change come in order of the
// first appearance of (key, window) in the batch, then those that close, by (end, key).
//
// LateRows of the result are the rows whose windows were all final, and those without an event time. They cost a second way through the shuffle for all rows of the input.
func (w Windowed) Agg(name string, aggs ...expr.Agg) Frame {
	at, j := rdd.Caller(), w.f.job
	base, o, ok := w.base(at, "window", name)
	set, err := agg.Bind(w.f.Schema(), aggs)
	w.f.f.MistakeOf(at, "window", err)
	if err != nil || !ok {
		return w.failedAgg(at, aggs)
	}
	if eventwindow.Overlaps(base.Spec, o.emit, set) {
		return w.overlapping(at, &base, o, aggs)
	}
	a := &base
	a.Set = set
	if err := a.Prepare(); err != nil {
		j.mistakef(at, "window: %v", err)
		return w.failedAgg(at, aggs)
	}
	o.limits(a)
	s := windowSpec(a, o, aggFacts(a))
	s.Inputs, s.New = []rdd.Input{a.Input()}, a.New
	in := Frame{j, w.f.f.Accepted(at, append(slices.Clone(a.Keys), set.Risky(w.f.Schema())...)...)}
	wide := in.windowed(at, "window", name, a.Out, s, true)
	if a.Spec.Kind != eventwindow.Count { // which keeps rows as they came
		read := append(append([]*expr.Bound{}, a.Keys...), set.Exprs()...)
		if a.Time != nil {
			read = append(read, a.Time)
		}
		wide.node().Cols = rdd.ReadBy(in.node(), read...)
	}
	// A window whose late rows nobody reads gives results alone; LateRows makes it give both, and this operator takes its part.
	results := j.b.Add(at, &rdd.Node{Kind: rdd.Narrow, Op: "results", In: []*rdd.Node{wide.node()}, Val: wide.node().Val, Kernel: func() rdd.Kernel {
		if a.Both == nil {
			return ops.Pass()
		}
		return eventwindow.Part(a.Out, false, 1)()
	}})
	j.b.Certain(results)
	out := rdd.FrameOf(j.b, results)
	if column, offset, timed := wide.f.Time(); timed {
		out = out.Timed(column, offset)
	}
	return Frame{j, out}.gives(beside{late: func(at rdd.Site) Frame { return w.f.lateRows(at, a, wide.node()) }})
}

// failedAgg stands for the result of Agg behind a mistake.
func (w Windowed) failedAgg(at rdd.Site, aggs []expr.Agg) Frame {
	return Frame{w.f.job, w.f.f.FailedAgg(at, "window", w.keys, eventwindow.Bounds(), aggs)}.mistaken(w.f)
}

// overlapping is Agg of sliding windows that are kept as one.
func (w Windowed) overlapping(at rdd.Site, a *eventwindow.Aggregation, o eventOptions, aggs []expr.Agg) Frame {
	never := func(at rdd.Site) Frame { return w.f.lateRows(at, a, nil) }
	g := w.f.f.GroupBy(w.keys...)
	how := g.Bind(at, append(aggs[:len(aggs):len(aggs)], expr.Count().As(eventwindow.RowsColumn)))
	if how == nil {
		return w.failedAgg(at, aggs)
	}
	keys := how.Out.Fields()[:len(how.Keys)]
	n := &eventwindow.Overlapping{Spec: a.Spec, Name: a.Name, MaxBytes: o.max}
	n.Keys, n.Key, n.Set, n.Partial, n.Out = how.Keys, how.Key, how.Set, how.Partial, eventwindow.OverlappingOut(keys, how.Set.Result())
	a.Set = how.Set
	place, held := eventwindow.BatchesStore()
	out := w.f.windowed(at, "window", a.Name, n.Out, &rdd.WideSpec{
		Inputs: []rdd.Input{n.Input()}, New: n.New, Facts: a.Spec.String() + aggFacts(a),
		State: true, StateKey: n.Key, StateVal: n.Partial, More: []rdd.Store{{Name: eventwindow.Batches, Key: place, Val: held}},
		Every: a.Spec.Slide, Reach: a.Spec.Size,
	}, false)
	w.f.job.b.Certain(out.node())
	out.node().Cols = rdd.ReadBy(w.f.node(), n.Exprs()...)
	return out.gives(beside{late: never})
}

// lateRows lets the operator of a give late rows, and is these.
func (f Frame) lateRows(at rdd.Site, a *eventwindow.Aggregation, wide *rdd.Node) Frame {
	if a.Both == nil {
		if err := a.WithLate(); err != nil {
			f.job.mistakef(at, "LateRows: %v", err)
			return f
		}
		codec, err := row.OfSchema(a.Both)
		if err != nil {
			f.job.mistakef(at, "LateRows: %v", err)
			return f
		}
		wide.Val, wide.In, wide.Cols = codec, append(wide.In, wide.In[0]), nil // late rows are whole
		wide.Wide.Inputs = append(wide.Wide.Inputs, a.LateInput())
		wide.Wide.Facts += ", late rows"
	}
	n := f.job.b.Add(at, &rdd.Node{
		Kind: rdd.Narrow, Op: "lateRows", In: []*rdd.Node{wide}, Val: f.node().Val, Kernel: eventwindow.Part(a.Rows, true, 1+a.Out.NumFields()),
	})
	return Frame{f.job, rdd.FrameOf(f.job.b, n)}
}

// aggFacts are keys and aggregates, for the plan's text.
func aggFacts(a *eventwindow.Aggregation) string {
	return keyFacts(a) + ": " + a.Set.Text()
}

func keyFacts(a *eventwindow.Aggregation) string {
	if len(a.Keys) == 0 {
		return ""
	}
	var keys []string
	for _, k := range a.Keys {
		keys = append(keys, k.Expr().String())
	}
	return ", by " + strings.Join(keys, ", ")
}
