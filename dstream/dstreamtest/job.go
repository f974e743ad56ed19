package dstreamtest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/rdd"
)

// Job is a whole job under a clock that only the test moves. What fails in it ends the test. One goroutine at a time.
type Job struct {
	t      testing.TB
	r      *Runner
	step   time.Duration
	now    time.Time
	closed bool
}

// Run starts a job: the very function that driver.Main is given. Sources are fed by name, with In.Part and Records; sinks are not opened, rows that
// reach them are in Batch. Batches run in this goroutine, with rows sent through columns between all operators and inputs checked for
// mutation (P24). Windows of batch time have to fit Interval, as they have to fit --interval. Records that cannot be decoded are kept, see Batch.DeadLetters. Options: Interval, Start, Partitions.
func Run(t testing.TB, job func(*dstream.Job), opts ...Option) *Job {
	t.Helper()
	s := settingsOf(opts)
	o := Options{Debug: true, Job: dstream.JobOptions{
		Name: "test", DeadLetter: keeping().DeadLetter,
	}}
	if len(s.partitions) > 0 {
		o.Reduce = s.partitions[0]
	}
	r, err := New(o, job)
	if err != nil {
		t.Fatalf("dstreamtest: the job cannot be built:\n%v", err)
	}
	if err := r.Plan.Fit(s.interval); err != nil {
		t.Fatalf("dstreamtest: the job does not fit Interval(%v), one second if it is not given:\n%v", s.interval, err)
	}
	return &Job{t: t, r: r, step: s.interval, now: upTo(s.start, s.interval)}
}

// Now is what the clock says: the time of the last batch, or where Advance left it.
func (j *Job) Now() time.Time { return j.now }

// Batch moves the clock to the next multiple of the interval and runs a batch with these rows, or without any.
func (j *Job) Batch(rows ...Rows) *Batch {
	j.t.Helper()
	j.tick()
	return j.run(j.r.Run, rows)
}

// Advance moves the clock by d without input, and runs a batch wherever the engine would, at multiples of the interval (P28, P31): when a timer is due, when a partition that
// had rows falls idle and that moves a watermark, and for operators that act without rows. It gives those batches.
func (j *Job) Advance(d time.Duration) []*Batch {
	j.t.Helper()
	until := j.now.Add(d)
	var all []*Batch
	for {
		at, ok := j.next()
		if !ok || at.After(until) {
			j.now = until
			return all
		}
		j.now = at
		all = append(all, j.run(j.r.Run, nil))
	}
}

func (j *Job) tick() { j.now = upTo(j.now.Add(time.Microsecond), j.step) }

// Finish moves the clock as Batch does and runs the batch that closes the job, as --finish does.
func (j *Job) Finish() *Batch {
	j.t.Helper()
	j.tick()
	defer func() { j.closed = true }()
	return j.run(j.r.Finish, nil)
}

// Restart throws away what a process has in memory, and goes on from the state of the last batch with that many reduce partitions.
func (j *Job) Restart(partitions int) {
	j.t.Helper()
	if err := j.r.Restart(partitions); err != nil {
		j.t.Fatalf("dstreamtest: restart: %v", err)
	}
}

// NextDue is when the next timer is due, the zero time if there is none.
func (j *Job) NextDue() time.Time { return j.r.NextDue() }

// Changed is how many keys' states the last batch changed in an operator: what a checkpoint would write.
func (j *Job) Changed(operator string) int64 { return j.r.Changed(operator) }

func (j *Job) run(run func(time.Time, ...Rows) (*Batch, error), rows []Rows) *Batch {
	j.t.Helper()
	if j.closed {
		j.t.Fatalf("dstreamtest: the job is finished; nothing can follow")
	}
	for _, r := range rows {
		if n := j.r.Plan.Node(r.source); n == nil || n.Kind != rdd.Source {
			j.t.Fatalf("dstreamtest: the job has no source %q; it has %q", r.source, names(j.r.Plan.Sources))
		}
	}
	b, err := run(j.now, rows...)
	if err != nil {
		j.t.Fatalf("dstreamtest: batch at %v: %v", j.now.Format(time.RFC3339Nano), err)
	}
	return b
}

// next is the first time behind now at which a batch without rows would be cut, ok is false if there is none.
func (j *Job) next() (at time.Time, ok bool) {
	sooner := func(t time.Time) {
		if t = later(t, j.now.Add(time.Microsecond)); !ok || t.Before(at) {
			at, ok = t, true
		}
	}
	if due := j.r.NextDue(); !due.IsZero() {
		sooner(upTo(due, j.step))
	}
	if move := j.r.nextMove(j.now, j.step); !move.IsZero() {
		sooner(move)
	}
	for _, n := range j.r.Plan.Wides {
		if n.Wide.OnEmpty {
			sooner(upTo(j.now.Add(time.Microsecond), j.step))
		}
		if every := time.Duration(n.Wide.Every) * time.Microsecond; every > 0 {
			sooner(upTo(j.now.Add(time.Microsecond), every))
		}
	}
	return at, ok
}

// upTo is the first multiple of d since 1970 that is not before t.
func upTo(t time.Time, d time.Duration) time.Time {
	µs, step := t.UnixMicro(), max(d.Microseconds(), 1)
	return time.UnixMicro((µs + step - 1) / step * step).UTC()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// State is what an operator remembers of each key, in the order of the keys. The types are those of the operator's own state, which for some are not the
// types of its rows; StateJSON shows any.
func State[K, V any](j *Job, operator string) []dstream.Pair[K, V] {
	j.t.Helper()
	var all []dstream.Pair[K, V]
	of := "state of " + operator
	for _, t := range j.state(operator) {
		idx := t.All()
		all = append(all, pairs(typed[K](t.KeyRows(idx, nil), "keys in "+of), typed[V](t.Get(idx, nil), of))...)
	}
	slices.SortFunc(all, func(a, b dstream.Pair[K, V]) int { return compareKeys(a.Key, b.Key) })
	return all
}

// compareKeys orders numbers by size, and everything else by its text.
func compareKeys(a, b any) int {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	switch {
	case x.CanInt():
		return cmp.Compare(x.Int(), y.Int())
	case x.CanUint():
		return cmp.Compare(x.Uint(), y.Uint())
	}
	return cmp.Compare(lineOf(a).shown, lineOf(b).shown)
}

// StateJSON is what an operator remembers, a line of JSON a key, with the names of the columns of key and state, and "_due" where a key has a timer: its time
// in µs since 1970. Lines are in alphabetical order.
func (j *Job) StateJSON(operator string) string {
	j.t.Helper()
	var lines []string
	for _, t := range j.state(operator) {
		for g := range row.Groups {
			if rec := t.Dump(g); rec != nil {
				lines = append(lines, stateLines(rec)...)
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// stateLines are the rows of a dump, without what is the engine's business.
func stateLines(rec rdd.Record) []string {
	due := rec.Column(2).(*array.Int64)
	bare := array.NewRecord(arrow.NewSchema(rec.Schema().Fields()[3:], nil), rec.Columns()[3:], rec.NumRows())
	var text bytes.Buffer
	check(array.RecordToJSON(bare, &text))
	lines := strings.SplitAfter(text.String(), "\n")[:rec.NumRows()]
	for i := range lines {
		if at := due.Value(i); at != 0 {
			lines[i] = fmt.Sprintf("%s,\"_due\":%d}\n", strings.TrimSuffix(lines[i], "}\n"), at)
		}
	}
	return lines
}

// state are an operator's tables, one a partition.
func (j *Job) state(operator string) []*state.Table {
	j.t.Helper()
	tables := j.r.tables[operator]
	if tables == nil {
		j.t.Fatalf("dstreamtest: no operator %q keeps state; those that do: %q", operator, slices.Sorted(maps.Keys(j.r.tables)))
	}
	return tables
}

func names(nodes []*rdd.Node) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.Name)
	}
	return out
}
