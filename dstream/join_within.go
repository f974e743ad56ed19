package dstream

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/join"
	"github.com/millrace/millrace/rdd"
)

// Bound says how near each other in event time the rows of a pair are. See Within.
type Bound struct{ before, after time.Duration }

// Within joins a row with rows of the other side that happened up to before earlier and up to after later, both ends included. One of them may be negative:
// Within(-time.Minute, time.Hour) is from a minute to an hour later.
func Within(before, after time.Duration) Bound { return Bound{before, after} }

// JoinWithin gives the pairs of a row of f and a row of o that have equal keys and happened near each other, whatever batches they come in: the columns of
// f, then those of o. Both need EventTime. Options: On, OnEqual, the kind, If, Suffix. A null, of a key or a time, matches nothing.
//
// Rows wait, in state under name, until the lower of the two watermarks says that no row can come that matches them. Rows behind that watermark are late: they are
// dropped and counted. Pairs go out in the batch in which the second of them comes; a row without partner, if the kind wants it, in the batch in which the watermark
// makes sure that none can come.
//
// The result's event time is that of f's rows, of a RightJoin that of o's; a FullJoin's has none, as neither is always there. Its LateRows are those of f's rows that
// were late, its LateRightRows those of o's; they go through no further shuffle. What is late and could not have been in the result for a null in its key is neither counted nor given.
func (f Frame) JoinWithin(name string, o Frame, bound Bound, opts ...JoinOption) Frame {
	at, j := rdd.Caller(), f.job
	s := j.keepingState(at, "joinWithin", name, opts)
	w := &join.Within{Limit: join.Limit{Name: name, Bytes: s.Max}, Spec: *s.Spec(j.b, at, "joinWithin", f.Schema(), o.Schema(), f.node(), o.node()), Before: bound.before.Microseconds(), After: bound.after.Microseconds()}
	if w.Before+w.After < 0 {
		j.mistakef(at, "joinWithin: Within(%v, %v) has its end before its beginning", bound.before, bound.after)
		w.Before, w.After = 0, 0
	}
	ok := w.Key != nil
	for i, side := range []Frame{f, o} {
		var timed bool
		w.Time[i], timed = eventColumn(at, "joinWithin", side)
		ok = ok && timed
	}
	if !ok {
		return f.failedJoin(at, "joinWithin", o, s, &w.Spec)
	}
	if err := w.Prepare(); err != nil {
		j.mistakef(at, "joinWithin: %v", err)
		return f.failedJoin(at, "joinWithin", o, s, &w.Spec)
	}
	f, o = Frame{j, f.f.Accepted(at, w.Sides[0].Keys...)}, Frame{j, o.f.Accepted(at, w.Sides[1].Keys...)}
	hold := max(w.After, 0)
	if rdd.JoinKind(s.Kind) == RightJoin {
		hold = max(w.Before, 0)
	}
	n := j.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "joinWithin", Name: name, In: []*rdd.Node{f.node(), o.node()}, Val: rdd.FrameCodec(j.b, at, w.Out),
		Wide: &rdd.WideSpec{
			Inputs: w.Inputs(), New: w.New, State: true, StateKey: join.PlaceCodec(), StateVal: w.Held[0],
			More:  []rdd.Store{{Name: "right", Key: join.PlaceCodec(), Val: w.Held[1]}},
			Facts: fmt.Sprintf("%s, within %v before and %v after", s.Text(), bound.before, bound.after), Event: true, Hold: hold,
		},
	})
	return f.joined(at, n, o, &w.Spec, w.Time)
}

// JoinAsOf joins each row with the version of its key that was valid when it happened: of the rows of versions with that key, the last that happened then or before; of
// several at one time, the one that came last. Both need EventTime. Options: On, OnEqual, If (over the pair: a version for which it is not true counts as none, so a column can say that
// the key ended), Suffix, and of the kinds InnerJoin, LeftJoin, SemiJoin and AntiJoin. A null matches nothing.
//
// A row waits, in state under name, until the lower of the two watermarks has passed it: then all versions up to it are there. Rows and versions behind that watermark are late:
// dropped and counted. Of a key's versions those are kept that such rows may want, the last one for ever. The result's event time is that of f's rows. Its LateRows and LateRightRows are rows of f and versions that were late.
func (f Frame) JoinAsOf(name string, versions Frame, opts ...JoinOption) Frame {
	return f.asOf(rdd.Caller(), "joinAsOf", name, versions, false, opts)
}

// JoinAsOfNow is JoinAsOf without waiting: a row gets the last version that is known in its batch and happened at its time or before. A version that comes later changes nothing.
func (f Frame) JoinAsOfNow(name string, versions Frame, opts ...JoinOption) Frame {
	return f.asOf(rdd.Caller(), "joinAsOfNow", name, versions, true, opts)
}

func (f Frame) asOf(at rdd.Site, op, name string, versions Frame, now bool, opts []JoinOption) Frame {
	j := f.job
	s := j.keepingState(at, op, name, opts)
	if s.Kind.Lonely(1) {
		j.mistakef(at, "%s: a %s join would show versions that no row asks for; use LeftJoin", op, s.Kind)
	}
	a := &join.AsOf{Limit: join.Limit{Name: name, Bytes: s.Max}, Spec: *s.Spec(j.b, at, op, f.Schema(), versions.Schema(), f.node(), versions.node()), AtOnce: now}
	ok := a.Key != nil
	for i, side := range []Frame{f, versions} {
		var timed bool
		a.Time[i], timed = eventColumn(at, op, side)
		ok = ok && timed
	}
	if !ok {
		return f.failedJoin(at, op, versions, s, &a.Spec)
	}
	if err := a.Prepare(); err != nil {
		j.mistakef(at, "%s: %v", op, err)
		return f.failedJoin(at, op, versions, s, &a.Spec)
	}
	f, versions = Frame{j, f.f.Accepted(at, a.Sides[0].Keys...)}, Frame{j, versions.f.Accepted(at, a.Sides[1].Keys...)}
	n := j.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: op, Name: name, In: []*rdd.Node{f.node(), versions.node()}, Val: rdd.FrameCodec(j.b, at, a.Out),
		Wide: &rdd.WideSpec{
			Inputs: a.Inputs(), New: a.New, State: true, StateKey: join.PlaceCodec(), StateVal: a.Held[0],
			More:  []rdd.Store{{Name: "versions", Key: join.PlaceCodec(), Val: a.Held[1]}},
			Facts: s.Text(), Event: true,
		},
	})
	return f.joined(at, n, versions, &a.Spec, a.Time)
}

// failedJoin stands for the result of a join of f with o behind a mistake.
func (f Frame) failedJoin(at rdd.Site, op string, o Frame, s *rdd.JoinSettings, spec *join.Spec) Frame {
	return Frame{f.job, s.Failed(at, op, f.f, o.f, spec)}.mistaken(f, o)
}

// joined is what a join of f with o gives, whose node is n: its results, and late rows where somebody asks for these. Until then n gives results alone.
func (f Frame) joined(at rdd.Site, n *rdd.Node, o Frame, s *join.Spec, time [2]join.Time) Frame {
	j := f.job
	results := j.b.Add(at, &rdd.Node{Kind: rdd.Narrow, Op: "results", In: []*rdd.Node{n}, Val: n.Val, Kernel: s.ResultPart})
	late := func(side int) func(rdd.Site) Frame {
		return func(at rdd.Site) Frame {
			if s.Stream == nil {
				s.WithLate()
				n.Val = rdd.FrameCodec(j.b, at, s.Stream)
				n.Wide.Facts += ", late rows"
			}
			val := [2]*rdd.Node{f.node(), o.node()}[side].Val
			return Frame{j, rdd.FrameOf(j.b, j.b.Add(at, &rdd.Node{Kind: rdd.Narrow, Op: "lateRows", In: []*rdd.Node{n}, Val: val, Kernel: s.LatePart(side)}))}
		}
	}
	return joinedTime(Frame{j, rdd.FrameOf(j.b, results)}, *s, time).gives(beside{late: late(0), lateRight: late(1)})
}

// eventColumn is where f's rows have their event time. That they have none is a mistake.
func eventColumn(at rdd.Site, op string, f Frame) (t join.Time, ok bool) {
	column, offset, ok := f.f.Time()
	places := f.Schema().FieldIndices(column)
	switch {
	case ok && len(places) == 1:
		return join.Time{Column: places[0], Offset: offset}, true
	case !ok && !f.f.TimeDoubted(): // otherwise a mistake in EventTime was reported
		f.job.mistakef(at, "%s: rows need event time on both sides; say where it is with EventTime, and keep the column", op)
	}
	return t, false
}

// joinedTime is f, the result of a join, with the event time that its rows have from a side whose row is always there.
func joinedTime(f Frame, s join.Spec, time [2]join.Time) Frame {
	switch rdd.JoinKind(s.Kind) {
	case FullJoin:
		return f
	case RightJoin:
		return timedBy(f, s, 1, time[1])
	}
	return timedBy(f, s, 0, time[0])
}

// timedBy is f, the result of a join, with the event time of the rows of one side.
func timedBy(f Frame, s join.Spec, side int, t join.Time) Frame {
	if !s.Kind.Pairs() {
		return Frame{f.job, f.f.Timed(s.Out.Field(t.Column).Name, t.Offset)}
	}
	for i, from := range s.From {
		if place := [2]int{from.Left, from.Right}[side]; place == t.Column {
			return Frame{f.job, f.f.Timed(s.Out.Field(i).Name, t.Offset)}
		}
	}
	return f
}

// keepTime is out, a join in which each row of f is in its own batch, with the event time of f.
func (f Frame) keepTime(out Frame, s join.Spec) Frame {
	column, offset, ok := f.f.Time()
	at := f.Schema().FieldIndices(column)
	if !ok || len(at) != 1 || s.Kind.Lonely(1) {
		return out
	}
	return timedBy(out, s, 0, join.Time{Column: at[0], Offset: offset})
}
