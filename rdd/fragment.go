package rdd

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/userstack"
)

// BatchInfo is what the plan of a batch may depend on, besides the job itself (P22).
type BatchInfo struct {
	Number int64
	Time   int64 // batch time, µs since 1970 UTC
	Final  bool  // the last batch of a finished job (P30)

	Versions []*Version // of the plan's broadcasts, those that the batch was planned with
}

// Version is the version of c that the batch was planned with.
func (b BatchInfo) Version(c *Broadcast) (*Version, error) { return c.Among(b.Versions) }

// At is the batch time.
func (b BatchInfo) At() time.Time { return time.UnixMicro(b.Time).UTC() }

// Expand builds what a transform node stands for in one batch: nodes that lead from in, the nodes that the transform reads, to out. It must be a
// function of its arguments and of shared values alone, since every executor calls it for itself; several calls may run at once.
//
// It may make Narrow nodes, Wide nodes without state, and Wide nodes that have no input and OnEmpty, whose reducers give rows from memory. It must
// not change in, nor what it reads from there; what it makes is copied, so nodes may be given again for another batch.
type Expand func(b BatchInfo, in []*Node) (out *Node, err error)

// FragmentRoom is how many nodes a transform may build for a batch where Node.Room does not say it. Room takes numbers of nodes, and hardly any memory.
const FragmentRoom = 64

// Fragment is what a transform node built for a batch, as text: its operators with types, facts and places in the user's program, and what they read.
// What closures captured is not in it.
type Fragment struct {
	Node int // the transform node
	Text string
}

// Fixed tells whether all batches have the same plan: there is no transform node.
func (p *Plan) Fixed() bool { return len(p.transforms) == 0 }

// reserve puts Holes before each transform node. Static nodes thus have the same IDs in the plans of all batches: IDs name tasks,
// edges and tables.
func (p *Plan) reserve() {
	var nodes []*Node
	for _, n := range p.Nodes {
		if n.Kind == Hole {
			continue
		}
		if n.Expand != nil {
			if n.Room == 0 {
				n.Room = FragmentRoom
			}
			holes := make([]Node, n.Room)
			for i := range holes {
				holes[i] = Node{Kind: Hole, Op: "step of " + n.Op, Name: n.Name, Site: n.Site}
				nodes = append(nodes, &holes[i])
			}
		}
		nodes = append(nodes, n)
	}
	p.Nodes = nodes
}

// For is the plan of one batch: p itself if it is Fixed, otherwise a copy in which every transform node hands on what was built for the
// batch before it. IDs of p's nodes stay, and so do its text and hash. p is not changed; calls may run at once.
//
// Every error is a *UserError, of the transform node: its function panicked, or built what has no place in a batch.
func (p *Plan) For(b BatchInfo) (*Plan, error) {
	if p.Fixed() {
		return p, nil
	}
	q := p.copied()
	hash := sha256.New()
	for _, n := range p.transforms {
		s := &splice{batch: b, plan: q, node: q.Nodes[n.ID], expand: n.Expand, room: n.Room, placed: map[*Node]*Node{}}
		if err := s.run(); err != nil {
			return nil, err
		}
		q.Fragments = append(q.Fragments, Fragment{n.ID, s.text.String()})
		hash.Write([]byte(s.text.String()))
	}
	hash.Sum(q.Fragment[:0])
	for _, n := range q.Nodes {
		if n.Kind != Hole {
			q.place(n)
		}
	}
	q.findEdges()
	q.keepEvents(p)
	return q, nil
}

// copied is p with nodes of its own, but for what follows from how they are linked. Holes are shared.
func (p *Plan) copied() *Plan {
	q := &Plan{
		Nodes: make([]*Node, len(p.Nodes)), Values: p.Values, Accumulators: p.Accumulators, Broadcasts: p.Broadcasts, Text: p.Text, Hash: p.Hash, Gates: p.Gates,
		feeders: map[EdgeID][]*Node{}, edges: map[int][]EdgeID{}, names: make(map[string]*Node, len(p.names)),
	}
	for i, n := range p.Nodes {
		if n.Kind == Hole {
			q.Nodes[i] = n
			continue
		}
		c := *n
		c.Out, c.Expand = nil, nil
		q.Nodes[i] = &c
		if c.Name != "" {
			q.names[c.Name] = &c
		}
	}
	for _, n := range q.Nodes {
		if n.Kind == Hole {
			continue
		}
		n.In = q.twins(n.In)
		if n.Dead != nil {
			n.Dead = q.Nodes[n.Dead.ID]
		}
		if n.Wide != nil && len(n.Wide.Tables)+len(n.Wide.First) > 0 {
			w := *n.Wide
			w.Tables, w.First = q.twins(w.Tables), q.twins(w.First)
			n.Wide = &w
		}
	}
	return q
}

// twins are the nodes of p that have the same IDs.
func (p *Plan) twins(list []*Node) []*Node {
	twins := make([]*Node, len(list))
	for i, n := range list {
		twins[i] = p.Nodes[n.ID]
	}
	return twins
}

// splice builds one transform node's fragment and puts it into the plan of a batch.
type splice struct {
	batch  BatchInfo
	plan   *Plan // the batch's
	node   *Node // of plan
	expand Expand
	room   int
	placed map[*Node]*Node // nodes as they were built -> of plan; nil: on the way
	next   int
	text   strings.Builder
}

func (s *splice) run() error {
	in := s.node.In
	for _, n := range in {
		s.placed[n] = n
	}
	built, err := s.call()
	if err != nil {
		return err
	}
	if built == nil {
		return s.mistake("it gave nothing; give one of its inputs where nothing is to be done")
	}
	s.next = s.node.ID - s.room
	fmt.Fprintf(&s.text, "#%d %s%s (%s)\n", s.node.ID, s.node.Op, quoted(s.node.Name), s.node.Site)
	out, err := s.put(built)
	if err != nil {
		return err
	}
	if (out.Key == nil) != (s.node.Key == nil) || schemaText(out) != schemaText(s.node) {
		return s.mistake("it gave rows of %s, and %s is what the job was built with", schemaText(out), schemaText(s.node))
	}
	fmt.Fprintf(&s.text, "  gives #%d\n", out.ID)
	s.node.In, s.node.Kernel = []*Node{out}, handOn
	return nil
}

// call runs the user's function.
func (s *splice) call() (out *Node, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			stack, user := userstack.Of(cause)
			if !user {
				panic(cause)
			}
			out, err = nil, s.failure(fmt.Sprintf("panic: %v", cause), stack)
		}
	}()
	in := append([]*Node(nil), s.node.In...)
	if out, err = s.expand(s.batch, in); err != nil {
		return nil, s.failure(err.Error(), "")
	}
	return out, nil
}

// put gives a node that was built its place, behind those that it reads: the order follows from how they are linked alone.
func (s *splice) put(n *Node) (*Node, error) {
	if c, seen := s.placed[n]; seen {
		if c == nil {
			return nil, s.mistake("%s (%s) reads its own result", n.Op, n.Site)
		}
		return c, nil
	}
	if err := s.allowed(n); err != nil {
		return nil, err
	}
	s.placed[n] = nil
	c := *n
	c.In, c.Out = make([]*Node, len(n.In)), nil
	for i, in := range n.In {
		var err error
		if c.In[i], err = s.put(in); err != nil {
			return nil, err
		}
	}
	if s.next == s.node.ID {
		return nil, s.mistake("it built more than %d operators, for which there is room; split it into two that follow each other, or do more in each operator", s.room)
	}
	c.ID, c.owned = s.next, true
	s.next++
	s.plan.Nodes[c.ID] = &c
	s.placed[n] = &c
	s.describe(&c)
	return &c, nil
}

// allowed says what is wrong with a node in a fragment, nil if nothing is.
func (s *splice) allowed(n *Node) error {
	what := fmt.Sprintf("%s%s (%s)", n.Op, quoted(n.Name), n.Site)
	switch {
	case n.owned:
		return s.mistake("it reads %s, which it was not given for this batch; hand that stream in with TransformWith, and keep nothing from batch to batch", what)
	case n.Kind == Source:
		return s.mistake("%s is a source; pin what it holds (Pin), or hand its stream in with TransformWith", what)
	case n.Kind == Sink:
		return s.mistake("%s is an output; end the stream that Transform gives with it", what)
	case n.Expand != nil:
		return s.mistake("%s stands within it; call the function itself in its place", what)
	case n.Kind == Wide && n.Wide != nil && n.Wide.State:
		return s.mistake("%s keeps state, which lives longer than one batch; call it on the stream that Transform gives", what)
	case n.Event != nil:
		return s.mistake("%s gives rows event time; call it before Transform", what)
	case n.Kind == Wide && n.Wide != nil && n.Wide.Every > 0:
		return s.mistake("%s acts at times of its own; call it on the stream that Transform gives", what)
	case n.Kind == Wide && n.Wide != nil && len(n.Wide.Tables) > 0:
		return s.mistake("%s reads a table; join with it before Transform, or behind it", what)
	}
	if lacks := missing(n); lacks != "" {
		return s.mistake("%s lacks its %s", what, lacks)
	}
	return nil
}

// describe adds a node to the fragment's text.
func (s *splice) describe(n *Node) {
	fmt.Fprintf(&s.text, "  #%d %s%s: %s", n.ID, n.Op, quoted(n.Name), schemaText(n))
	if n.Kind == Wide {
		s.text.WriteString(wideText(n))
	}
	if n.Held != nil { // rows that the function made itself have to be the same too
		fmt.Fprintf(&s.text, ", xxh3:%x", fingerprint(n, Chunk{N: reflect.ValueOf(n.Held).Len(), Vals: n.Held}))
	}
	if len(n.In) > 0 {
		s.text.WriteString(", of")
	}
	for _, in := range n.In {
		fmt.Fprintf(&s.text, " #%d", in.ID)
	}
	fmt.Fprintf(&s.text, " (%s)\n", n.Site)
}

// mistake is what the user's function did wrong.
func (s *splice) mistake(format string, args ...any) error {
	return s.failure(fmt.Sprintf(format, args...), "")
}

func (s *splice) failure(cause, stack string) error {
	n := s.node
	return &UserError{Op: n.Op, Name: n.Name, Site: n.Site, Batch: s.batch.Number, Node: n.ID, Part: -1, Offset: -1, Cause: cause, Stack: stack}
}

// handOn is the kernel of a transform node in the plan of a batch.
func handOn() Kernel { return identity{} }

type identity struct{}

// Process gives what it is given.
func (identity) Process(_ *Context, in Chunk) (Chunk, error) { return in, nil }
