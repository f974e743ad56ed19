package executor

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/rdd"
)

// taskResult is what an accepted attempt gives. Counters ride in it, and only in it (P17).
type taskResult struct {
	blocks   []rdd.Block
	counters rdd.Counters
	outcomes []rdd.Outcome
	added    []rdd.Delta
	highs    []int64
}

// taskDone is a slot's result for a source or wide task.
type taskDone struct {
	task   *task
	res    taskResult
	state  tables // wide with state
	sealed []sealed
	err    error
}

// workOf makes a queued task into work. What it needs is read here, by the core; the slot sees only that.
func (e *core) workOf(t *task) work {
	t.status = running
	e.cfg.Stats.ran(t.id, t.run.key.batch)
	b := base{
		task: t, plan: t.run.graph, routers: e.routers,
		ctx: &rdd.Context{
			Batch: t.run.key.batch, Time: t.run.plan.Time, Layout: t.run.layout, Partition: t.id.Part,
			Final: t.run.plan.Final, Debug: e.cfg.Debug, Counters: &rdd.Counters{},
			Encoded: e.cfg.Capture == nil, // who captures wants columns
			Tally:   e.plan.NewTally(), Versions: t.run.versions,
		},
	}
	if t.counters != nil && fault.Planted("P17-attempt") {
		b.ctx.Counters = t.counters
	}
	if t.tally != nil && fault.Planted("P17-accumulator") {
		b.ctx.Tally = t.tally
	}
	t.tally = b.ctx.Tally
	if t.node.Kind == rdd.Source {
		w := &sourceWork{base: b, from: t.from, rng: t.rng, stopOnBad: e.set.StopOnBad, stats: e.cfg.Stats}
		if t.from.mutable && e.state != nil {
			w.journal = e.state
		}
		return w
	}
	w := &wideWork{base: b, stopOnBad: e.set.StopOnBad, committed: e.committed, state: t.part.of(t.node)}
	for _, g := range t.in {
		w.in = append(w.in, g.rows())
	}
	b.ctx.Marks, b.ctx.Mark = t.run.marks.Marks(t.node)
	for _, table := range t.node.Wide.Tables {
		b.ctx.Tables = append(b.ctx.Tables, t.part.of(table)[0].table)
	}
	switch {
	case e.writesDelta(t.run.key.batch) && t.run.key.batch%e.everyOf(t.node) == 0:
		w.record = dumped
	case e.set.Deltas:
		w.record = changed
	}
	return w
}

// base is what source and wide tasks have in common.
type base struct {
	task    *task
	plan    *rdd.Plan
	routers map[int]rdd.Router
	ctx     *rdd.Context
}

// attempt runs f, and turns a panic of the engine into an error that stops the job: user code's panics are errors already.
func (b *base) attempt(done *taskDone, f func() error) {
	defer func() {
		if cause := recover(); cause != nil {
			done.err = fmt.Errorf("batch %d, %s %q partition %d: %w: %w", b.ctx.Batch, b.task.node.Op, b.task.node.Name, b.ctx.Partition, errBroken, stackOf(cause))
		}
		done.res.counters, done.res.outcomes, done.res.added = *b.ctx.Counters, b.ctx.Outcomes, b.ctx.Tally.Deltas()
	}()
	done.err = f()
}

// sourceWork runs a source partition's range through its fused operators.
type sourceWork struct {
	base
	from      *reader
	rng       checkpoint.Range
	stopOnBad bool
	journal   depot // of a source whose history can change (P18)
	stats     *Stats
}

func (w *sourceWork) do(ctx context.Context) any {
	done := taskDone{task: w.task}
	w.attempt(&done, func() (err error) {
		blocks, err := w.read(ctx)
		if err != nil {
			return w.wrap(err)
		}
		w.ctx.Wanted = ctx
		p := rdd.NewPipeline(w.plan, w.task.node, w.ctx, w.routers)
		defer closing(p, &err)
		for _, b := range blocks {
			if err := w.push(p, b); err != nil {
				return err
			}
		}
		done.res.blocks, err = p.Finish()
		done.res.highs = w.ctx.Highs
		return err
	})
	return done
}

// closing closes a task's pipeline; what that says counts only if the task has succeeded.
func closing(p *rdd.Pipeline, err *error) {
	if closed := p.Close(); *err == nil {
		*err = closed
	}
}

// push sends a block's records through, and gives the block back.
func (w *sourceWork) push(p *rdd.Pipeline, b *records.Block) error {
	loaded, err := b.Load()
	if err != nil {
		return w.wrap(err)
	}
	b.Free()
	if err := p.PushRecords(loaded, w.stopOnBad); err != nil {
		return err
	}
	p.Release(loaded)
	return nil
}

func (w *sourceWork) wrap(err error) error {
	return fmt.Errorf("source %s partition %d, offsets %d to %d: %w", w.rng.Source, w.rng.Partition, w.rng.From, w.rng.Until, err)
}

// read is the range's records, of which the caller is a user: what is held, else what an earlier attempt journalled, else the source again. The records of a source whose
// history can change are journalled durably before anything is made of them.
func (w *sourceWork) read(ctx context.Context) ([]*records.Block, error) {
	if w.journal != nil && !fault.Planted("P18-journal") {
		data, ok, err := w.journal.readJournal(ctx, w.ctx.Batch, w.rng.Source, w.rng.Partition)
		if err != nil {
			return nil, err
		}
		if ok {
			b, err := decodeJournal(data)
			return []*records.Block{b}, err
		}
	}
	blocks, ok := w.from.take(w.rng.From, w.rng.Until)
	if !ok {
		w.stats.count(func(s *Stats) { s.reread++ })
		var err error
		if blocks, err = w.from.again(ctx, w.rng.From, w.rng.Until); err != nil {
			return nil, err
		}
	}
	if w.journal != nil && !fault.Planted("P18-journal") {
		err := withJournal(w.rng, blocks, func(data []byte) error {
			return w.journal.writeJournal(ctx, w.ctx.Batch, w.rng.Source, w.rng.Partition, data)
		})
		if err != nil {
			return nil, err
		}
	}
	return blocks, nil
}

// wideWork runs a reduce partition of a wide node, from version t-1 of its state to version t (I3).
type wideWork struct {
	base
	in        [][]rdd.Record
	stopOnBad bool
	state     tables
	committed int64
	record    record
}

func (w *wideWork) do(ctx context.Context) any {
	done := taskDone{task: w.task, state: w.state}
	begun := false
	w.attempt(&done, func() (err error) {
		begun = true
		w.state.begin(w.ctx.Batch, w.committed)
		w.lend()
		w.ctx.Wanted = ctx
		p := rdd.NewPipeline(w.plan, w.task.node, w.ctx, w.routers)
		defer closing(p, &err)
		err = p.Reduce(w.in, w.stopOnBad)
		if err == nil {
			done.res.blocks, err = p.Finish()
		}
		if err == nil {
			done.sealed = w.state.seal(w.ctx.Batch, w.record, w.task.part)
		}
		return err
	})
	if done.err != nil && begun {
		if err := guarded(func() error { w.state.undo(w.ctx.Batch); return nil }); err != nil {
			done.err = errors.Join(done.err, fmt.Errorf("%w: state not undone: %w", errBroken, err))
		}
	}
	return done
}

// lend gives the reducer the tables.
func (w *wideWork) lend() {
	if len(w.state) == 0 {
		return
	}
	w.ctx.State = w.state[0].table
	for _, k := range w.state[1:] {
		w.ctx.More = append(w.ctx.More, k.table)
	}
}
