package dstreamtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/internal/clock"
)

// engineLimit is how long a case may take in one run of the engine, in real time: far more than it needs.
const engineLimit = 60 * time.Second

// production is a case in the hands of driver and executors, over one or more runs of the driver: inputs, checkpoint and output outlive them.
type production struct {
	*claim
	layout
	dir string
	in  []*dealt
	out *outside
}

func (c *claim) production(l layout) *production {
	return &production{c, l, filepath.Join(c.t.TempDir(), "checkpoint"), c.deal(l.sources, 3), newOutside(l.reduce)}
}

// run runs batches [from, until) (from 0), with the layout's reduce partitions.
func (p *production) run(from, until int, change func(*driver.Config)) error {
	cfg := driver.Config{
		Name: "check", Master: fmt.Sprintf("local[%d]", p.reduce), Partitions: p.reduce, Asap: true, Checkpoint: p.dir,
		OnBadRecord: "stop", Lease: engineLimit, Log: p.log(), Args: []string{},
	}
	for i := from; i < until; i++ {
		cut := driver.Cut{Batch: int64(i + 1), Time: p.times[i].UnixMicro(), Until: map[string]map[string]int64{}, Final: p.set.finish && i == len(p.want)-1}
		for _, d := range p.in {
			cut.Until[d.name] = d.until(i)
		}
		cfg.Cuts = append(cfg.Cuts, cut)
	}
	if len(p.letters[p.layout]) > 0 {
		cfg.OnBadRecord = "keep"
	}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	over := make(chan struct{})
	late := errors.New("it does not end")
	watch := make(chan struct{})
	go func() { // run waits for it
		defer close(watch)
		select {
		case <-over:
		case <-clock.System{}.After(engineLimit):
			cancel(late)
		}
	}()
	err := driver.Run(ctx, p.job(p.in, p.out.sink(outName)), cfg)
	close(over)
	<-watch
	if context.Cause(ctx) == late {
		return errors.Join(fmt.Errorf("it did not end within %v", engineLimit), err)
	}
	return err
}

// judge looks at what batches [from, until) left outside.
func (p *production) judge(l layout, from, until int) error {
	for i := from; i < until; i++ {
		var got []line
		for _, recs := range p.out.published(int64(i + 1)) {
			lines, err := p.rows(recs)
			if err != nil {
				return err
			}
			got = append(got, lines...)
		}
		if err := p.claim.judge(l, i, got); err != nil {
			return err
		}
	}
	if until == len(p.want) {
		if err := p.judgeLetters(); err != nil {
			return err
		}
	}
	if n := p.out.last(); n > int64(until) {
		return fmt.Errorf("batch %d left rows, and only %d were run", n, until)
	}
	return nil
}

// log shows the engine's log in the test's, if it was asked for.
func (p *production) log() *slog.Logger {
	if !*tellLog {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(testLog{p.t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(string(b))
	return len(b), nil
}

// plainWay is a run of the engine in which nothing happens.
func (c *claim) plainWay(l layout) way {
	return way{fmt.Sprintf("%s/%d", Engine, l.reduce), fmt.Sprintf("engine, one process, %v", l), func() error {
		if err := c.exactOf(l); err != nil {
			return err
		}
		p := c.production(l)
		if err := p.run(0, len(c.want), nil); err != nil {
			return err
		}
		return p.judge(l, 0, len(c.want))
	}}
}

// restartWays start the driver anew: behind each batch; in the middle of each, when some lanes have published; and so with other partitions each time.
func (c *claim) restartWays() []way {
	all := c.set.layouts()
	l := all[c.turn("restarts", len(all))]
	same := func(int) int { return l.reduce }
	ways := []way{
		{string(Restarts) + "/behind", fmt.Sprintf("engine, the driver starts anew behind each batch, %v", l), func() error { return c.restartBehind(l) }},
		{string(Restarts) + "/within", fmt.Sprintf("engine, the driver starts anew in the middle of each batch, %v", l), func() error { return c.restartWithin(l, same, 1) }},
	}
	if len(all) > 1 {
		other := func(i int) int { return all[i%len(all)].reduce }
		ways = append(ways, way{string(Restarts) + "/moving", "engine, the driver starts anew in the middle of each batch, with other partitions, state written every other batch",
			func() error { return c.restartWithin(l, other, 2) }})
	}
	return ways
}

// restartBehind runs each batch in a run of the driver of its own.
func (c *claim) restartBehind(l layout) error {
	if err := c.exactOf(l); err != nil {
		return err
	}
	p := c.production(l)
	for i := range c.want {
		if err := p.run(i, i+1, nil); err != nil {
			return fmt.Errorf("batch %d, after a restart of the driver: %w", i+1, err)
		}
		if err := p.judge(l, i, i+1); err != nil {
			return fmt.Errorf("after a restart of the driver: %w", err)
		}
	}
	return nil
}

// restartWithin has the output break in each batch, which ends the driver with the batch planned and published in part, and starts another.
func (c *claim) restartWithin(l layout, reduce func(run int) int, every int) error {
	if err := c.exactOf(l); err != nil {
		return err
	}
	p := c.production(l)
	judged := l
	for i := 0; ; i++ {
		p.out.breakAt(int64(i+1), 1+i%l.reduce)
		n := reduce(i)
		if n != l.reduce {
			judged = layout{}
		}
		err := p.run(0, len(c.want), func(cfg *driver.Config) { cfg.Partitions, cfg.CheckpointEvery = n, every })
		if err == nil {
			return p.judge(judged, 0, len(c.want))
		}
		if !strings.Contains(err.Error(), errBroken.Error()) || i == len(c.want) {
			return fmt.Errorf("after %d restarts of the driver: %w", i, err)
		}
	}
}
