package run

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/millrace/millrace/bench/floor"
	"github.com/millrace/millrace/bench/store"
)

// Measure does the measurement that the options name.
func Measure(ctx context.Context, o Options) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Lab, 0o755); err != nil {
		return nil, err
	}
	st, err := store.Open(o.Source, o.Lab, o.Brokers)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	switch {
	case o.Work == "empty":
		return o.empty(ctx, st)
	case o.Work == "idle":
		return o.idle(ctx, st)
	case o.Work == "start":
		return o.starts(ctx, st)
	case o.Work == "state":
		return o.touched(ctx, st)
	case o.Work == "closures":
		return o.typed(ctx, st)
	case o.Rate > 0:
		return o.paced(ctx, st)
	}
	return o.drain(ctx, st)
}

// finishes are the works that have a result to show only once their windows are closed: they end with --finish.
func (o *Options) finishes() bool { return o.Work == "w3" || o.nexmark() }

// drain loads everything first and measures how the job catches up.
func (o *Options) drain(ctx context.Context, st store.Store) (*Result, error) {
	if err := o.prepare(ctx, st, false); err != nil {
		return nil, err
	}
	nanos, grep, err := o.beside(ctx)
	if err != nil {
		return nil, err
	}
	end := "--until-caught-up"
	if o.finishes() {
		end = "--finish"
	}
	j, err := o.start(end)
	if err != nil {
		return nil, err
	}
	r, err := j.finish(o.Records)
	if err != nil {
		return nil, err
	}
	r.Floor, r.GrepCPU = nanos, grep
	return r, o.checkOutput(ctx, st, r, o.checkData())
}

// beside measures what the work is compared with on the machine as it is now.
func (o *Options) beside(ctx context.Context) (nanos, grep float64, err error) {
	switch o.Work {
	case "w4":
		nanos, err = floor.Measure(200_000)
	case "w2":
		grep, err = o.grep(ctx)
	}
	return nanos, grep, err
}

// starts measures how long a process takes to its first output: the median of five that drain few records each.
func (o *Options) starts(ctx context.Context, st store.Store) (*Result, error) {
	var all []float64
	var r *Result
	small := *o
	small.Records = min(o.Records, 10_000)
	for range 5 {
		if err := small.prepare(ctx, st, false); err != nil {
			return nil, err
		}
		j, err := small.start("--until-caught-up")
		if err != nil {
			return nil, err
		}
		if r, err = j.finish(small.Records); err != nil {
			return nil, err
		}
		all = append(all, r.Startup)
	}
	r.StartAll = slices.Clone(all)
	slices.Sort(all)
	r.Startup = all[len(all)/2]
	return r, small.checkOutput(ctx, st, r, small.checkData())
}

// empty lets the job run without data: batches are cut at every tick.
func (o *Options) empty(ctx context.Context, st store.Store) (*Result, error) {
	r, err := o.awhile(ctx, st, "--batches", fmt.Sprint(int(o.Seconds*1000)))
	if err != nil {
		return nil, err
	}
	r.verdict(nil)
	return r, nil
}

// awhile lets the job run for the time of --seconds and drains it.
func (o *Options) awhile(ctx context.Context, st store.Store, args ...string) (*Result, error) {
	if err := o.prepare(ctx, st, true); err != nil {
		return nil, err
	}
	j, err := o.running(ctx, args...)
	if err != nil {
		return nil, err
	}
	time.Sleep(time.Duration(o.Seconds * float64(time.Second)))
	if err := j.interrupt(); err != nil {
		return nil, err
	}
	return j.finish(-1)
}

// idle measures the cores that are busy while nothing comes in, from a second behind the start on.
func (o *Options) idle(ctx context.Context, st store.Store) (*Result, error) {
	if err := o.prepare(ctx, st, true); err != nil {
		return nil, err
	}
	j, err := o.running(ctx)
	if err != nil {
		return nil, err
	}
	time.Sleep(time.Second)
	before, err := treeCPU(j.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	time.Sleep(time.Duration(o.Seconds * float64(time.Second)))
	after, err := treeCPU(j.cmd.Process.Pid)
	took := time.Since(began).Seconds()
	if err == nil {
		err = j.interrupt()
	}
	if err != nil {
		return nil, err
	}
	r, err := j.finish(-1)
	if err != nil {
		return nil, err
	}
	r.Cores = (after - before) / took
	r.verdict(nil)
	if r.Records > 0 {
		r.verdict(fmt.Errorf("%d records came in", r.Records))
	}
	return r, nil
}

// typed runs "closures" for a while: rows are made as fast as they are read, so one core is busy with them all the time.
func (o *Options) typed(ctx context.Context, st store.Store) (*Result, error) {
	r, err := o.awhile(ctx, st)
	if err != nil {
		return nil, err
	}
	d := o.checkData()
	d.N = r.Records
	return r, o.checkOutput(ctx, st, r, d)
}
