package driver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/term"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// prepare builds the job and opens everything that a run needs but executors. What it opened is closed again on an error.
func prepare(ctx context.Context, job func(*dstream.Job), cfg Config) (_ *engine, err error) {
	cfg, m, err := cfg.fill()
	if err != nil {
		return nil, err
	}
	plan, err := buildPlan(ctx, job, cfg, nil)
	if err != nil {
		return nil, err
	}
	e := &engine{
		cfg: cfg, job: job, master: m, log: cfg.Log, clock: clock.Fine{}, time: cfg.Clock, plan: plan,
		inputs: map[string]source.Connector{}, looks: map[string]chan chan<- struct{}{}, outputs: map[string]sink.Output{}, conns: map[string]executor.Conn{}, versions: map[versionID]*rdd.Version{},
		events: make(chan event, eventQueue), frames: make(chan frame, frameQueue), done: make(chan report, 1), asks: make(chan chan<- Status),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
		}
	}()
	if err := e.checkJob(); err != nil {
		return nil, err
	}
	if err := e.checkAddresses(); err != nil {
		return nil, err
	}
	if e.exe, err = executableHash(); err != nil {
		return nil, err
	}
	if err := e.openInputs(ctx); err != nil {
		return nil, err
	}
	if err := e.openStore(ctx); err != nil {
		return nil, err
	}
	if err := e.resumeInputs(); err != nil {
		return nil, err
	}
	layout, err := e.openOutputs(ctx)
	if err != nil {
		return nil, err
	}
	set := e.setup(layout)
	if st, ok := e.store.(*checkpoint.Store); ok && e.rec.Committed > 0 {
		plans, err := st.Plans(e.rec.Committed, e.rec.Committed)
		if err != nil {
			return nil, err
		}
		set.baseHash = plans[0].Hash
	}
	e.machine = newMachine(set)
	return e, nil
}

// buildPlan runs the job function. Its mistakes are the user's.
func buildPlan(ctx context.Context, job func(*dstream.Job), cfg Config, w *executor.Welcome) (*rdd.Plan, error) {
	o := dstream.JobOptions{Name: cfg.Name, Runner: newLocalRunner(cfg, runtime.GOMAXPROCS(0))}
	if cfg.OnBadRecord != "stop" {
		o.DeadLetter = sink.DeadLettersStderr
		if cfg.Checkpoint != "" {
			o.DeadLetter = func(source string) *sink.Spec { return sink.DeadLetters(cfg.Checkpoint, source) }
		}
	}
	if w != nil {
		o.Executor, o.Values = true, w.Values
	} else {
		o.Compute = computes(ctx, cfg)
	}
	j := dstream.NewJob(o)
	j.Describe(job)
	plan, err := j.Plan()
	if err != nil {
		return nil, usageError{err}
	}
	if w == nil && cfg.Log != nil {
		for _, text := range j.Warnings() {
			cfg.Log.Warn(text)
		}
	}
	return plan, nil
}

// volatilePrefix begins the name of the temporary state folder of a job without a checkpoint.
const volatilePrefix = "millrace-state-"

// programHash names executable and plan together (P1).
func programHash(exe []byte, plan *rdd.Plan) []byte {
	h := sha256.New()
	h.Write(exe)
	h.Write(plan.Hash[:])
	return h.Sum(nil)[:16]
}

// operatorsOf are the plan's stateful operators, as a checkpoint knows them: one for each state table.
func operatorsOf(p *rdd.Plan) []checkpoint.Operator {
	var ops []checkpoint.Operator
	text := func(c *row.Codec) string {
		if c == nil {
			return ""
		}
		return c.Text()
	}
	for _, n := range p.Wides {
		for _, s := range n.Stores() {
			if s.Derived {
				continue
			}
			o := checkpoint.Operator{Name: s.Name, Op: n.Op + strings.TrimPrefix(s.Name, n.Name), Key: text(s.Key), Val: text(s.Val)}
			if s.Val != nil {
				o.Defaults = s.Val.Defaults()
			}
			ops = append(ops, o)
		}
	}
	return ops
}

// openOutputs opens the sinks on the driver's side, and asks how many lanes each gets.
func (e *engine) openOutputs(ctx context.Context) (rdd.Layout, error) {
	slots := e.master.executors * e.master.slots
	layout := rdd.Layout{Reduce: e.cfg.Partitions, Lanes: map[string]int{}}
	if layout.Reduce == 0 {
		layout.Reduce = min(slots, row.Groups)
		if e.master.kind == masterListen && e.rec.Last != nil {
			layout.Reduce = e.rec.Last.Layout.Reduce // who will join is not known yet
		}
	}
	for _, n := range e.plan.Sinks {
		spec, ok := n.Outlet.(*sink.Spec)
		if !ok {
			return layout, fmt.Errorf("sink %s: %T is not a sink", n.Name, n.Outlet)
		}
		out, err := spec.Open(ctx, e.sinkEnv(), sink.SchemaOf(n.Key, n.Val))
		if err != nil {
			return layout, fmt.Errorf("sink %s: %w", n.Name, err)
		}
		e.outputs[n.Name] = out
		lanes := 1
		if !spec.Atomic && !spec.OnDriver {
			if lanes, err = out.Lanes(ctx, slots); err != nil {
				return layout, fmt.Errorf("sink %s: %w", n.Name, err)
			}
		} else if _, err := out.Lanes(ctx, 1); err != nil {
			return layout, fmt.Errorf("sink %s: %w", n.Name, err)
		}
		layout.Lanes[n.Name] = lanes
	}
	return layout, nil
}

func (e *engine) sinkEnv() sink.Env {
	env := sink.Env{
		Job: e.cfg.Name, Brokers: e.cfg.Brokers, LogDir: e.cfg.LogDir, Checkpoint: e.shared, TLS: e.cfg.KafkaTLS.sink(), Log: e.log, Clock: e.clock,
		Terminal: term.IsTerminal(int(os.Stdout.Fd())),
	}
	return env
}

// setup is what the machine is told.
func (e *engine) setup(layout rdd.Layout) setup {
	s := setup{
		shape: shapeOf(e.plan), near: nearOf(e.plan), recovered: *e.rec, layout: layout, program: programHash(e.exe, e.plan),
		interval: e.cfg.Interval.Microseconds(), depth: e.cfg.Depth, maxRate: e.cfg.MaxRate, retries: e.cfg.Retries, batches: e.cfg.Batches,
		caughtUp: e.cfg.UntilCaughtUp, finish: e.cfg.Finish, finishPlanned: e.cfg.FinishPlanned, acceptMixed: e.cfg.AcceptMixed,
		adopt: e.cfg.SinkAdopt, executors: e.master.executors, respawn: e.master.kind == masterProcs, every: e.cfg.CheckpointEvery,
		heard: len(e.cfg.Listeners) > 0, byHand: e.cfg.manual(),
	}
	if e.cfg.Asap {
		s.interval = 0
	}
	if e.master.kind != masterLocal && !e.cfg.manual() { // a test that moves its clock by a minute does not mean that everyone is dead
		s.lease = e.cfg.Lease.Microseconds()
	}
	for _, v := range e.plan.Values {
		s.values = append(s.values, v.Hash[:])
	}
	s.versions = sortedVersions(e.versions)
	if e.cfg.Cuts != nil {
		s.cuts = map[int64]Cut{}
		next := int64(1)
		for _, c := range e.cfg.Cuts {
			if c.Batch > 0 {
				next = c.Batch
			}
			s.cuts[next] = c
			next++
		}
	}
	return s
}

// close releases what prepare opened.
func (e *engine) close() error {
	var errs []error
	for _, name := range sortedKeys(e.inputs) {
		errs = append(errs, e.inputs[name].Close())
	}
	for _, name := range sortedKeys(e.outputs) {
		errs = append(errs, e.outputs[name].Close())
	}
	if e.store != nil {
		errs = append(errs, e.store.Close())
	}
	if e.nonce != "" {
		_ = os.Remove(filepath.Join(e.dir, e.nonce))
	}
	if e.shared == "" && e.dir != "" {
		errs = append(errs, os.RemoveAll(e.dir))
	}
	if e.unclaim != nil {
		e.unclaim()
	}
	return errors.Join(errs...)
}
