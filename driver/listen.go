package driver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/transport"
)

// listening accepts executors that are started elsewhere with --executor.
type listening struct {
	addr     string
	security transport.Security
}

func (e *engine) listen(ctx context.Context, workers *errgroup.Group) (*listening, error) {
	sec, err := e.cfg.security()
	if err != nil {
		return nil, err
	}
	a, err := executor.ListenForExecutors(e.master.addr, sec)
	switch network := new(net.OpError); {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("--master listen:%s: the port is in use: another driver runs there, or choose another port", e.master.addr)
	case errors.As(err, &network):
		return nil, fmt.Errorf("--master listen:%s: %w", e.master.addr, err)
	case err != nil: // certificates
		return nil, usagef("--master listen:%s: %w", e.master.addr, err)
	}
	e.log.Info("waiting for executors", "addr", a.Addr(), "want", e.master.executors)
	workers.Go(func() error {
		<-ctx.Done()
		return a.Close()
	})
	workers.Go(func() error {
		for n := 1; ; n++ {
			conn, err := a.Accept()
			if err != nil {
				if ctx.Err() == nil {
					e.post(ctx, abort{"--master listen: " + err.Error()})
				}
				return nil
			}
			name := fmt.Sprintf("x%d-%d", e.rec.Epoch, n)
			e.group.Go(func() error { e.serve(ctx, name, conn); return nil })
		}
	})
	return &listening{e.master.addr, sec}, nil
}

func (l *listening) launch(context.Context, string) (executor.Conn, error) { return nil, errNoFleet }

func (l *listening) close() {}

// peerAddr is where executors reach the driver's own lanes: any port on the address that they know.
func (l *listening) peerAddr() string {
	host, _, err := net.SplitHostPort(l.addr)
	if err != nil {
		return l.addr
	}
	return net.JoinHostPort(host, "0")
}
