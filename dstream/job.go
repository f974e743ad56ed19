package dstream

import (
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
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

	// DeadLetter is the sink for records of a source that could not be decoded, where the job does not say one (P13). nil: they are
	// counted and dropped.
	DeadLetter func(source string) *sink.Spec
}

// Job collects what a job function describes, and its mistakes. One goroutine at a time.
type Job struct {
	options JobOptions
	nodes   []*rdd.Node
	values  []rdd.Value

	accumulators []*rdd.Accumulator
	broadcasts   []*rdd.Broadcast

	mistakes []mistake
	sites    map[*rdd.Node]site
	unnamed  int  // outputs that got a name of ours so far
	broken   bool // the job function panicked: what comes behind that is not known
}

// NewJob is an empty job.
func NewJob(o JobOptions) *Job {
	return &Job{options: o, sites: map[*rdd.Node]site{}}
}

// Name is the job's name.
func (j *Job) Name() string { return j.options.Name }

// Mistakes are all mistakes of a job, each with the user's file and line, in the order of the files and lines.
type Mistakes []string

// Error has one mistake a line.
func (m Mistakes) Error() string { return strings.Join(m, "\n") }

// site is a place in the user's program.
type site struct {
	file string
	line int
}

func (s site) String() string {
	if s.file == "" {
		return "job"
	}
	return fmt.Sprintf("%s:%d", filepath.Base(s.file), s.line)
}

type mistake struct {
	at   site
	text string
}

// caller is the user's line that called into this package.
func caller() site {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "github.com/millrace/millrace/dstream.") {
			return site{f.File, f.Line}
		}
		if !more {
			return site{}
		}
	}
}

func (j *Job) mistakef(at site, format string, args ...any) {
	m := mistake{at, fmt.Sprintf(format, args...)}
	if !slices.Contains(j.mistakes, m) {
		j.mistakes = append(j.mistakes, m)
	}
}

// add appends a node to the plan, with the user's line.
func (j *Job) add(at site, n *rdd.Node) *rdd.Node {
	n.Site = at.String()
	for _, in := range n.In {
		if !slices.Contains(j.nodes, in) {
			j.mistakef(at, "%s mixes streams of two jobs; build all of them from one", n.Op)
		}
	}
	j.nodes = append(j.nodes, n)
	j.sites[n] = at
	return n
}

// codec is the codec of T; a type without a schema is a mistake at the place where it enters the job.
func codec[T any](j *Job, at site) *row.Codec {
	return codecOf(j, at, reflect.TypeFor[T]())
}

func codecOf(j *Job, at site, t reflect.Type) *row.Codec {
	c, err := row.Of(t)
	if err == nil {
		return c
	}
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range list.Unwrap() {
			j.mistakef(at, "%v", err)
		}
		return nil
	}
	j.mistakef(at, "%v", err)
	return nil
}

// keyCodec is codec for a key (P25).
func keyCodec[K any](j *Job, at site) *row.Codec {
	c := codec[K](j, at)
	if c == nil {
		return nil
	}
	if err := c.CheckKey(); err != nil && !fault.Planted("P25-any-key") {
		j.mistakef(at, "%v", err)
	}
	return c
}

// From adds a source to the job: its rows, batch by batch.
func From[T any](job *Job, s source.Source[T]) Stream[T] {
	at := caller()
	n := &rdd.Node{Kind: rdd.Source, Op: "source", Val: codec[T](job, at)}
	if spec := s.Spec(); spec == nil {
		job.mistakef(at, "the source is empty; make one with a function of package source")
		n.Name = "empty"
	} else {
		n.Name, n.Leaf = spec.Name, spec
		if spec.Err != nil {
			job.mistakef(at, "source %q: %v", spec.Name, spec.Err)
		}
		if spec.Name == "" {
			job.mistakef(at, "the source has no name; give it one with .Named")
		}
	}
	return Stream[T]{job, job.add(at, n)}
}

// Plan is the job as a plan, or all of its mistakes. It may be called once.
func (j *Job) Plan() (*rdd.Plan, error) {
	j.deadLetters()
	j.checkOutputs()
	j.checkNames()
	if len(j.mistakes) > 0 {
		return nil, j.sorted()
	}
	p := &rdd.Plan{Nodes: j.nodes, Values: j.values, Accumulators: j.accumulators, Broadcasts: j.broadcasts}
	if err := p.Build(); err != nil {
		return nil, err
	}
	return p, nil
}

// deadLetters gives each source without a dead-letter sink the default one.
func (j *Job) deadLetters() {
	if j.options.DeadLetter == nil {
		return
	}
	for _, n := range slices.Clone(j.nodes) {
		if n.Kind != rdd.Source || n.Dead != nil {
			continue
		}
		if spec := j.options.DeadLetter(n.Name); spec != nil {
			j.deadLetter(j.sites[n], n, spec)
		}
	}
}

func (j *Job) deadLetter(at site, n *rdd.Node, spec *sink.Spec) {
	n.Dead = j.add(at, &rdd.Node{Kind: rdd.Sink, Op: "deadLetter", Name: spec.Name, Outlet: spec, Val: codec[rdd.DeadLetter](j, at)})
	j.checkSink(at, n.Dead, spec)
}

func (j *Job) checkOutputs() {
	if j.broken {
		return
	}
	for _, n := range j.nodes {
		if n.Kind == rdd.Sink && len(n.In) > 0 {
			return
		}
	}
	j.mistakef(site{}, "no stream has an output; end one with To, ForeachBatch or Print")
}

func (j *Job) checkNames() {
	first := map[string]*rdd.Node{}
	for _, n := range j.nodes {
		if n.Name == "" {
			continue
		}
		if f := first[n.Name]; f != nil {
			j.mistakef(j.sites[n], "the name %q is taken by %s at %s; names of sources, sinks and operators are unique: "+
				"give one of them another name (.Named for sources and sinks)", n.Name, f.Op, f.Site)
			continue
		}
		first[n.Name] = n
	}
}

func (j *Job) sorted() Mistakes {
	slices.SortStableFunc(j.mistakes, func(a, b mistake) int {
		if a.at.file != b.at.file {
			return strings.Compare(a.at.file, b.at.file)
		}
		return a.at.line - b.at.line
	})
	var list Mistakes
	for _, m := range j.mistakes {
		list = append(list, m.at.String()+": "+m.text)
	}
	return list
}

// Warnings are operators whose results nobody reads: they run for nothing.
func (j *Job) Warnings() []string {
	read := map[*rdd.Node]bool{}
	for _, n := range j.nodes {
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
	for _, n := range j.nodes {
		if n.Kind != rdd.Sink && !read[n] {
			list = append(list, fmt.Sprintf("%s: nobody reads the result of %s %q; end it with To, ForeachBatch or Print, or leave it out", n.Site, n.Op, n.Name))
		}
	}
	return list
}
