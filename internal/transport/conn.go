package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/clock"
)

// handshakeTimeout bounds everything before the first frame.
const handshakeTimeout = 5 * time.Second

// Conn carries frames between two processes that trust each other. One goroutine may read and any number may write.
type Conn struct {
	net  net.Conn
	in   *bufio.Reader
	role Role
	name string

	mu sync.Mutex // orders writes; held across one write: that is what it is for
}

// Role is what the dialer wanted the connection for.
func (c *Conn) Role() Role { return c.role }

// Name is the dialer's name, as it said; for messages only.
func (c *Conn) Name() string { return c.name }

// LocalAddr is this side's address.
func (c *Conn) LocalAddr() net.Addr { return c.net.LocalAddr() }

// RemoteAddr is the other side's address.
func (c *Conn) RemoteAddr() net.Addr { return c.net.RemoteAddr() }

// Read returns the next frame; its payload is the caller's, aligned to 8 bytes. wait bounds the silence before the frame has
// arrived whole, 0: none. An error ends the connection.
func (c *Conn) Read(wait time.Duration) (kind byte, payload []byte, err error) {
	if wait > 0 {
		if err := c.net.SetReadDeadline(clock.System{}.Now().Add(wait)); err != nil {
			return 0, nil, err
		}
	}
	kind, payload, err = readFrame(c.in, MaxFrame)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("nothing was heard for %v", wait)
	}
	return kind, payload, err
}

// Write sends the parts as one frame's payload. wait bounds it, 0: not at all. An error ends the connection.
func (c *Conn) Write(wait time.Duration, kind byte, parts ...[]byte) error {
	return c.WriteAll(wait, Frame{kind, parts})
}

// WriteAll sends frames one behind the other, as Write does, but at once: the other side is woken once for them.
func (c *Conn) WriteAll(wait time.Duration, frames ...Frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if wait > 0 {
		if err := c.net.SetWriteDeadline(clock.System{}.Now().Add(wait)); err != nil {
			return err
		}
	}
	err := writeFrames(c.net, MaxFrame, frames...)
	if err != nil {
		_ = c.net.Close() // half a frame may be out: nothing can follow it
	}
	return err
}

// Close ends the connection; a Read in progress returns with an error.
func (c *Conn) Close() error { return c.net.Close() }

// Dial connects to a listener and proves that it knows the token.
func Dial(ctx context.Context, network, addr string, sec Security, role Role, name string) (*Conn, error) {
	if err := sec.Check(network, addr); err != nil {
		return nil, err
	}
	secure, err := sec.client()
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: handshakeTimeout}
	raw, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	c, err := open(raw, secure, func(c *Conn) error { return shake(stream{c}, role, name, sec.Token) })
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	c.role, c.name = role, name
	return c, nil
}

// open runs TLS and the handshake on a fresh connection, with a time limit.
func open(raw net.Conn, secure *tls.Config, hands func(*Conn) error) (*Conn, error) {
	if err := raw.SetDeadline(clock.System{}.Now().Add(handshakeTimeout)); err != nil {
		return nil, err
	}
	nc := raw
	if secure != nil {
		nc = tls.Client(raw, secure)
	}
	c := &Conn{net: nc, in: bufio.NewReaderSize(nc, 64<<10)}
	if err := hands(c); err != nil {
		return nil, err
	}
	return c, raw.SetDeadline(time.Time{})
}

// stream is a Conn's bytes during the handshake.
type stream struct{ c *Conn }

func (s stream) Read(b []byte) (int, error)  { return s.c.in.Read(b) }
func (s stream) Write(b []byte) (int, error) { return s.c.net.Write(b) }
