package flights

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/rdd"
)

// DefaultSpeed replays the year in about 25 seconds.
const DefaultSpeed = 365 * 24 * 3600 / 25.0

// Options of the demo.
type Options struct {
	Speed    float64       // seconds of 2013 a second; 0: DefaultSpeed
	Interval time.Duration // batch interval; 0: 100 ms
	Dir      string        // folder for log and checkpoint; "": a temporary one that is removed
	Out      io.Writer
	Terminal bool // Out is a terminal: draw the table in place
	Log      *slog.Logger
	Clock    clock.Clock // nil: the machine's
}

type demo struct {
	Options
	clock  clock.Clock
	screen *screen
}

// Demo replays the year into an embedded log and runs Job on it until the last flight has left, showing the result as it grows. At the end it
// checks the counts against a plain count of the file; a difference is an error.
func Demo(ctx context.Context, o Options) error {
	d, err := newDemo(o)
	if err != nil {
		return err
	}
	if o.Dir == "" {
		if d.Dir, err = os.MkdirTemp("", "millrace-demo-"); err != nil {
			return fmt.Errorf("demo: make a folder for log and checkpoint: %w", err)
		}
		defer os.RemoveAll(d.Dir)
	}
	fmt.Fprintf(d.Out, "Replaying all departures from New York in 2013 as a stream: a day every %.0f ms, batches of %s, exactly once, state kept in %s\n\n",
		24*3600/d.Speed*1000, d.Interval, d.Dir)
	begin := d.clock.Now()
	stats := &driver.Stats{}
	if err := d.run(ctx, stats); err != nil {
		return err
	}
	took := d.clock.Now().Sub(begin)
	want, total, err := Expected()
	if err != nil {
		return err
	}
	return d.summary(want, total, took, stats)
}

func newDemo(o Options) (*demo, error) {
	d := &demo{Options: o, clock: o.Clock}
	if d.clock == nil {
		d.clock = clock.System{}
	}
	if d.Speed == 0 {
		d.Speed = DefaultSpeed
	}
	if d.Speed < 0 {
		return nil, fmt.Errorf("demo: speed %g: want seconds of 2013 a second, above 0", d.Speed)
	}
	if d.Interval == 0 {
		d.Interval = 100 * time.Millisecond
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	d.screen = &screen{out: d.Out, terminal: d.Terminal, rows: map[string]Row{}, mark: d.clock.Now()}
	return d, nil
}

// run replays and computes at the same time; when every departure has been counted the job is told to drain.
func (d *demo) run(ctx context.Context, stats *driver.Stats) error {
	log, err := commitlog.Create(filepath.Join(d.Dir, "log"), commitlog.Options{Clock: d.clock})
	if err != nil {
		return err
	}
	defer log.Close()
	topic, err := log.Ensure(Topic, commitlog.Settings{Partitions: 2})
	if err != nil {
		return err
	}
	jobCtx, drain := context.WithCancel(ctx)
	defer drain()
	show := func(ctx context.Context, b dstream.Batch, batch rdd.RDD[Row]) error {
		rows, err := batch.Collect(ctx)
		if err != nil {
			return err
		}
		now := d.clock.Now()
		d.screen.update(b.Number, now.Sub(b.Time), rows, now)
		return nil
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		sent, err := d.produce(gctx, topic)
		for err == nil && d.screen.counted() < sent {
			select {
			case <-gctx.Done():
				return gctx.Err()
			case <-d.clock.After(20 * time.Millisecond):
			}
		}
		drain()
		return err
	})
	g.Go(func() error {
		err := driver.Run(jobCtx, Job(show), driver.Config{
			Name: "flights", Interval: d.Interval, LogDir: filepath.Join(d.Dir, "log"),
			Checkpoint: filepath.Join(d.Dir, "checkpoint"), Log: d.Log, Clock: d.clock, Stats: stats,
		})
		if errors.Is(err, context.Canceled) && ctx.Err() == nil {
			return nil
		}
		return err
	})
	return g.Wait()
}

// produce appends every departure to the topic at its time, and says how many there were.
func (d *demo) produce(ctx context.Context, topic *commitlog.Topic) (sent int64, err error) {
	p, err := topic.Producer()
	if err != nil {
		return 0, err
	}
	err = d.replay(ctx, func(line []byte) error {
		sent++
		return p.Send(nil, line, d.clock.Now().UnixMicro())
	})
	return sent, errors.Join(err, p.Sync(ctx), p.Close())
}

func (d *demo) summary(want map[string]Punctuality, total int64, took time.Duration, stats *driver.Stats) error {
	f := stats.Read()
	if d.Terminal {
		d.screen.draw()
	} else {
		fmt.Fprint(d.Out, "\n", d.screen.table())
	}
	for carrier, p := range want {
		if got := d.screen.rows[carrier].Departures; got != p.Departures {
			return fmt.Errorf("demo: carrier %s: %d departures counted, the file has %d", carrier, got, p.Departures)
		}
	}
	fmt.Fprintf(d.Out, "\n%d departures in %.1f s: %d batches of %s, latency %.1f ms (half of them) to %.1f ms (99%% of them).\nEvery count equals a plain count of the file.\n",
		total, took.Seconds(), f.Batches, d.Interval, float64(f.BatchP50.Microseconds())/1000, float64(f.BatchP99.Microseconds())/1000)
	return nil
}
