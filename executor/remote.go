package executor

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/transport"
)

// leases is how many heartbeats may be missed in a row before a side counts as lost.
const leases = 4

// joinWait bounds the silence until the executor's Join: it builds the job meanwhile.
const joinWait = 60 * time.Second

// remote is the driver's end of an executor in another process.
type remote struct {
	conn  *transport.Conn
	out   chan ToExecutor
	beat  atomic.Int64 // pause between pings, ns
	known atomic.Bool  // Join has come: silence is bounded by the lease from then on
	ended chan struct{}
	once  sync.Once
	group sync.WaitGroup

	leaving chan struct{} // Close was called
	leave   sync.Once

	mu    sync.Mutex // guards cause
	cause error
}

func newRemote(c *transport.Conn) *remote {
	r := &remote{conn: c, out: make(chan ToExecutor, controlQueue), ended: make(chan struct{}), leaving: make(chan struct{})}
	r.beat.Store(int64(heartbeatOf(0)))
	r.group.Go(r.write)
	return r
}

// Send queues m; a full queue means that the executor is lost.
func (r *remote) Send(m ToExecutor) error {
	if w, ok := m.(*Welcome); ok {
		r.beat.Store(int64(heartbeatOf(w.Settings.HeartbeatMillis)))
	}
	select {
	case <-r.ended:
		return r.why()
	default:
	}
	select {
	case r.out <- m:
		return nil
	default:
		err := fmt.Errorf("%d messages wait: the executor does not follow", controlQueue)
		r.end(err)
		return err
	}
}

// Recv waits for the executor's next message. Silence beyond the lease is an error.
func (r *remote) Recv() (ToDriver, error) {
	wait := joinWait
	if r.known.Load() {
		wait = leases * time.Duration(r.beat.Load())
	}
	kind, payload, err := r.conn.Read(max(wait, minLease))
	if err == nil {
		var m ToDriver
		if m, err = decodeMessage(toDriver, kind, payload); err == nil {
			r.known.Store(true)
			return m, nil
		}
	}
	r.end(err)
	return nil, r.why()
}

// minLease keeps tiny heartbeats from making a busy machine look dead.
const minLease = time.Second

// Close sends what is queued (a Stop, say) and ends the connection. By itself it does not tell the executor to stop.
func (r *remote) Close() error {
	r.leave.Do(func() { close(r.leaving) })
	r.group.Wait()
	r.end(ErrStopped)
	return nil
}

// end closes the connection once; the first reason counts.
func (r *remote) end(err error) {
	r.once.Do(func() {
		r.mu.Lock()
		r.cause = err
		r.mu.Unlock()
		close(r.ended)
	})
	_ = r.conn.Close()
}

func (r *remote) why() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cause
}

// linger is how long a Committed waits for another message to go along with: it only lets memory go, and is not worth waking a process for.
const linger = 10 * time.Millisecond

// write sends what is queued, and pings when there is nothing to say.
func (r *remote) write() {
	var last *Committed // it waits; a later one says the same and more
	for {
		beat := time.Duration(r.beat.Load())
		pause := beat
		if last != nil {
			pause = min(beat, linger)
		}
		var m ToExecutor
		select {
		case <-r.ended:
			return
		case m = <-r.out:
		case <-clock.System{}.After(pause):
		case <-r.leaving:
			select {
			case m = <-r.out:
			default:
				return
			}
		}
		if c, ok := m.(*Committed); ok {
			last = c
			continue
		}
		if err := r.put(last, m, leases*max(beat, minLease)); err != nil {
			r.end(err)
			return
		}
		last = nil
	}
}

// put writes a message behind the Committed that waits, if one does; without both a ping. wait bounds what leaves at once.
func (r *remote) put(last *Committed, m ToExecutor, wait time.Duration) error {
	var frames []transport.Frame
	add := func(m ToExecutor) error {
		kind, payload, err := encodeMessage(m)
		frames = append(frames, transport.Frame{Kind: kind, Parts: [][]byte{payload}})
		return err
	}
	if last != nil {
		if err := add(last); err != nil {
			return err
		}
	}
	switch m := m.(type) {
	case nil:
		if last == nil {
			frames = append(frames, transport.Frame{Kind: kindPing})
		}
	case *Share:
		if len(frames) > 0 {
			if err := r.conn.WriteAll(wait, frames...); err != nil {
				return err
			}
		}
		return pieces(m.Version, func(payload []byte) error { return r.conn.Write(wait, kindShare, payload) })
	default:
		if err := add(m); err != nil {
			return err
		}
	}
	return r.conn.WriteAll(wait, frames...)
}

// dialExecutor connects to an executor that listens.
func dialExecutor(ctx context.Context, network, addr string, sec transport.Security) (Conn, error) {
	c, err := transport.Dial(ctx, network, addr, sec, transport.Control, "driver")
	if err != nil {
		return nil, fmt.Errorf("executor at %w", err)
	}
	return newRemote(c), nil
}

// Acceptor is the driver's listening side, for executors that are started elsewhere.
type Acceptor struct{ l *transport.Listener }

func listenForExecutors(addr string, sec transport.Security) (*Acceptor, error) {
	l, err := transport.Listen("tcp", addr, sec, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return &Acceptor{l}, nil
}

// Accept waits for the next executor. After Close it returns net.ErrClosed.
func (a *Acceptor) Accept() (Conn, error) {
	for {
		c, err := a.l.Accept()
		if err != nil {
			return nil, err
		}
		if c.Role() != transport.Control {
			_ = c.Close()
			continue
		}
		return newRemote(c), nil
	}
}

// Addr is the address, with the port that the system chose.
func (a *Acceptor) Addr() string { return a.l.Addr().String() }

// Close stops listening. Executors that have connected stay.
func (a *Acceptor) Close() error { return a.l.Close() }
