package rdd

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/userstack"
)

// Builder collects the nodes of a plan while it is described, and the user's mistakes. Every RDD carries the builder that it comes from.
// The zero value is an empty builder. One goroutine at a time.
//
// A job has one builder. Data that is read without a job has a builder of its own, and where two RDDs meet, in a union or a join, the
// builders become one; one without a job becomes part of a job's. RDDs of two jobs do not mix.
type Builder struct {
	Job bool // belongs to a job: never becomes part of another builder

	into     *Builder // what this builder became part of; it has nothing of its own then
	nodes    []*Node
	sites    map[*Node]Site
	doubts   map[*Node]doubt
	mistakes []mistake
}

// Site is a place in the user's program. The zero value stands for the whole of it.
type Site struct {
	File string
	Line int
}

func (s Site) String() string {
	if s.File == "" {
		return "job"
	}
	return fmt.Sprintf("%s:%d", filepath.Base(s.File), s.Line)
}

// Caller is the user's line that called into this package or the one of jobs.
func Caller() Site {
	file, line := userstack.Line()
	return Site{file, line}
}

type mistake struct {
	at   Site
	text string
}

// Mistakes are all mistakes of a program, each with the user's file and line, in the order of the files and lines.
type Mistakes []string

// Error has one mistake a line.
func (m Mistakes) Error() string { return strings.Join(m, "\n") }

// whole is the builder that b became part of, or b.
func (b *Builder) whole() *Builder {
	for b.into != nil {
		b = b.into
	}
	return b
}

// with makes one of two builders, unless each belongs to a job: then Add finds the mistake, as it does with a nil builder, that of an RDD made
// from nothing.
func (b *Builder) with(o *Builder) *Builder {
	if o == nil {
		return b
	}
	b, o = b.whole(), o.whole()
	if b == o || b.Job && o.Job {
		return b
	}
	if o.Job {
		b, o = o, b
	}
	for _, n := range o.nodes {
		b.keep(o.sites[n], n)
	}
	for n, d := range o.doubts {
		b.about(n, d)
	}
	for _, m := range o.mistakes {
		b.report(m)
	}
	*o = Builder{into: b}
	return b
}

// Add appends a node, whose inputs and tables were added before, at the user's line.
func (b *Builder) Add(at Site, n *Node) *Node {
	b = b.whole()
	n.Site = at.String()
	for _, in := range readBy(n) {
		if _, ok := b.sites[in]; !ok {
			b.Mistakef(at, "%s mixes streams of two jobs; build all of them from one", n.Op)
		}
	}
	b.keep(at, n)
	b.inherit(n)
	return n
}

func (b *Builder) keep(at Site, n *Node) {
	if b.sites == nil {
		b.sites = map[*Node]Site{}
	}
	b.nodes = append(b.nodes, n)
	b.sites[n] = at
}

// narrow adds an operator that is fused into the task of its inputs.
func (b *Builder) narrow(at Site, op string, key, val *row.Codec, k func() Kernel, in ...*Node) *Node {
	return b.Add(at, &Node{Kind: Narrow, Op: op, In: in, Key: key, Val: val, Kernel: k})
}

// wide adds an operator that gathers rows.
func (b *Builder) wide(at Site, op string, key, val *row.Codec, how ops.Shuffle, in ...*Node) *Node {
	return b.Add(at, &Node{Kind: Wide, Op: op, In: in, Key: key, Val: val, Wide: &WideSpec{Inputs: how.Inputs, New: how.New}})
}

// Mistakef reports a mistake of the user's, once. An error among args that errors.Join made is a mistake for each of its errors.
func (b *Builder) Mistakef(at Site, format string, args ...any) {
	for i, a := range args {
		for _, one := range joined(a) {
			each := slices.Clone(args)
			each[i] = one
			b.Mistakef(at, format, each...)
		}
		if joined(a) != nil {
			return
		}
	}
	b.whole().report(mistake{at, fmt.Sprintf(format, args...)})
}

// joined are the errors that errors.Join has put together, nil for anything else.
func joined(a any) []error {
	list, ok := a.(interface {
		error
		Unwrap() []error
	})
	if !ok || len(list.Unwrap()) == 0 || list.Error() != errors.Join(list.Unwrap()...).Error() {
		return nil
	}
	return list.Unwrap()
}

func (b *Builder) report(m mistake) {
	if !slices.Contains(b.mistakes, m) {
		b.mistakes = append(b.mistakes, m)
	}
}

// Need reports an operator that was given no function.
func (b *Builder) Need(at Site, op string, missing bool) {
	if missing {
		b.Mistakef(at, "%s needs a function, not nil", op)
	}
}

// Nodes are the nodes so far, inputs before what reads them. The caller must not change the slice.
func (b *Builder) Nodes() []*Node { return b.whole().nodes }

// SiteOf is the user's line at which a node was added.
func (b *Builder) SiteOf(n *Node) Site { return b.whole().sites[n] }

// Plan is what was described, as a plan, or all Mistakes. It may be called once.
func (b *Builder) Plan(s Shared) (*Plan, error) {
	b = b.whole()
	b.checkNames()
	if len(b.mistakes) > 0 {
		return nil, b.sorted()
	}
	p := &Plan{Nodes: b.nodes, Values: s.Values, Accumulators: s.Accumulators, Broadcasts: s.Broadcasts}
	if err := p.Build(); err != nil {
		return nil, err
	}
	return p, nil
}

// mistaken is all Mistakes so far, nil if there are none.
func (b *Builder) mistaken() error {
	if b = b.whole(); len(b.mistakes) > 0 {
		return b.sorted()
	}
	return nil
}

func (b *Builder) checkNames() {
	first := map[string]*Node{}
	for _, n := range b.nodes {
		if n.Name == "" {
			continue
		}
		if f := first[n.Name]; f != nil {
			b.Mistakef(b.sites[n], "the name %q is taken by %s at %s; names of sources, sinks and operators are unique: "+
				"give one of them another name (.Named for sources and sinks)", n.Name, f.Op, f.Site)
			continue
		}
		first[n.Name] = n
	}
}

func (b *Builder) sorted() Mistakes {
	slices.SortStableFunc(b.mistakes, func(a, b mistake) int {
		if a.at.File != b.at.File {
			return strings.Compare(a.at.File, b.at.File)
		}
		return a.at.Line - b.at.Line
	})
	var list Mistakes
	for _, m := range b.mistakes {
		list = append(list, m.at.String()+": "+m.text)
	}
	return list
}

// CodecOf is the codec of T; a type without a schema is a mistake at the place where it enters the program, and the codec is nil.
func CodecOf[T any](b *Builder, at Site) *row.Codec {
	c, err := row.Of(reflect.TypeFor[T]())
	if err == nil {
		return c
	}
	b.Mistakef(at, "%v", err)
	return nil
}

// KeyCodecOf is CodecOf for a key (P25).
func KeyCodecOf[K any](b *Builder, at Site) *row.Codec {
	c := CodecOf[K](b, at)
	if c == nil {
		return nil
	}
	if err := c.CheckKey(); err != nil && !fault.Planted("P25-any-key") {
		b.Mistakef(at, "%v", err)
	}
	return c
}
