package executor

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// preparation is what an assignment needs before gained parts can work. It runs beside the loop, which does not touch these parts meanwhile.
type preparation struct {
	generation int64
	driver     *link // who wants it
	base       int64
	refs       []checkpoint.DeltaRef
	state      depot
	parts      []*part
	old        []*lane // to be closed before new ones open
	lanes      []*lane
	sources    []*reader

	connectors map[string]*source.Spec
	outputs    map[int]*rdd.Node
	opened     map[int]sink.Output // by earlier preparations
	sourceEnv  source.Env
	sinkEnv    sink.Env
	stats      *Stats
	slots      int
}

// prepared is a preparation's result.
type prepared struct {
	p          *preparation
	outputs    map[int]sink.Output
	connectors map[string]source.Connector
	err        error
}

// prepare starts it.
func (e *core) prepare(ctx context.Context, p *preparation) {
	e.group.Go(func() error {
		done := p.run(ctx)
		if !e.post(ctx, done) {
			done.close()
		}
		return nil
	})
}

// close is for a result that nobody takes any more.
func (d prepared) close() {
	for _, l := range d.p.lanes {
		l.shut()
	}
	for _, o := range d.outputs {
		_ = o.Close()
	}
	for _, c := range d.connectors {
		_ = c.Close()
	}
}

func (p *preparation) run(ctx context.Context) (done prepared) {
	done = prepared{p: p, outputs: map[int]sink.Output{}, connectors: map[string]source.Connector{}}
	defer func() {
		if cause := recover(); cause != nil {
			done.err = fmt.Errorf("preparing: %w", stackOf(cause))
		}
	}()
	for _, l := range p.old {
		<-l.ended // its last operation may be under way, and the sink must not see two owners here
	}
	var mu sync.Mutex // guards done's maps
	var open, g errgroup.Group
	open.SetLimit(max(p.slots, 4))
	for name, spec := range p.connectors {
		open.Go(func() error {
			c, err := spec.Open(ctx, p.sourceEnv)
			if err != nil {
				return fmt.Errorf("source %s: %w", name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			done.connectors[name] = c
			return nil
		})
	}
	for id, n := range p.outputs {
		open.Go(func() error {
			o, err := openSink(ctx, n, p.sinkEnv)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done.outputs[id] = o
			return nil
		})
	}
	g.SetLimit(p.slots)
	for _, x := range p.parts {
		g.Go(func() error { return guarded(func() error { return p.restore(ctx, x) }) })
	}
	err := open.Wait()
	if err == nil {
		err = p.openLanes(ctx, done.outputs)
	}
	done.err = errors.Join(err, g.Wait())
	return done
}

// guarded turns a panic into an error: nothing that an assignment brings may end the process.
func guarded(f func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = stackOf(cause)
		}
	}()
	return f()
}

// openSink opens a sink node's output.
func openSink(ctx context.Context, n *rdd.Node, env sink.Env) (sink.Output, error) {
	spec, ok := n.Outlet.(*sink.Spec)
	if !ok {
		return nil, fmt.Errorf("sink %s: %T is no sink.Spec", n.Name, n.Outlet)
	}
	o, err := spec.Open(ctx, env, sinkSchema(n))
	if err != nil {
		return nil, fmt.Errorf("sink %s: %w", n.Name, err)
	}
	return o, nil
}

// sinkSchema is the form of the rows that a sink node gets.
func sinkSchema(n *rdd.Node) sink.Schema {
	s := sink.Schema{Arrow: row.Pair(n.Key, n.Val), ScalarValue: n.Val.Scalar()}
	if n.Key != nil {
		s.Keys, s.ScalarKey = n.Key.Schema().NumFields(), n.Key.Scalar()
	}
	return s
}

// openLanes takes the gained lanes over: earlier owners are fenced, and what they published last is read (I5, I9).
func (p *preparation) openLanes(ctx context.Context, fresh map[int]sink.Output) error {
	var g errgroup.Group
	g.SetLimit(16)
	for _, l := range p.lanes {
		g.Go(func() error {
			o := p.opened[l.node.ID]
			if o == nil {
				o = fresh[l.node.ID]
			}
			if err := l.open(ctx, o); err != nil {
				return fmt.Errorf("sink %s lane %d: %w", l.id.Sink, l.id.Lane, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// restore brings a partition's tables to the version of base, from the chain of state files.
func (p *preparation) restore(ctx context.Context, x *part) error {
	if p.base == 0 {
		return nil
	}
	p.stats.restoredPart(x.n)
	for _, k := range x.tables {
		if k.store.Derived {
			continue
		}
		if err := p.restoreTable(ctx, x, k); err != nil {
			return fmt.Errorf("state of %q, key groups %d to %d: %w", k.store.Name, x.from, x.until, err)
		}
	}
	if err := x.tables.derive(p.base); err != nil {
		return err
	}
	for _, k := range x.tables {
		k.at, k.forgotten, k.due = p.base, p.base, k.table.NextDue()
	}
	return nil
}

func (p *preparation) restoreTable(ctx context.Context, x *part, k *keyed) error {
	if p.state == nil {
		return fmt.Errorf("version %d is wanted and no state files are written; nothing can be restored without --checkpoint", p.base)
	}
	chain, ok := checkpoint.Chain(p.refs, k.store.Name, x.from, x.until, p.base)
	if !ok {
		return fmt.Errorf("the state files that are known do not reach to version %d", p.base)
	}
	for _, ref := range chain {
		for _, s := range ref.Sections {
			from, until := max(s.From, x.from), min(s.Until, x.until)
			if s.Operator != k.store.Name || from >= until {
				continue
			}
			rec, err := p.state.load(ctx, ref, s)
			if err != nil {
				return err
			}
			if err := k.load(ref, s, rec, from, until); err != nil {
				return fmt.Errorf("%s: %w", ref.File, err)
			}
		}
	}
	k.table.LoadedTo(p.base)
	return nil
}

// load applies one section and keeps count of what stands behind each group's last dump.
func (k *keyed) load(ref checkpoint.DeltaRef, s checkpoint.Section, rec arrow.Record, from, until int) error {
	if s.Full {
		for g := from; g < until; g++ {
			k.written[g], k.dumped[g] = 0, ref.Batch
		}
	}
	if rec == nil && !s.Full {
		return nil
	}
	if err := k.table.Load(rec, from, until, s.Full); err != nil {
		return err
	}
	if groups, ok := groupsOf(rec); ok && !s.Full {
		for _, g := range groups {
			if int(g) < row.Groups {
				k.written[g]++
			}
		}
	}
	return nil
}

// groupsOf is the key group column of a delta.
func groupsOf(rec arrow.Record) ([]uint8, bool) {
	if rec == nil || rec.NumCols() == 0 {
		return nil, false
	}
	col, ok := rec.Column(0).(*array.Uint8)
	if !ok {
		return nil, false
	}
	return col.Uint8Values(), true
}
