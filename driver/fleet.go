package driver

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/transport"
)

// Names of executors in the driver's process.
const (
	localName  = "local"  // the only one of --master local
	driverName = "driver" // the host of lanes that run on the driver's machine only, where the others are processes
)

// fleet brings executors up, one way for each master.
type fleet interface {
	// launch starts executor name, or finds one that waits for a driver, and returns a connection that is ready for Welcome.
	launch(ctx context.Context, name string) (executor.Conn, error)
	// close waits for what launch has started; connections are closed before.
	close()
}

// startFleet brings up the first executors: in this process, as children, or by listening for those that others start.
func (e *engine) startFleet(ctx context.Context, workers *errgroup.Group) error {
	switch e.master.kind {
	case masterLocal:
		e.fleet = localFleet{}
		e.local(ctx, localName, e.master.slots)
		return nil
	case masterProcs:
		p, err := e.newProcs(ctx)
		if err != nil {
			return err
		}
		e.fleet = p
	case masterListen:
		l, err := e.listen(ctx, workers)
		if err != nil {
			return err
		}
		e.fleet = l
	}
	if e.onDriver() || e.master.kind == masterListen && len(nearOf(e.plan).sinks) > 0 {
		e.local(ctx, driverName, 0) // the host of console and callback lanes, and of those that write files where no other executor can
	}
	return nil
}

// onDriver tells whether a sink's lanes run in this process.
func (e *engine) onDriver() bool {
	for _, s := range shapeOf(e.plan).sinks {
		if s.onDriver {
			return true
		}
	}
	return false
}

// local starts an executor in this process.
func (e *engine) local(ctx context.Context, name string, slots int) {
	cfg := e.executorConfig(name, slots)
	cfg.Plan = e.plan
	if e.master.kind != masterLocal {
		cfg.Listen = e.localListen()
	}
	e.group.Go(func() error {
		conn, err := executor.Local(ctx, cfg)
		if err != nil {
			e.post(ctx, abort{"executor " + name + ": " + err.Error()})
			return nil
		}
		e.serve(ctx, name, conn)
		return nil
	})
}

// executorConfig is what executors in this process and in children have in common.
func (e *engine) executorConfig(name string, slots int) executor.Config {
	return executor.Config{
		Name: name, Slots: slots, Log: e.log, Clock: e.clock, Depth: e.cfg.Depth, Terminal: e.sinkEnv().Terminal,
		Debug: e.cfg.Debug, BlockBytes: e.cfg.BlockBytes, Stats: e.cfg.ExecutorStats,
		SourceTLS: e.cfg.KafkaTLS.source(), SinkTLS: e.cfg.KafkaTLS.sink(),
	}
}

// localListen is where peers in other processes reach the driver's own executor.
func (e *engine) localListen() *executor.Listen {
	switch f := e.fleet.(type) {
	case *procs:
		return &executor.Listen{Network: "unix", Addr: f.socket(driverName), Security: transport.Security{Token: f.token}}
	case *listening:
		return &executor.Listen{Network: "tcp", Addr: f.peerAddr(), Security: f.security}
	}
	return nil
}

// localFleet is one executor in this process, which is started once.
type localFleet struct{}

func (localFleet) launch(context.Context, string) (executor.Conn, error) { return nil, errNoFleet }

func (localFleet) close() {}
