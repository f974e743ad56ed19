package dstream

import (
	"context"
	"fmt"
	"slices"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// JobOptions say in which role a job is built. The zero value works.
type JobOptions struct {
	Name string // the job's name (--name)

	// Values are the shared values that the driver has computed. With Executor set, Value takes them from here and
	// never calls its function (P21).
	Values   []rdd.Value
	Executor bool

	// Runner computes what ForeachBatch makes of a batch's rows. nil: the rows themselves can be had, and nothing else.
	Runner rdd.Runner

	// Compute calls f with a context in which bounded data can be computed (rdd.WithRunner), for Pin on the driver. nil: only rows that
	// the program has in memory can be pinned.
	Compute func(f func(ctx context.Context) error) error

	// DeadLetter is the sink for records of a source that could not be decoded, where the job does not say one (P13). nil: they are
	// counted and dropped.
	DeadLetter func(source string) *sink.Spec
}

// Job collects what a job function describes, and its mistakes. One goroutine at a time.
type Job struct {
	options JobOptions
	b       *rdd.Builder
	shared  rdd.Shared
	beside  map[*rdd.Node]beside
	unnamed int  // outputs that got a name of ours so far
	broken  bool // the job function panicked: what comes behind that is not known
}

// NewJob is an empty job.
func NewJob(o JobOptions) *Job {
	return &Job{options: o, b: &rdd.Builder{Job: true}}
}

// Name is the job's name.
func (j *Job) Name() string { return j.options.Name }

// Mistakes are all mistakes of a job, each with the user's file and line, in the order of the files and lines.
type Mistakes = rdd.Mistakes

func (j *Job) mistakef(at rdd.Site, format string, args ...any) { j.b.Mistakef(at, format, args...) }

// From adds a source to the job: its rows, batch by batch.
func From[T any](job *Job, s source.Source[T]) Stream[T] {
	spec := s.Spec()
	if spec == nil {
		job.mistakef(rdd.Caller(), "the source is empty; make one with a function of package source")
		return Stream[T]{job, rdd.From[T](job.b, "empty", nil)}
	}
	from := Stream[T]{job, rdd.From[T](job.b, spec.Name, spec)}
	if spec.Err != nil {
		job.mistakef(rdd.Caller(), "source %q: %v", spec.Name, spec.Err)
	}
	if spec.Name == "" {
		job.mistakef(rdd.Caller(), "the source has no name; give it one with .Named")
	}
	return from
}

// Plan is the job as a plan, or all of its mistakes. It may be called once.
func (j *Job) Plan() (*rdd.Plan, error) {
	j.deadLetters()
	j.lostAndFound()
	j.checkOutputs()
	return j.b.Plan(j.shared)
}

// deadLetters gives each source without a dead-letter sink the default one.
func (j *Job) deadLetters() {
	if j.options.DeadLetter == nil {
		return
	}
	for _, n := range slices.Clone(j.b.Nodes()) {
		if n.Kind != rdd.Source || n.Dead != nil {
			continue
		}
		if spec := j.options.DeadLetter(n.Name); spec != nil {
			j.deadLetter(j.b.SiteOf(n), n, spec)
		}
	}
}

// lostAndFound gives tasks behind a shuffle, which may set rows aside, the dead-letter sink of the first source that they come from.
func (j *Job) lostAndFound() {
	tasks := map[*rdd.Node][]*rdd.Node{} // the roots in whose tasks a node runs
	above := map[*rdd.Node]*rdd.Node{}   // a source of its rows
	for _, n := range slices.Clone(j.b.Nodes()) {
		above[n] = n
		if n.Kind != rdd.Source {
			above[n] = nil
		}
		for _, in := range n.In {
			if above[n] == nil {
				above[n] = above[in]
			}
			if n.Kind == rdd.Narrow {
				for _, root := range tasks[in] {
					if !slices.Contains(tasks[n], root) {
						tasks[n] = append(tasks[n], root)
					}
				}
			}
		}
		if n.Kind == rdd.Source || n.Kind == rdd.Wide {
			tasks[n] = []*rdd.Node{n}
		}
		if n.Kind != rdd.Narrow || !slices.ContainsFunc(n.Exprs, (*expr.Bound).MayFail) {
			continue
		}
		for _, root := range tasks[n] {
			if from := above[root]; root.Kind == rdd.Wide && from != nil && !fault.Planted("P13-wide") {
				root.Dead = from.Dead
			}
		}
	}
}

func (j *Job) deadLetter(at rdd.Site, n *rdd.Node, spec *sink.Spec) {
	n.Dead = j.b.Add(at, &rdd.Node{Kind: rdd.Sink, Op: "deadLetter", Name: spec.Name, Outlet: spec, Val: rdd.CodecOf[rdd.DeadLetter](j.b, at)})
	j.checkSink(at, n.Dead, spec)
}

func (j *Job) checkOutputs() {
	if j.broken {
		return
	}
	for _, n := range j.b.Nodes() {
		if n.Kind == rdd.Sink && len(n.In) > 0 {
			return
		}
	}
	j.mistakef(rdd.Site{}, "no stream has an output; end one with To, ForeachBatch or Print")
}

// Warnings are operators whose results nobody reads: they run for nothing.
func (j *Job) Warnings() []string {
	read := map[*rdd.Node]bool{}
	for _, n := range j.b.Nodes() {
		for _, in := range n.In {
			read[in] = true
		}
		if n.Wide != nil {
			for _, t := range n.Wide.Tables {
				read[t] = true
			}
		}
	}
	var list []string
	for _, n := range j.b.Nodes() {
		if n.Kind != rdd.Sink && !read[n] {
			list = append(list, fmt.Sprintf("%s: nobody reads the result of %s %q; end it with To, ForeachBatch or Print, or leave it out", n.Site, n.Op, n.Name))
		}
	}
	return list
}
