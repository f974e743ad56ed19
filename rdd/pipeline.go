package rdd

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/task"
)

// Router places rows of a sink's input on lanes; every sink.Output is one. Safe for concurrent use.
type Router interface {
	// Route writes the lane (0 <= lane < lanes) of each row of rec to lane. Rows without keys may come without columns: their number alone decides. task numbers the upstream tasks (their root's place among
	// the sink's feeders plus their partition; two tasks may share a number), first is the number of rows that this task
	// routed before in this batch.
	Route(task int, first int64, rec Record, lanes int, lane []int32)
}

// Pipeline is one task's fused operators: from a root down to shuffle writers and sinks. It is made for one task of one batch attempt.
// One goroutine at a time; after an error it is of no further use.
type Pipeline struct {
	plan    *Plan
	root    *Node
	ctx     *Context
	routers map[int]Router

	start     *stage
	stages    []*stage // ascending by node ID
	edges     []*port  // in the order of Plan.Edges
	dead      *port
	decoder   Decoder
	spoils    bool             // tests: brief chunks are overwritten when they were pushed
	at        *Node            // whose code is running
	origin    extent           // the records whose rows are on their way
	aside     bool             // rows were set aside
	needed    bool             // something refers to records of the block that is pushed until Finish
	blocks    []*records.Block // that are released behind Finish
	stopOnBad bool
	locating  bool   // a replay that looks for the record which made user code panic, or of which a row was set aside
	seeking   string // the way of rows that a replay counts; see extent
	gathered  bool   // the rows on their way were put together from several chunks: no record is known to be theirs
	closers   []io.Closer
}

// extent is a run of records of a block.
type extent struct {
	block  *records.Block
	lo, hi int
	rows   []int32 // as Decoder.Decode gives them
	way    string  // the inputs of unions at which the rows have waited
}

// stage is a node within a task.
type stage struct {
	node    *Node
	kernel  Kernel
	gathers task.Gatherer // the kernel, if it is one
	dated   task.Dated    // the kernel of a node with event time
	event   int           // its number
	ahead   int64         // its rows that are too far ahead
	inPlace bool          // a row that comes here stands at the physical place that it had behind the decoder
	letters []letter      // its rows that were set aside
	lost    int           // how many there are, in a replay that looks for their records
	to      []link
	held    [][]held // by input; used where several inputs come from this same task
}

// held is a chunk that waits for its turn at a union, with where it came from.
type held struct {
	chunk  Chunk
	origin extent
}

// link says where a stage's rows go next: a stage or a port.
type link struct {
	stage *stage
	input int  // of stage
	wait  bool // hold rows back until Finish: another input of the same task goes first
	port  *port
}

// NewPipeline instantiates the operators below root. routers has one for each sink node that root reaches, by node ID; a sink without one
// must have one lane, and with lanes = 0 its rows are dropped (replays that feed no sinks).
// The task is partition ctx.Partition of root.
func NewPipeline(p *Plan, root *Node, ctx *Context, routers map[int]Router) *Pipeline {
	assert.True(root.Root(), "pipeline of %s #%d, which is no root", root.Op, root.ID)
	if ctx.Counters == nil {
		ctx.Counters = &Counters{}
	}
	t := &Pipeline{plan: p, root: root, ctx: ctx, routers: routers, at: root}
	byNode := map[int]*stage{}
	for _, n := range below(root) {
		s := &stage{node: n}
		if n.Kind == Narrow {
			s.kernel = n.newKernel()
			if s.gathers, _ = s.kernel.(task.Gatherer); s.gathers != nil {
				if c, ok := s.kernel.(io.Closer); ok {
					t.closers = append(t.closers, c)
				}
			}
		}
		if n.Event != nil {
			s.dated, s.event = s.kernel.(task.Dated), slices.IndexFunc(p.Events, func(e *Node) bool { return e.ID == n.ID })
		}
		s.inPlace = !ctx.Debug && inPlace(n, byNode)
		byNode[n.ID] = s
		t.stages = append(t.stages, s)
	}
	t.start = byNode[root.ID]
	ports := map[EdgeID]*port{}
	for _, e := range p.Edges(root) {
		port := t.newPort(e)
		ports[e] = port
		t.edges = append(t.edges, port)
	}
	for _, s := range t.stages {
		t.connect(s, byNode, ports)
	}
	if root.Dead != nil {
		t.dead = ports[EdgeID{Node: root.Dead.ID}]
	}
	if root.Kind == Source {
		t.decoder = root.newDecoder()
		t.shorten()
		if len(p.Events) > 0 {
			ctx.Highs = slices.Repeat([]int64{task.NoTime}, len(p.Events))
		}
	} else if ctx.Marks == nil {
		ctx.Marks, ctx.Mark = task.NoMarks(len(root.In)), task.NoMarks(1)[0]
	}
	return t
}

// connect fills s.to, and makes the inputs of unions wait for each other where more than one lies in this task: the
// rows of a union are those of its first input, then those of its second, however the records were cut into chunks (I7).
func (t *Pipeline) connect(s *stage, byNode map[int]*stage, ports map[EdgeID]*port) {
	for _, to := range s.node.Out {
		for i, in := range to.In {
			if in != s.node {
				continue
			}
			if to.Kind != Narrow {
				s.to = append(s.to, link{port: ports[EdgeID{Node: to.ID, Input: i}]})
				continue
			}
			next := byNode[to.ID]
			l := link{stage: next, input: i, wait: firstInput(to, byNode) != i && !fault.Planted("I7-union-order")}
			if l.wait && next.held == nil {
				next.held = make([][]held, len(to.In))
			}
			s.to = append(s.to, l)
		}
	}
}

// firstInput is the first input of n that lies in the task.
func firstInput(n *Node, byNode map[int]*stage) int {
	for i, in := range n.In {
		if byNode[in.ID] != nil {
			return i
		}
	}
	return -1
}

// Reduce runs a wide root on its blocks. in[i] are input i's, in upstream task order, without empty ones. stopOnBad is as for PushRecords.
func (t *Pipeline) Reduce(in [][]Record, stopOnBad bool) error {
	t.stopOnBad = stopOnBad
	reducer := t.root.Wide.New()
	for _, blocks := range in {
		for _, b := range blocks {
			t.ctx.Counters.RowsIn += b.NumRows()
		}
	}
	err := t.guard(reducer, func() error {
		t.at = t.root
		return reducer.Reduce(t.ctx, in, func(c Chunk) error {
			if err := t.spread(t.start, c); err != nil {
				return err
			}
			t.at = t.root
			return nil
		})
	})
	if err != nil {
		return t.engineError(t.root, err)
	}
	return nil
}

// spread hands the rows that s gave to everything that reads s.
func (t *Pipeline) spread(s *stage, c Chunk) error {
	if c.N == 0 {
		return nil
	}
	if t.ctx.Debug {
		var err error
		if c, err = throughColumns(s.node, c); err != nil {
			return err
		}
	}
	for _, l := range s.to {
		var err error
		switch {
		case l.port != nil:
			t.at = l.port.node
			err = t.into(l.port, s.node, c)
		case l.wait:
			from := t.origin
			from.way += fmt.Sprintf(" #%d/%d", l.stage.node.ID, l.input)
			t.needed = true
			l.stage.held[l.input] = append(l.stage.held[l.input], held{c, from})
		default:
			err = t.process(l.stage, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *Pipeline) process(s *stage, in Chunk) error {
	t.at = s.node
	if s.gathers != nil {
		return t.gather(s, in)
	}
	var out Chunk
	err := unchanged(t.ctx, s.node, s.node.In[0], in, func() (err error) {
		if s.dated != nil {
			out = t.date(s, in)
			return nil
		}
		out, err = s.kernel.Process(t.ctx, in)
		return err
	})
	if err != nil {
		return t.engineError(s.node, err)
	}
	if len(t.ctx.Refused) > 0 {
		t.refused(s)
	}
	return t.spread(s, out)
}

// gather gives a chunk to a kernel that puts chunks together, and hands on what it gives.
func (t *Pipeline) gather(s *stage, in Chunk) error {
	if t.locating { // behind it no row is known to be a record's
		return nil
	}
	origin, gathered := t.origin, t.gathered
	t.origin, t.gathered = extent{}, true
	var out Chunk
	err := unchanged(t.ctx, s.node, s.node.In[0], in, func() (err error) {
		out, err = s.gathers.Process(t.ctx, in)
		return err
	})
	if err == nil {
		err = t.allOf(s, out)
	}
	if err != nil {
		return t.engineError(s.node, err)
	}
	t.origin, t.gathered = origin, gathered
	return nil
}

// allOf hands on the chunks that a kernel which gathers has ready.
func (t *Pipeline) allOf(s *stage, c Chunk) error {
	for ; c.N > 0; c = s.gathers.Next() {
		if err := t.spread(s, c); err != nil {
			return err
		}
		t.at = s.node
	}
	return nil
}

// Close lets go of what kernels hold beyond their rows, whether the task has come to its end or not. The pipeline is of no further use. It may be called again.
func (t *Pipeline) Close() error {
	var errs []error
	for _, c := range t.closers {
		errs = append(errs, c.Close())
	}
	t.closers = nil
	return errors.Join(errs...)
}

func (t *Pipeline) into(p *port, from *Node, c Chunk) error {
	err := unchanged(t.ctx, p.node, from, c, func() error { return p.add(t.ctx, c) })
	if err != nil {
		return t.engineError(p.node, err)
	}
	return nil
}

// engineError says where an error that is not about user code came from.
func (t *Pipeline) engineError(n *Node, err error) error {
	switch err.(type) {
	case *UserError, *BadRecordError, *opError:
		return err
	}
	return &opError{fmt.Sprintf("%s: batch %d, partition %d", n.label(), t.ctx.Batch, t.ctx.Partition), err}
}

// label is what a node is called in messages: its operation, its name if it has one, and its line.
func (n *Node) label() string {
	if n.Name == "" {
		return fmt.Sprintf("%s (%s)", n.Op, n.Site)
	}
	return fmt.Sprintf("%s %q (%s)", n.Op, n.Name, n.Site)
}

// opError is an error of an operator with its place; it is wrapped once only on its way up.
type opError struct {
	where string
	err   error
}

func (e *opError) Error() string { return e.where + ": " + e.err.Error() }
func (e *opError) Unwrap() error { return e.err }

// Finish flushes writers and sinks: the task's blocks, ordered by (edge, partition), with sums, empty ones included for
// every partition and lane of every edge below the root.
func (t *Pipeline) Finish() ([]Block, error) {
	if err := t.release(); err != nil {
		return nil, err
	}
	if err := t.setAside(); err != nil {
		return nil, err
	}
	var blocks []Block
	from := TaskID{Node: t.root.ID, Part: t.ctx.Partition}
	for _, p := range t.edges {
		var recs []Record
		err := t.guard(nil, func() (err error) {
			t.at = p.node
			recs, err = p.flush(t.ctx)
			return err
		})
		if err != nil {
			return nil, t.engineError(p.node, err)
		}
		blocks = append(blocks, sealed(p.edge, from, recs)...)
	}
	if d, ok := t.decoder.(ReusableDecoder); ok && t.root.decoders != nil {
		t.root.decoders.put(d)
		t.decoder = nil
	}
	t.ctx.Outcomes = t.outcomes()
	for _, b := range t.blocks {
		b.Free()
	}
	return blocks, nil
}

// release lets the chunks that wait at unions go on, input by input, and then what a stage holds back itself. Stages are
// ordered by node, so what one releases reaches the next before that one's turn.
func (t *Pipeline) release() error {
	for _, s := range t.stages {
		for i, chunks := range s.held {
			s.held[i] = nil
			for _, h := range chunks {
				err := t.guard(nil, func() error {
					t.origin = h.origin
					return t.process(s, h.chunk)
				})
				if err = t.located(err, h.origin); err != nil {
					return err
				}
			}
		}
		if err := t.finish(s); err != nil {
			return err
		}
	}
	return nil
}
