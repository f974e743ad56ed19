package driver

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/executor"
)

// connected is joined with the executor's connection; the loop keeps that and passes joined on.
type connected struct {
	joined
	conn executor.Conn
}

// spawn starts an executor in a goroutine that then receives for it until it is gone.
func (e *engine) spawn(ctx context.Context, s spawn) {
	e.group.Go(func() error {
		select {
		case <-e.clock.After(time.Duration(s.after) * time.Microsecond):
		case <-ctx.Done():
			return nil
		}
		conn, err := e.fleet.launch(ctx, s.name)
		if err != nil {
			e.post(ctx, lost{s.name, err.Error()})
			return nil
		}
		e.serve(ctx, s.name, conn)
		return nil
	})
}

// serve welcomes an executor and then passes its messages on until it is gone.
func (e *engine) serve(ctx context.Context, name string, conn executor.Conn) {
	over := make(chan struct{})
	defer close(over)
	e.group.Go(func() error { return e.release(ctx, conn, over) })
	j, err := e.welcome(name, conn, e.cfg.CheckpointEvery)
	if err != nil {
		_ = conn.Close()
		switch {
		case name == localName || name == driverName:
			e.post(ctx, abort{fmt.Sprintf("executor in the driver's process: %v", err)})
		case e.master.kind == masterListen:
			e.log.Warn("executor refused", "executor", name, "why", err)
		default:
			e.post(ctx, lost{name, err.Error()})
		}
		return
	}
	clerk, err := e.clerk(j, conn)
	if err != nil {
		_ = conn.Close()
		e.post(ctx, abort{err.Error()})
		return
	}
	defer clerk.stop()
	e.post(ctx, connected{j, conn})
	for {
		m, err := conn.Recv()
		if err != nil {
			e.post(ctx, lost{name, err.Error()})
			return
		}
		if clerk.takes(m) {
			m = &executor.Heartbeat{} // all that the machine is to know
		}
		e.post(ctx, message{name, m})
	}
}

// release ends a connection that is still served when the engine has stopped: the loop never heard of it, since its executor came too late.
func (e *engine) release(ctx context.Context, conn executor.Conn, over <-chan struct{}) error {
	select {
	case <-over:
		return nil
	case <-ctx.Done():
	}
	_ = conn.Send(&executor.Stop{Reason: "the job has ended"})
	select {
	case <-over:
		return nil
	case <-e.clock.After(expelLimit):
		return conn.Close()
	}
}

// stopExecutors ends the executors and waits for their connections to close; one that does not in time is cut off.
func (e *engine) stopExecutors(err error) {
	reason := "the job has ended"
	if err != nil {
		reason = "the job has stopped: " + err.Error()
	}
	for _, name := range sortedKeys(e.conns) {
		_ = e.conns[name].Send(&executor.Stop{Reason: reason})
	}
	limit := e.clock.After(stopWait)
	for len(e.conns) > 0 {
		select {
		case ev := <-e.events:
			if l, ok := ev.(lost); ok && e.conns[l.name] != nil {
				_ = e.conns[l.name].Close()
				delete(e.conns, l.name)
			}
			if c, ok := ev.(connected); ok {
				_ = c.conn.Close()
			}
		case <-limit:
			for _, name := range sortedKeys(e.conns) {
				e.log.Warn("executor does not stop, cut off", "executor", name)
				_ = e.conns[name].Close()
				delete(e.conns, name)
			}
		}
	}
}
