package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/clock"
)

// maxShaking bounds the connections that have not proved themselves yet; beyond it new ones wait in the kernel's queue.
const maxShaking = 64

// Listener accepts connections that know the token. Handshakes run beside Accept, so that a stranger who says nothing
// delays nobody; what they fail with is logged.
type Listener struct {
	net    net.Listener
	sec    Security
	tls    *tls.Config
	log    *slog.Logger
	ready  chan *Conn
	group  errgroup.Group
	cancel context.CancelFunc
	done   <-chan struct{}

	mu   sync.Mutex // guards open
	open map[net.Conn]struct{}
}

// Listen opens an address. Beyond loopback it refuses without TLS, and anywhere without token or certificates. A unix socket is made
// with mode 0600; one in the way that nobody listens on is left from a process that died, and is replaced.
func Listen(network, addr string, sec Security, log *slog.Logger) (*Listener, error) {
	if err := sec.Check(network, addr); err != nil {
		return nil, err
	}
	secure, err := sec.server()
	if err != nil {
		return nil, err
	}
	nl, err := net.Listen(network, addr)
	if errors.Is(err, syscall.EADDRINUSE) && network == "unix" && stale(addr) {
		nl, err = net.Listen(network, addr)
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if network == "unix" {
		if err := os.Chmod(addr, 0o600); err != nil {
			return nil, errors.Join(err, nl.Close())
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Listener{net: nl, sec: sec, tls: secure, log: log, ready: make(chan *Conn), cancel: cancel, done: ctx.Done(), open: map[net.Conn]struct{}{}}
	l.group.Go(l.accept)
	return l, nil
}

// stale removes a socket file that nobody listens on.
func stale(path string) bool {
	c, err := net.Dial("unix", path)
	if err == nil {
		_ = c.Close()
		return false
	}
	return errors.Is(err, syscall.ECONNREFUSED) && os.Remove(path) == nil
}

// Addr is the address, with the port that the system chose.
func (l *Listener) Addr() net.Addr { return l.net.Addr() }

// Accept waits for the next connection that has proved itself. After Close it returns net.ErrClosed.
func (l *Listener) Accept() (*Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends listening and the handshakes in progress. Accepted connections live on.
func (l *Listener) Close() error {
	l.cancel()
	err := l.net.Close()
	l.mu.Lock()
	for raw := range l.open {
		_ = raw.Close()
	}
	l.mu.Unlock()
	_ = l.group.Wait()
	return err
}

func (l *Listener) accept() error {
	var shaking errgroup.Group
	shaking.SetLimit(maxShaking)
	defer func() { _ = shaking.Wait() }()
	for {
		raw, err := l.net.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			l.log.Warn("connection not accepted", "err", err)
			select { // out of descriptors, say: do not spin
			case <-l.done:
				return nil
			case <-clock.System{}.After(10 * time.Millisecond):
				continue
			}
		}
		if !l.track(raw) {
			_ = raw.Close()
			return nil
		}
		shaking.Go(func() error {
			l.hand(raw)
			return nil
		})
	}
}

// hand shakes hands and hands the connection to Accept.
func (l *Listener) hand(raw net.Conn) {
	c, err := l.greet(raw)
	if err != nil {
		l.log.Warn("connection refused", "from", raw.RemoteAddr().String(), "err", err)
		_ = raw.Close()
		l.untrack(raw)
		return
	}
	select {
	case l.ready <- c:
	case <-l.done:
		_ = raw.Close()
	}
	l.untrack(raw)
}

func (l *Listener) greet(raw net.Conn) (*Conn, error) {
	c, err := open(l.wrap(raw), nil, func(c *Conn) (err error) {
		c.role, c.name, err = greet(stream{c}, l.sec.Token)
		return err
	})
	return c, err
}

func (l *Listener) wrap(raw net.Conn) net.Conn {
	if l.tls == nil {
		return raw
	}
	return tls.Server(raw, l.tls)
}

func (l *Listener) track(raw net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.done:
		return false
	default:
	}
	l.open[raw] = struct{}{}
	return true
}

func (l *Listener) untrack(raw net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, raw)
}
