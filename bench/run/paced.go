package run

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/bench/check"
	"github.com/millrace/millrace/bench/gen"
	"github.com/millrace/millrace/bench/stats"
	"github.com/millrace/millrace/bench/store"
	"github.com/millrace/millrace/examples/workloads"
)

// pacer spaces records at a rate. Each has the time at which it was due, so that a late loader counts as latency.
type pacer struct {
	start time.Time
	step  time.Duration
}

func newPacer(rate float64) pacer {
	return pacer{time.Now().Truncate(time.Microsecond), time.Duration(float64(time.Second) / rate)}
}

// due is when record i is, in µs since 1970.
func (p pacer) due(i int) int64 { return p.start.Add(time.Duration(i) * p.step).UnixMicro() }

func (p pacer) wait(ctx context.Context, i int) error {
	if wait := time.Until(time.UnixMicro(p.due(i))); wait > 500*time.Microsecond {
		time.Sleep(wait)
	}
	return ctx.Err()
}

// feed gives the records of the topic that is counted when they are due.
func (o *Options) feed(ctx context.Context, p pacer) (func(i int) (store.Record, error), error) {
	if o.nexmark() {
		return nexmarkFeed(p.start, p.step, func(i int) error { return p.wait(ctx, i) }), nil
	}
	in := workloads.Inputs(o.job())
	topic := in[len(in)-1]
	mk, err := gen.New(topic, gen.Seed)
	return func(i int) (store.Record, error) {
		err := p.wait(ctx, i)
		key, val := mk(i, p.due(i)/1000)
		return store.Record{Topic: topic, Key: key, Val: val, Micros: p.due(i)}, err
	}, err
}

// arrivals are an output's records with the time at which each could be read. They are looked at when the run is over, so that the probe takes little from the
// machine meanwhile.
type arrivals struct {
	data []byte
	list []arrival
}

type arrival struct {
	micros   int64 // since 1970
	at       int   // of key and value in data
	key, val int   // lengths
}

func (a *arrivals) take(key, val []byte) {
	a.list = append(a.list, arrival{time.Now().UnixMicro(), len(a.data), len(key), len(val)})
	a.data = append(append(a.data, key...), val...)
}

// latencies gives c all records, and returns how long, in ms, results took whose newest event was due behind warm, and which could be read before over.
func (a *arrivals) latencies(c check.Checker, warm, over int64) (millis []float64) {
	for _, r := range a.list {
		key, val := a.data[r.at:r.at+r.key], a.data[r.at+r.key:r.at+r.key+r.val]
		if newest := c.Take(key, val); newest > warm && r.micros < over {
			millis = append(millis, float64(r.micros-newest)/1000)
		}
	}
	return millis
}

// paced sends records at a rate while the job runs and measures when their results can be read.
func (o *Options) paced(ctx context.Context, st store.Store) (*Result, error) {
	if err := o.prepare(ctx, st, true); err != nil {
		return nil, err
	}
	j, err := o.running(ctx) // start-up is reported by drains
	if err != nil {
		return nil, err
	}
	n := int(o.Rate * o.Seconds)
	p := newPacer(o.Rate)
	var out arrivals
	pctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, gctx := errgroup.WithContext(pctx)
	g.Go(func() error { return st.Follow(gctx, workloads.Outputs(o.job())[0], out.take) })
	next, err := o.feed(pctx, p)
	if err == nil {
		err = st.Load(ctx, n, true, next)
	}
	if err == nil {
		time.Sleep(time.Second)
		err = j.interrupt()
	}
	if err != nil {
		return nil, err
	}
	r, err := j.finish(n)
	over := time.Now().UnixMicro()
	if err == nil && o.finishes() && o.nexmark() {
		err = o.closeWindows()
	}
	time.Sleep(500 * time.Millisecond)
	cancel()
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	d := o.checkData()
	d.N, d.Event, d.Live, d.Start, d.Step = n, p.due, true, p.start, p.step
	c, err := check.New(o.job(), d)
	if err != nil {
		return nil, err
	}
	lat := out.latencies(c, p.due(int(o.Rate*min(3, o.Seconds/4))), over)
	r.LatencyP50, r.LatencyP90, r.LatencyP99, r.LatencyMax = stats.Quantile(lat, 0.5), stats.Quantile(lat, 0.9), stats.Quantile(lat, 0.99), stats.Quantile(lat, 1)
	r.verdict(c.Done())
	r.keepsUp(n)
	return r, nil
}

// closeWindows starts the job once more, to close the windows that are open: their rows are checked, and count for no latency.
func (o *Options) closeWindows() error {
	j, err := o.start("--finish")
	if err != nil {
		return err
	}
	return j.cmd.Wait()
}
