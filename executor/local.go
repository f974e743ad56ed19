package executor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/millrace/millrace/internal/transport"
)

// ErrStopped is returned by a Conn's Recv and Send after its executor has ended as it was told to.
var ErrStopped = errors.New("executor has stopped")

// local is the driver's end of an executor in the same process.
type local struct {
	core   *core
	link   *link
	cancel context.CancelFunc
	ended  chan struct{} // everything has ended
	lane   sync.WaitGroup
	err    error // after ended
}

// startLocal starts the core, and a listener if peers are to reach it.
func startLocal(ctx context.Context, cfg Config) (Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	e := newCore(cfg)
	if cfg.Listen != nil {
		l, err := e.listen(ctx)
		if err != nil {
			cancel()
			return nil, err
		}
		e.group.Go(func() error {
			e.accept(ctx, l, nil)
			return nil
		})
	}
	c := &local{core: e, link: newLink(false), cancel: cancel, ended: make(chan struct{})}
	c.lane.Go(func() {
		defer close(c.ended)
		defer cancel()
		defer c.link.close()
		c.err = e.run(ctx, cancel)
	})
	return c, nil
}

// Send posts m; a full queue means that the executor is lost.
func (c *local) Send(m ToExecutor) error {
	select {
	case <-c.ended:
		return ErrStopped
	default:
	}
	select {
	case c.core.control <- command{c.link, m}:
		return nil
	default:
		return fmt.Errorf("executor %s: %d messages wait: it does not follow", c.core.cfg.Name, controlQueue)
	}
}

// Recv gives what the executor reported, then ErrStopped.
func (c *local) Recv() (ToDriver, error) {
	select {
	case m := <-c.link.out:
		return m, nil
	case <-c.ended:
	}
	select {
	case m := <-c.link.out:
		return m, nil
	default:
		return nil, errors.Join(ErrStopped, c.err)
	}
}

// Close ends the executor and waits for it.
func (c *local) Close() error {
	c.cancel()
	c.link.close()
	c.lane.Wait()
	return nil
}

// listen opens the executor's own address, and notes the port that the system chose.
func (e *core) listen(ctx context.Context) (*transport.Listener, error) {
	own := *e.cfg.Listen
	l, err := transport.Listen(own.Network, own.Addr, own.Security, e.log)
	if err != nil {
		return nil, err
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		host, _, err := net.SplitHostPort(own.Addr)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		own.Addr = net.JoinHostPort(host, fmt.Sprint(tcp.Port))
	}
	e.cfg.Listen = &own
	return l, nil
}

// accept takes peers' connections, and hands drivers' to control (nil: refused), until ctx ends.
func (e *core) accept(ctx context.Context, l *transport.Listener, control func(*transport.Conn)) {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		switch {
		case c.Role() == transport.Blocks:
			e.group.Go(func() error { return e.receive(ctx, c) })
		case control != nil:
			control(c)
		default:
			_ = c.Close()
		}
	}
}
