package executor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/transport"
)

// ErrOrphaned is returned by ServeSocket and JoinDriver when no driver was there for the stated time.
var ErrOrphaned = errors.New("no driver came")

// ErrRefused is returned by JoinDriver when the driver's program, plan or checkpoint is not what it is here. The message says what differs.
var ErrRefused = errors.New("this executor does not join")

const (
	defaultOrphan = 10 * time.Second
	rejoin        = time.Minute
)

// session is a driver's connection on the executor's side.
type session struct {
	conn    *transport.Conn
	link    *link
	refused string // why this executor did not join; known when serve has returned
}

// serve carries one driver's messages until the connection ends, its lease runs out, or the core closed the link because another driver
// took over.
func (s *session) serve(ctx context.Context, e *core) {
	stop := context.AfterFunc(ctx, func() { s.link.close() })
	defer stop()
	over := make(chan struct{}) // nothing is read any more
	var writing sync.WaitGroup
	writing.Go(func() {
		if !s.write(e.log.Warn) {
			select { // what the driver said last, a Stop say, may not have been read yet
			case <-over:
			case <-ctx.Done():
			}
		}
		_ = s.conn.Close()
	})
	defer writing.Wait()
	defer close(over)
	defer s.link.close()
	beat := heartbeatOf(0)
	wait := joinWait
	var sharing assembly
	for {
		kind, payload, err := s.conn.Read(wait)
		if err != nil {
			return
		}
		wait = max(leases*beat, minLease)
		if kind == kindPing {
			continue
		}
		m, err := sharing.decode(kind, payload)
		if err != nil {
			e.log.Warn("driver's message not understood", "err", err)
			return
		}
		if m == nil {
			continue // a piece, and there are more
		}
		if w, ok := m.(*Welcome); ok {
			beat = heartbeatOf(w.Settings.HeartbeatMillis)
			wait = max(leases*beat, minLease)
		}
		select {
		case e.control <- command{s.link, m}: // also behind the end of the connection: a Stop counts
			continue
		default:
		}
		select {
		case e.control <- command{s.link, m}:
		case <-s.link.down:
			return
		case <-ctx.Done():
			return
		}
	}
}

// write sends the core's reports until the link is down, and then what is left of them (a refusal, the answer to Stop). It is false if the driver does
// not take them any more.
func (s *session) write(warn func(string, ...any)) bool {
	send := func(m ToDriver) bool {
		kind, payload, err := encodeMessage(m)
		if err == nil {
			err = s.conn.Write(leases*minLease, kind, payload)
		}
		if err != nil {
			warn("report not sent", "err", err)
			s.link.close()
		}
		if j, ok := m.(*Join); ok && j.Refusal != "" {
			s.refused = j.Refusal
			s.link.close()
		}
		return err == nil
	}
	for {
		select {
		case m := <-s.link.out:
			if !send(m) {
				return false
			}
		case <-s.link.down:
			for {
				select {
				case m := <-s.link.out:
					if !send(m) {
						return false
					}
				default:
					return true
				}
			}
		}
	}
}

// serveSocket listens for drivers and peers on one unix socket.
func serveSocket(ctx context.Context, path string, token []byte, cfg Config, orphan time.Duration) error {
	if orphan == 0 {
		orphan = defaultOrphan
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cfg.Listen = &Listen{Network: "unix", Addr: path, Security: transport.Security{Token: token}}
	e := newCore(cfg)
	l, err := e.listen(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(path) }()
	here := make(chan int, 16) // +1 for a driver that came, -1 for one that went
	e.group.Go(func() error {
		e.accept(ctx, l, func(c *transport.Conn) {
			s := &session{conn: c, link: newLink(true)}
			e.group.Go(func() error {
				if tell(ctx, here, 1) {
					s.serve(ctx, e)
					tell(ctx, here, -1)
				}
				return nil
			})
		})
		return nil
	})
	var orphaned error
	e.group.Go(func() error {
		if lonely(ctx, e.clock, here, orphan) {
			orphaned = fmt.Errorf("%w for %v", ErrOrphaned, orphan)
			cancel()
			e.orphan()
		}
		return nil
	})
	err = e.run(ctx, cancel)
	return errors.Join(orphaned, err)
}

func tell(ctx context.Context, here chan<- int, n int) bool {
	select {
	case here <- n:
		return true
	case <-ctx.Done():
		return false
	}
}

// lonely returns true once no driver was there for so long, false when ctx ends before.
func lonely(ctx context.Context, c clock.Clock, here <-chan int, orphan time.Duration) bool {
	drivers := 0
	alone := c.After(orphan)
	for {
		select {
		case <-ctx.Done():
			return false
		case n := <-here:
			drivers += n
			alone = nil
			if drivers == 0 {
				alone = c.After(orphan)
			}
		case <-alone:
			return true
		}
	}
}

// joinDriver connects to a driver, and again when it is lost.
func joinDriver(ctx context.Context, addr string, sec transport.Security, cfg Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	first, err := transport.Dial(ctx, "tcp", addr, sec, transport.Control, cfg.Name)
	if err != nil {
		return fmt.Errorf("driver at %w", err)
	}
	if cfg.Listen == nil {
		host, _, err := net.SplitHostPort(first.LocalAddr().String())
		if err != nil {
			return err
		}
		cfg.Listen = &Listen{Network: "tcp", Addr: net.JoinHostPort(host, "0"), Security: sec}
	}
	e := newCore(cfg)
	if e.driverHost, _, err = net.SplitHostPort(addr); err != nil {
		return errors.Join(err, first.Close())
	}
	l, err := e.listen(ctx)
	if err != nil {
		return errors.Join(err, first.Close())
	}
	e.group.Go(func() error {
		e.accept(ctx, l, nil)
		return nil
	})
	var lost error
	e.group.Go(func() error {
		lost = e.keepJoined(ctx, first, addr, sec)
		cancel()
		return nil
	})
	err = e.run(ctx, cancel)
	return errors.Join(lost, err)
}

// orphan tells the owner of the process that no driver will come.
func (e *core) orphan() {
	if e.cfg.Orphaned != nil {
		e.cfg.Orphaned()
	}
}

// keepJoined follows drivers one after the other: it returns when this executor did not want to join one, when none was reached for so long,
// and nil when ctx ends.
func (e *core) keepJoined(ctx context.Context, c *transport.Conn, addr string, sec transport.Security) error {
	for {
		s := &session{conn: c, link: newLink(true)}
		s.serve(ctx, e)
		if s.refused != "" { // another try would end in the same way
			return fmt.Errorf("%w: %s", ErrRefused, s.refused)
		}
		var err error
		since := e.clock.Now()
		for pause := redialFirst; ; pause = min(2*pause, redialMost) {
			select {
			case <-ctx.Done():
				return nil
			case <-e.clock.After(pause):
			}
			if c, err = transport.Dial(ctx, "tcp", addr, sec, transport.Control, e.cfg.Name); err == nil {
				break
			}
			if ctx.Err() != nil {
				return nil
			}
			if e.clock.Now().Sub(since) > rejoin {
				e.orphan()
				return fmt.Errorf("%w at %s for %v: %w", ErrOrphaned, addr, rejoin, err)
			}
		}
	}
}
