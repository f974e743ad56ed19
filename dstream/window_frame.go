package dstream

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/eventwindow"
	"github.com/millrace/millrace/rdd"
)

// Windowed are the rows of a Frame in windows, by key: Agg and TopN say what is kept of them. It is a value.
type Windowed struct {
	f    Frame
	w    Window
	opts []WindowedOption
	keys []any
}

// Window puts the rows into windows, by event time (EventTime) unless w is by batch time. See docs/windows.md for what is shown when, and what is late.
//
// Options: AllowedLateness, OnChange, Early, MaxState, ShedOldest; EveryRows for Global.
func (f Frame) Window(w Window, opts ...WindowedOption) Windowed {
	return Windowed{f: f, w: w, opts: opts}
}

// GroupBy are windows for each key: names of columns, or expressions, which As names. Without it there is one window for all rows at a time.
func (w Windowed) GroupBy(keys ...any) Windowed {
	w.keys = append(w.keys[:len(w.keys):len(w.keys)], keys...)
	return w
}

// base is what operators on windows have in common. ok is false after a mistake.
func (w Windowed) base(at rdd.Site, op, name string) (a eventwindow.Aggregation, o eventOptions, ok bool) {
	j := w.f.job
	o = eventSettings(j, at, name, w.opts)
	ok = true
	mistake := func(format string, args ...any) {
		j.mistakef(at, op+": "+format, args...)
		ok = false
	}
	if err := w.w.check(); err != nil {
		mistake("%v", err)
	}
	spec := w.w.spec
	a = eventwindow.Aggregation{Name: name, Spec: spec, Emit: o.emit, Rows: w.f.Schema()}
	if spec.Timed() && !spec.Batch {
		if a.Time, a.Shift = w.f.eventTime(at, op); a.Time == nil {
			ok = false
		}
	}
	for _, wrong := range misplaced(spec, o) {
		mistake("%s", wrong)
	}
	for _, k := range w.f.f.BindAll(at, op, w.keys...) {
		if k == nil {
			ok = false
			continue
		}
		a.Keys = append(a.Keys, k)
	}
	return a, o, ok
}

// misplaced are options that windows of this kind do not have.
func misplaced(spec eventwindow.Spec, o eventOptions) (wrong []string) {
	refuse := func(option, why string) {
		if o.set[option] {
			wrong = append(wrong, option+" "+why)
		}
	}
	if !spec.Timed() || spec.Batch {
		refuse("AllowedLateness", "is for windows of event time: nothing is late here")
	}
	if spec.Kind == eventwindow.Count {
		refuse("OnChange", "is not for CountWindow, which shows a window when it is full")
		refuse("Early", "is not for CountWindow, which shows a window when it is full")
	}
	if spec.Kind != eventwindow.Global {
		refuse("EveryRows", "is for Global; CountWindow has windows of so many rows")
	}
	if !spec.Timed() {
		refuse("ShedOldest", "is for windows of time: the others have no oldest")
	}
	if o.emit.OnChange {
		refuse("Early", "adds nothing to OnChange")
	}
	return wrong
}

// windowSpec is the node's part that follows from windows and options.
func windowSpec(a *eventwindow.Aggregation, o eventOptions, facts string) *rdd.WideSpec {
	s := &rdd.WideSpec{
		State: true, StateKey: a.Key, StateVal: a.State, Facts: a.Spec.String() + a.Emit.String() + facts,
		Event: a.Time != nil, Hold: a.Emit.Lateness, Every: a.Emit.Every,
	}
	if a.Emit.Every > 0 {
		s.More = []rdd.Store{{Name: eventwindow.Changed, Key: a.Key, Val: eventwindow.ChangedVal()}}
	}
	if a.Spec.Batch && a.Spec.Kind == eventwindow.Sliding && s.Every == 0 {
		s.Every, s.Reach = a.Spec.Slide, a.Spec.Size
	}
	return s
}

// Desc turns an order around in TopN.
func Desc(by any) any { return descending{by} }

type descending struct{ by any }

// TopN keeps the first n rows of each key and window in an order, given by names of columns and expressions, Desc for the greatest first; nulls are last, and of equal
// rows those that came first are first. The rows get window_start and window_end, unless they have columns of these names, and their rank, from 1 on; their event time is the end of windows that were added. It shows them as Agg shows
// results. n is at most 10,000.
func (w Windowed) TopN(name string, n int, by ...any) Frame {
	at, j := rdd.Caller(), w.f.job
	a, o, ok := w.base(at, "topN", name)
	t := &eventwindow.Top{Aggregation: a, N: n}
	if n < 1 || n > maxTop {
		j.mistakef(at, "topN: %d rows; 1 to %d", n, maxTop)
		ok = false
	}
	if k := a.Spec.Kind; k == eventwindow.Session || k == eventwindow.Count || k == eventwindow.Global {
		j.mistakef(at, "topN is for Tumbling, Sliding, Days and Months")
		ok = false
	}
	if len(by) == 0 {
		j.mistakef(at, "topN: in which order? Name a column")
		ok = false
	}
	for _, b := range by {
		d, desc := b.(descending)
		if desc {
			b = d.by
		}
		if e := w.f.f.BindAll(at, "topN", b)[0]; e != nil {
			t.By = append(t.By, eventwindow.Order{By: e, Desc: desc})
		} else {
			ok = false
		}
	}
	if !ok {
		return w.failedTop(at)
	}
	t.Name = name
	if err := t.Prepare(); err != nil {
		j.mistakef(at, "topN: %v", err)
		return w.failedTop(at)
	}
	o.limits(&t.Aggregation)
	s := windowSpec(&t.Aggregation, o, keyFacts(&t.Aggregation)+": "+t.String())
	s.Inputs, s.New = []rdd.Input{t.Input()}, t.New
	risky := slices.Clone(a.Keys)
	for _, o := range t.By {
		risky = append(risky, o.By)
	}
	f := Frame{j, w.f.f.Accepted(at, risky...)}
	return f.windowed(at, "topN", name, t.Out, s, t.AddsWindow())
}

const maxTop = 10_000

// failedTop stands for the result of TopN behind a mistake.
func (w Windowed) failedTop(at rdd.Site) Frame {
	return Frame{w.f.job, w.f.f.Failed(at, "topN", "window_start", "window_end", "rank")}
}

// limits sets what a holds at most, whose schemas are known.
func (o eventOptions) limits(a *eventwindow.Aggregation) {
	if a.Emit.MaxBytes = o.max; a.Emit.Shed {
		a.Emit.MaxRows = o.max / eventwindow.RowBytes(a.Key, a.State)
	}
}

// windowed adds the node of an operator of windows of event time or others. Dated rows have the last microsecond of their windows for event time.
func (f Frame) windowed(at rdd.Site, op, name string, out *arrow.Schema, s *rdd.WideSpec, dated bool) Frame {
	n := f.job.b.Add(at, &rdd.Node{Kind: rdd.Wide, Op: op, Name: name, In: []*rdd.Node{f.node()}, Val: rdd.FrameCodec(f.job.b, at, out), Wide: s})
	r := rdd.FrameOf(f.job.b, n)
	if dated && s.Event {
		r = r.Timed("window_end", -1)
	}
	return Frame{f.job, r}
}

// eventTime is the event time of a frame's rows, a column and an offset in µs, or a mistake.
func (f Frame) eventTime(at rdd.Site, op string) (*expr.Bound, int64) {
	column, offset, ok := f.f.Time()
	if !ok {
		if f.f.TimeDoubted() {
			return nil, 0
		}
		f.job.mistakef(at, "%s: the rows have no event time; say which column it is with EventTime, or use ByBatchTime", op)
		return nil, 0
	}
	return f.f.BindAll(at, op, column)[0], offset
}
