package driver

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/sink"
)

// lineage makes the state files of all committed batches whole before anything is restored from them: files behind the last fsynced batch may be
// torn or missing, and --checkpoint-every leaves some out. What is missing is computed again from plan records (P15).
func (e *engine) lineage(ctx context.Context, st *checkpoint.Store) error {
	state, err := checkpoint.OpenState(e.dir)
	if err != nil {
		return err
	}
	whole := e.rec.Committed
	last, before := int64(0), int64(0)
	for _, d := range e.rec.Deltas {
		if d.Batch > last {
			last, before = d.Batch, last
		}
		if d.Batch <= e.rec.Durable || d.Batch > whole {
			continue
		}
		if err := state.Check(d); err != nil {
			if !errors.Is(err, checkpoint.ErrDamaged) {
				return err
			}
			e.log.Warn("state file is not whole, its batch is computed again", "file", d.File, "batch", d.Batch)
			whole = before
		}
	}
	if len(operatorsOf(e.plan)) == 0 || e.rec.Committed == 0 {
		return nil
	}
	if e.cfg.CheckpointEvery > 1 || e.rec.Committed > last {
		whole = min(whole, e.written(last))
	}
	whole = min(whole, checkpoint.Reach(e.rec.Deltas, whole))
	if whole == e.rec.Committed || fault.Planted("P15-lineage") {
		return nil
	}
	var kept []checkpoint.DeltaRef
	for _, d := range e.rec.Deltas {
		if d.Batch <= whole {
			kept = append(kept, d)
		}
	}
	made, err := e.recompute(ctx, st, e.rec.Partitions, kept, whole, e.rec.Committed)
	if err != nil {
		return fmt.Errorf("checkpoint %s: state of batches %d to %d: %w", e.dir, whole+1, e.rec.Committed, err)
	}
	if err := st.Replace(whole, made); err != nil {
		return err
	}
	e.rec.Deltas = st.Deltas()
	return nil
}

// written is the batch up to which state was written: the last with a file.
func (e *engine) written(last int64) int64 { return min(last, e.rec.Committed) }

// replay does lineage while the job runs: an executor with parts was lost between two state files (--checkpoint-every).
func (e *engine) replay(ctx context.Context, r replay) {
	st, ok := e.store.(*checkpoint.Store)
	deltas := slices.Clone(e.machine.deltas)
	var known []checkpoint.Partition
	e.machine.eachPart(func(_ *input, p *part) { known = append(known, p.Partition) })
	e.group.Go(func() error {
		ev := replayed{until: r.until}
		err := errors.New("there is no checkpoint")
		if ok {
			if ev.deltas, err = e.recompute(ctx, st, known, deltas, r.from, r.until); err == nil {
				err = st.Replace(r.from, ev.deltas)
			}
		}
		if err != nil {
			ev.err = err.Error()
		}
		e.post(ctx, ev)
		return nil
	})
}

// recompute runs batches (from, until] again on an executor of its own and returns the state files that it wrote.
func (e *engine) recompute(ctx context.Context, st *checkpoint.Store, known []checkpoint.Partition, deltas []checkpoint.DeltaRef, from, until int64) ([]checkpoint.DeltaRef, error) {
	plans, err := st.Plans(from+1, until)
	if err != nil {
		return nil, err
	}
	e.log.Info("state is computed again by lineage", "from", from+1, "until", until)
	r := &replayer{e: e, store: st, known: known, deltas: deltas, name: "lineage"}
	return r.run(ctx, plans)
}

// replayer runs recorded batches on a private executor that owns everything and publishes nothing.
type replayer struct {
	e       *engine
	store   *checkpoint.Store
	name    string
	known   []checkpoint.Partition
	deltas  []checkpoint.DeltaRef
	capture func(batch int64, sink string, lane int, recs []arrow.Record)

	conn       executor.Conn
	generation int64
	made       []checkpoint.DeltaRef
	shared     map[versionID]checkpoint.Pin // versions of broadcasts that the executor has
}

func (r *replayer) run(ctx context.Context, plans []checkpoint.Plan) (_ []checkpoint.DeltaRef, err error) {
	cfg := r.e.executorConfig(r.name, max(r.e.master.slots, 1))
	cfg.Plan, cfg.Capture, cfg.Listen = r.e.plan, r.capture, nil
	if r.conn, err = executor.Local(ctx, cfg); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.stop()) }()
	if _, err := r.e.welcome(r.name, r.conn, 1); err != nil {
		return nil, err
	}
	for i := range plans {
		p := &plans[i]
		if err := r.share(ctx, p); err != nil {
			return nil, err
		}
		if i == 0 || !sameLayout(p.Layout, plans[i-1].Layout) {
			if err := r.assign(p, plans[i:]); err != nil {
				return nil, err
			}
		}
		if err := r.batch(p); err != nil {
			return nil, err
		}
	}
	return r.made, nil
}

// assign gives everything that the rest of the plans need to the executor.
func (r *replayer) assign(p *checkpoint.Plan, rest []checkpoint.Plan) error {
	r.generation++
	a := &executor.Assign{
		Generation: r.generation, Base: p.Batch - 1, Rollback: r.generation == 1, Layout: p.Layout, Lanes: map[string][]string{},
		Peers: map[string]string{r.name: ""}, Deltas: append(append([]checkpoint.DeltaRef(nil), r.deltas...), r.made...),
		Owner: sink.Owner{UUID: r.e.rec.UUID, Timeline: r.e.rec.Timeline, Epoch: r.e.rec.Epoch},
	}
	for range p.Layout.Reduce {
		a.Reduce = append(a.Reduce, r.name)
	}
	seen := map[checkpoint.SourcePartition]bool{}
	for i := range rest {
		for _, g := range rest[i].Ranges {
			id := checkpoint.SourcePartition{Source: g.Source, Partition: g.Partition}
			if seen[id] {
				continue
			}
			seen[id] = true
			for _, k := range r.known {
				if k.Source == g.Source && k.Partition == g.Partition {
					a.Sources = append(a.Sources, executor.SourceAssign{Source: g.Source, Partition: k, From: g.From, Executor: r.name})
				}
			}
		}
	}
	if err := r.conn.Send(a); err != nil {
		return err
	}
	for {
		m, err := r.conn.Recv()
		if err != nil {
			return err
		}
		if d, ok := m.(*executor.Assigned); ok && d.Generation == r.generation {
			if d.Err != "" {
				return errors.New(d.Err)
			}
			return nil
		}
	}
}

// batch runs one batch and waits for its state.
func (r *replayer) batch(p *checkpoint.Plan) error {
	if err := r.conn.Send(&executor.Launch{Plan: *p, Replay: true}); err != nil {
		return err
	}
	for {
		m, err := r.conn.Recv()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *executor.TaskFailed:
			return fmt.Errorf("batch %d: %s", m.Batch, m.Message)
		case *executor.Built:
			if err := r.compare(p, m); err != nil {
				return err
			}
		case *executor.Staged:
			if m.Batch != p.Batch {
				continue
			}
			if m.Delta != nil {
				r.made = append(r.made, *m.Delta)
			}
			return r.conn.Send(&executor.Committed{Batch: p.Batch})
		}
	}
}

func (r *replayer) stop() error {
	_ = r.conn.Send(&executor.Stop{Reason: "the replay is done"})
	for err := error(nil); err == nil; {
		_, err = r.conn.Recv()
	}
	return r.conn.Close()
}

// Replay computes a committed batch of a checkpoint again and returns the rows of each lane of each sink, in the order in which they were
// staged. Nothing is published, and the checkpoint's job must not be running. The batch must not have been pruned.
func Replay(ctx context.Context, job func(*dstream.Job), cfg Config, batch int64) (_ map[string]map[int][]arrow.Record, err error) {
	cfg.Master = "local[2]"
	e, err := prepare(ctx, job, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	st, ok := e.store.(*checkpoint.Store)
	if !ok {
		return nil, errors.New("replay needs a checkpoint")
	}
	base := int64(0)
	var kept []checkpoint.DeltaRef
	for _, d := range e.rec.Deltas {
		if d.Batch < batch {
			base = max(base, d.Batch)
			kept = append(kept, d)
		}
	}
	if len(operatorsOf(e.plan)) == 0 {
		base = batch - 1
	}
	plans, err := st.Plans(base+1, batch)
	if err != nil {
		return nil, err
	}
	out := map[string]map[int][]arrow.Record{}
	r := &replayer{e: e, store: st, known: e.rec.Partitions, deltas: kept, name: "replay", capture: func(b int64, sink string, lane int, recs []arrow.Record) {
		if b != batch {
			return
		}
		if out[sink] == nil {
			out[sink] = map[int][]arrow.Record{}
		}
		out[sink][lane] = append(out[sink][lane], recs...)
	}}
	_, err = r.run(ctx, plans)
	return out, err
}
