package driver

import (
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/rdd"
)

func printActions(acts []action) []string {
	var out []string
	for _, a := range acts {
		if s := printAction(a); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func ms(micros int64) string { return fmt.Sprintf("%gms", float64(micros)/1000) }

func printAction(a action) string {
	switch a := a.(type) {
	case appendFrame:
		var parts []string
		for _, c := range a.commits {
			s := fmt.Sprintf("commit %d%s%s", c.Batch, printDeltas(c.Deltas), printTotals(c.Totals))
			for _, r := range c.Reached {
				s += fmt.Sprintf(" %s=%d%v", r.Input, r.Watermark, r.Partitions)
			}
			if c.Fragment != nil {
				s += fmt.Sprintf(" built %s", c.Fragment)
			}
			parts = append(parts, s)
		}
		if a.plan != nil {
			parts = append(parts, "plan "+printPlan(a.plan))
		}
		return "append " + strings.Join(parts, ", ")
	case send:
		return fmt.Sprintf("send %s %s", a.to, printMessage(a.m))
	case share:
		return fmt.Sprintf("share %s %s:%s", a.to, a.version.name, a.version.hash)
	case forget:
		return fmt.Sprintf("forget %s:%s stored=%d", a.version.name, a.version.hash, a.stored)
	case spawn:
		return fmt.Sprintf("spawn %s after %s", a.name, ms(a.after))
	case dismiss:
		return "dismiss " + a.name
	case wake:
		return "wake " + ms(a.at)
	case replay:
		return fmt.Sprintf("replay (%d, %d]", a.from, a.until)
	case report:
		if a.told.Batch > 0 {
			return printTold(a.told)
		}
		return fmt.Sprintf("report %d %v%s", a.batch, a.offsets, printTotals(a.totals))
	case tell:
		return printTold(a.what)
	case finished:
		return "finished"
	case note:
		if a.level == "debug" {
			return ""
		}
		return fmt.Sprintf("%s %s %v", a.level, a.text, a.attrs)
	case stop:
		return strings.TrimRight("stop "+a.err, " ")
	}
	return fmt.Sprintf("%#v", a)
}

// printTold prints what listeners hear, moments in milliseconds.
func printTold(o occasion) string {
	at := func(t time.Time) string { return ms(t.UnixMicro()) }
	switch o := o.(type) {
	case JobStarted:
		return fmt.Sprintf("tell started at=%s committed=%d planned=%d executors=%d", at(o.At), o.Committed, o.Planned, o.Executors)
	case BatchSubmitted:
		return fmt.Sprintf("tell submitted %d time=%s at=%s %v again=%v", o.Batch, at(o.Time), at(o.At), o.Sources, o.Again)
	case BatchStarted:
		return fmt.Sprintf("tell batch started %d time=%s at=%s", o.Batch, at(o.Time), at(o.At))
	case OutputPublished:
		return fmt.Sprintf("tell output %d time=%s %s at=%s", o.Batch, at(o.Time), o.Sink, at(o.At))
	case BatchFailed:
		return fmt.Sprintf("tell failed %d %s attempt=%d on %s: %s final=%v at=%s", o.Batch, o.Task, o.Attempt, o.Executor, o.Err, o.Final, at(o.At))
	case ExecutorJoined:
		return fmt.Sprintf("tell joined %s slots=%d at=%s", o.Name, o.Slots, at(o.At))
	case ExecutorLost:
		return fmt.Sprintf("tell lost %s at=%s: %s", o.Name, at(o.At), o.Why)
	case BatchCompleted:
		s := fmt.Sprintf("tell completed %d time=%s submitted=%s started=%s ended=%s rows=%d bad=%d %v", o.Batch, at(o.Time), at(o.Submitted), at(o.Started), at(o.Ended), o.Rows, o.Bad, o.Sources)
		for _, x := range o.Outputs {
			s += fmt.Sprintf(" %s at=%s", x.Sink, at(x.At))
		}
		return s + fmt.Sprintf(" scheduling=%v processing=%v total=%v", o.SchedulingDelay(), o.ProcessingDelay(), o.TotalDelay())
	}
	return fmt.Sprintf("tell %T", o)
}

func printDeltas(refs []checkpoint.DeltaRef) string {
	var names []string
	for _, d := range refs {
		names = append(names, d.File)
	}
	if len(names) == 0 {
		return ""
	}
	return "[" + strings.Join(names, " ") + "]"
}

func printTotals(totals []checkpoint.Total) string {
	s := ""
	for _, t := range totals {
		s += fmt.Sprintf(" %s=%s", t.Name, t.Text())
	}
	return s
}

func printPins(pins []checkpoint.Pin) string {
	s := ""
	for _, p := range pins {
		s += fmt.Sprintf(" %s#%d:%s", p.Name, p.Version, p.Hash)
	}
	return s
}

func printPlan(p *checkpoint.Plan) string {
	s := fmt.Sprintf("%d at %s", p.Batch, ms(p.Time))
	for _, r := range p.Ranges {
		s += fmt.Sprintf(" %s/%d[%d,%d)", r.Source, r.Partition, r.From, r.Until)
	}
	for _, n := range p.New {
		s += fmt.Sprintf(" new %s/%d=%s", n.Source, n.Partition, n.Key)
	}
	for _, t := range p.Targets {
		s += fmt.Sprintf(" target %s/%d:%d", t.Source, t.Partition, t.Until)
	}
	s += fmt.Sprintf(" reduce=%d program=%s%s", p.Layout.Reduce, p.Program, printPins(p.Broadcasts))
	if p.Final {
		s += " final"
	}
	for _, w := range p.Watermarks {
		s += fmt.Sprintf(" %s=%s rest=%s most=%s highs=%d", w.Input, printTime(w.Before), printTime(w.Rest), printTime(w.Most), len(w.Highs))
	}
	return s
}

func printMessage(m executor.ToExecutor) string {
	switch m := m.(type) {
	case *executor.Assign:
		s := fmt.Sprintf("assign gen=%d base=%d reduce=%v lanes=%v", m.Generation, m.Base, m.Reduce, m.Lanes)
		for _, x := range m.Sources {
			s += fmt.Sprintf(" %s/%d@%d:%s", x.Source, x.Partition.Partition, x.From, x.Executor)
		}
		if m.Rollback {
			s += " rollback"
		}
		for _, p := range m.InFlight {
			s += fmt.Sprintf(" inflight %d", p.Batch)
		}
		if d := printDeltas(m.Deltas); d != "" {
			s += " deltas" + d
		}
		return s
	case *executor.Launch:
		s := fmt.Sprintf("launch %d%s", m.Plan.Batch, printPins(m.Plan.Broadcasts))
		for _, l := range m.Skip {
			s += fmt.Sprintf(" skip %s/%d", l.Sink, l.Lane)
		}
		if !m.Calm {
			s += " again"
		}
		if m.Quiet {
			s += " behind a quiet one"
		}
		return s
	case *executor.Forget:
		s := "forget"
		for _, v := range m.Versions {
			s += fmt.Sprintf(" %s:%s", v.Name, v.Hash)
		}
		return s
	case *executor.Publish:
		return fmt.Sprintf("publish %d", m.Batch)
	case *executor.Committed:
		return fmt.Sprintf("committed %d", m.Batch)
	case *executor.Retry:
		return fmt.Sprintf("retry %d attempt=%d %v", m.Batch, m.Attempt, m.Tasks)
	case *executor.Flush:
		return "flush"
	case *executor.Stop:
		return "stop"
	}
	return fmt.Sprintf("%T", m)
}

// state shows what the machine thinks.
func (s *script) state() []string {
	m := s.m
	out := []string{fmt.Sprintf("%s gen=%d members=%v last=%d committed=%d todo=%d pending=%d", m.phase, m.generation, m.members, m.last, m.committed, len(m.todo), len(m.pending))}
	for _, f := range m.flights {
		out = append(out, fmt.Sprintf("flight %d durable=%v staged=%v quiet=%v publishing=%v published=%v", f.plan.Batch, f.durable, sortedKeys(f.staged), sortedKeys(f.quiet), f.publishing, sortedKeys(f.published)))
	}
	m.eachPart(func(_ *input, p *part) { out = append(out, fmt.Sprintf("part %v owner=%s", p, p.owner)) })
	return out
}

// printTime prints an event time.
func printTime(at int64) string {
	switch at {
	case rdd.NoTime:
		return "none"
	case rdd.EndOfTime:
		return "end"
	}
	return fmt.Sprint(at)
}
