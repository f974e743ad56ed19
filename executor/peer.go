package executor

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/transport"
)

// Pauses between attempts to reach a peer. A peer that stays away is the driver's matter: an assignment without it ends them.
const (
	redialFirst = 20 * time.Millisecond
	redialMost  = time.Second
	blockWait   = 10 * time.Second // for frames that leave together
)

// peer sends blocks to another executor. Its queue holds only blocks that are kept anyway, so their bound is its bound.
type peer struct {
	name string
	addr string // "unix:/path" or "tcp:host:port"

	mu     sync.Mutex // guards queue and closed
	queue  []outgoing
	closed bool
	more   chan struct{} // something is queued, or closed
	cancel chan struct{}
}

func newPeer(name, addr string) *peer {
	return &peer{name: name, addr: addr, more: make(chan struct{}, 1), cancel: make(chan struct{})}
}

func (p *peer) push(o outgoing) {
	p.mu.Lock()
	p.queue = append(p.queue, o)
	p.mu.Unlock()
	select {
	case p.more <- struct{}{}:
	default:
	}
}

func (p *peer) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		close(p.cancel)
	}
}

func (p *peer) pop() (outgoing, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.queue = nil
		return outgoing{}, false
	}
	o := p.queue[0]
	p.queue[0] = outgoing{}
	p.queue = p.queue[1:]
	return o, true
}

// together is how many bytes of frames are gathered before they leave. Small ones that wait go with one system call.
const together = 64 << 10

// gather takes queued frames, as many as leave together.
func (p *peer) gather() []transport.Frame {
	var frames []transport.Frame
	for n := 0; n < together; {
		o, ok := p.pop()
		if !ok {
			break
		}
		f := transport.Frame{Kind: kindBlocks, Parts: o.marshal()}
		for _, part := range f.Parts {
			n += len(part)
		}
		frames = append(frames, f)
	}
	return frames
}

// run dials when there is something to send and again when a connection breaks; then the core sends everything again.
func (p *peer) run(ctx context.Context, e *core) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	e.group.Go(func() error {
		select {
		case <-p.cancel:
			stop()
		case <-ctx.Done():
		}
		return nil
	})
	pause, broke := redialFirst, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.more:
		}
		c, err := p.dial(ctx, e)
		if err == nil {
			if broke && !e.post(ctx, p) {
				_ = c.Close()
				return
			}
			pause = redialFirst
			err = p.send(ctx, c)
			_ = c.Close()
			broke = true
		}
		if ctx.Err() != nil {
			return
		}
		e.log.Info("peer not reached", "peer", p.name, "addr", p.addr, "err", err)
		select {
		case <-ctx.Done():
			return
		case <-e.clock.After(pause):
		}
		pause = min(2*pause, redialMost)
		select {
		case p.more <- struct{}{}:
		default:
		}
	}
}

func (p *peer) dial(ctx context.Context, e *core) (*transport.Conn, error) {
	network, addr, ok := strings.Cut(p.addr, ":")
	if !ok {
		return nil, &net.AddrError{Err: "not network:address", Addr: p.addr}
	}
	return transport.Dial(ctx, network, addr, e.cfg.Listen.Security, transport.Blocks, e.name)
}

// send writes frames until the connection breaks.
func (p *peer) send(ctx context.Context, c *transport.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	lost := make(chan error, 1)
	var reading sync.WaitGroup
	reading.Go(func() { // peers never answer: a read that returns is the end
		_, _, err := c.Read(0)
		if err == nil {
			err = errors.New("a peer answered blocks")
		}
		lost <- err
	})
	defer reading.Wait()
	defer func() { _ = c.Close() }()
	for {
		for frames := p.gather(); len(frames) > 0; frames = p.gather() {
			if err := c.WriteAll(blockWait, frames...); err != nil {
				return err
			}
		}
		select {
		case err := <-lost:
			return err
		case <-p.more:
		}
	}
}

// receive reads a peer's frames until its connection ends, which is no failure of this executor.
func (e *core) receive(ctx context.Context, c *transport.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	defer func() { _ = c.Close() }()
	for {
		kind, payload, err := c.Read(0)
		if err != nil {
			return nil
		}
		plan := e.shared.Load()
		if kind != kindBlocks || plan == nil {
			e.log.Warn("peer's frame not understood", "peer", c.Name(), "type", kind)
			return nil
		}
		in, err := unmarshal(plan, payload)
		if err != nil {
			e.log.Warn("peer's blocks refused; it sends them again", "peer", c.Name(), "err", err)
			return nil
		}
		if !e.gate.pass() || !e.post(ctx, in) {
			return nil
		}
	}
}
