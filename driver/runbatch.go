package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// RunBatch runs a batch program: f computes bounded RDDs (source.Read, rdd.Parallelize) with Collect, Count, Take and the like, in its context. They
// are computed in this process, as many tasks at once as Config.Master has slots (local[N]; default: one a core), each RDD as one batch. Of
// the other settings those of sources count: Brokers, KafkaTLS, LogDir, OnBadRecord, Log, Clock, and Partitions.
//
// Each RDD is one batch and the last: where rows have event time, none of them is late, and the watermarks behind it are the end of time.
//
// The functions that make up a computation are those that a job uses on streams: over history they give what the stream would.
func RunBatch(ctx context.Context, cfg Config, f func(ctx context.Context) error) error {
	cfg, m, err := cfg.fill()
	if err != nil {
		return err
	}
	if m.kind != masterLocal {
		return usagef("--master %s: a batch program runs in one process: use local[N]", cfg.Master)
	}
	return f(rdd.WithRunner(ctx, newLocalRunner(cfg, m.slots)))
}

// pinParts is how many partitions the data that a job pins is computed in. It is the same everywhere: the order of the rows follows from it, and the
// rows are part of the plan (P21).
const pinParts = 8

// computes is what a job computes bounded data with while it is built (dstream.Pin).
func computes(ctx context.Context, cfg Config) func(func(context.Context) error) error {
	return func(f func(context.Context) error) error {
		cfg, m, err := cfg.fill()
		if err != nil {
			return err
		}
		r := newLocalRunner(cfg, max(m.slots, 1))
		r.reduce = pinParts
		return f(rdd.WithRunner(ctx, r))
	}
}

// localRunner computes bounded plans in this process (rdd.Runner). It keeps nothing between runs.
type localRunner struct {
	slots, reduce int
	stopOnBad     bool
	env           source.Env
	clock         clock.Clock
	log           *slog.Logger
}

func newLocalRunner(cfg Config, slots int) *localRunner {
	b := &localRunner{
		slots: slots, reduce: cfg.Partitions, stopOnBad: cfg.OnBadRecord == "stop", clock: cfg.Clock, log: cfg.Log,
		env: source.Env{Job: cfg.Name, Brokers: cfg.Brokers, LogDir: cfg.LogDir, TLS: cfg.KafkaTLS.source(), Log: cfg.Log, Clock: cfg.Clock},
	}
	if b.reduce == 0 {
		b.reduce = slots
	}
	return b
}

// Run implements rdd.Runner. Roots are computed one after the other, in order of the plan, and the tasks of each at once.
func (b *localRunner) Run(ctx context.Context, p *rdd.Plan) ([]rdd.Record, error) {
	r := &localRun{localRunner: b, plan: p, time: b.clock.Now().UnixMicro(), edges: map[rdd.EdgeID][][]rdd.Record{}}
	r.marks = rdd.NewTimeline(p, nil, nil, r.time, true) // what is there is all there is: no row is late, and behind the batch event time has ended
	r.layout = rdd.Layout{Reduce: b.reduce, Lanes: map[string]int{}}
	for _, n := range p.Sinks {
		r.layout.Lanes[n.Name] = 1
	}
	for _, n := range p.Nodes {
		var err error
		switch n.Kind {
		case rdd.Source:
			err = r.source(ctx, n)
		case rdd.Wide:
			err = r.wide(ctx, n)
		}
		if err != nil {
			return nil, err
		}
	}
	var out []rdd.Record
	for _, n := range p.Sinks {
		for _, recs := range r.edges[rdd.EdgeID{Node: n.ID}] {
			out = append(out, recs...)
		}
	}
	return out, nil
}

// localRun is one computation.
type localRun struct {
	*localRunner
	plan   *rdd.Plan
	time   int64
	layout rdd.Layout
	marks  *rdd.Timeline                 // nil without event time
	edges  map[rdd.EdgeID][][]rdd.Record // what has come, by part, in order of the upstream tasks (I7)
}

// tasks runs n tasks of a root, as many at once as there are slots, and deals out their blocks in order.
func (r *localRun) tasks(ctx context.Context, root *rdd.Node, n int, run func(ctx context.Context, i int, p *rdd.Pipeline) error) error {
	done, counters := make([][]rdd.Block, n), make([]rdd.Counters, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.slots)
	for i := range n {
		g.Go(func() (err error) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			x := &rdd.Context{Batch: 1, Time: r.time, Layout: &r.layout, Partition: i, Final: true, Counters: &counters[i]}
			if root.Kind == rdd.Wide {
				x.Marks, x.Mark = r.marks.Marks(root)
			}
			x.Wanted = ctx
			p := rdd.NewPipeline(r.plan, root, x, nil)
			defer func() {
				if closed := p.Close(); err == nil {
					err = closed
				}
			}()
			if err := run(ctx, i, p); err != nil {
				return err
			}
			done[i], err = p.Finish()
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	bad := int64(0)
	for i, blocks := range done {
		bad += counters[i].Bad
		for _, b := range blocks {
			r.take(b)
		}
	}
	if bad > 0 {
		r.log.Warn("records left out that could not be decoded", "source", root.Name, "records", bad)
	}
	return nil
}

// take files a block under the place that it goes to.
func (r *localRun) take(b rdd.Block) {
	parts := r.edges[b.Edge]
	for len(parts) <= b.Part {
		parts = append(parts, nil)
	}
	if b.Rec != nil {
		parts[b.Part] = append(parts[b.Part], b.Rec)
	}
	r.edges[b.Edge] = parts
}

// wide computes the partitions of a wide node, and lets the blocks go that it has read.
func (r *localRun) wide(ctx context.Context, n *rdd.Node) error {
	in := make([][][]rdd.Record, r.layout.Reduce) // by partition and input
	for part := range in {
		in[part] = make([][]rdd.Record, len(n.In))
		for i := range n.In {
			if parts := r.edges[rdd.EdgeID{Node: n.ID, Input: i}]; part < len(parts) {
				in[part][i] = parts[part]
			}
		}
	}
	for i := range n.In {
		delete(r.edges, rdd.EdgeID{Node: n.ID, Input: i})
	}
	return r.tasks(ctx, n, r.layout.Reduce, func(_ context.Context, i int, p *rdd.Pipeline) error {
		empty := !slices.ContainsFunc(in[i], func(blocks []rdd.Record) bool { return len(blocks) > 0 })
		if empty && !n.Wide.OnEmpty {
			return nil
		}
		return p.Reduce(in[i], r.stopOnBad)
	})
}

// source reads what a source holds now.
func (r *localRun) source(ctx context.Context, n *rdd.Node) (err error) {
	spec, ok := n.Leaf.(*source.Spec)
	if !ok {
		return fmt.Errorf("%s: source %s: %T is not a source", n.Site, n.Name, n.Leaf)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("source %s: %w", n.Name, err)
		}
	}()
	c, err := spec.Open(ctx, r.env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	limit, cancel := context.WithTimeout(ctx, openLimit)
	parts, err := c.Partitions(limit)
	cancel()
	if err != nil {
		return err
	}
	if spec.Bound != nil {
		if parts, err = spec.Bound(parts); err != nil {
			return err
		}
	}
	return r.tasks(ctx, n, len(parts), func(ctx context.Context, i int, p *rdd.Pipeline) error {
		part := parts[i]
		err := read(ctx, c, part, func(b *records.Block) error { return p.PushRecords(b, r.stopOnBad) })
		if err != nil {
			return fmt.Errorf("partition %s: %w", part.Key, err)
		}
		return nil
	})
}

// read gives the records of a partition from its start to its end.
func read(ctx context.Context, c source.Connector, p source.Partition, give func(*records.Block) error) (err error) {
	if p.Start >= p.End {
		return nil
	}
	rd, err := c.Reader(ctx, p, p.Start)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	for at := p.Start; at < p.End; {
		b, err := rd.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil // a compacted end, or a file: what is there has been read
		}
		if err != nil {
			return err
		}
		if b.First < p.End {
			if b.First < p.Start || b.Next > p.End {
				b = b.Slice(max(b.First, p.Start), min(b.Next, p.End))
			}
			if err := give(b); err != nil {
				return err
			}
		}
		at = max(at, b.Next)
	}
	return nil
}
