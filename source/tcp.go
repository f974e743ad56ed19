package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/commitlog"
)

// TCPText reads lines of text from a TCP connection to addr, "host:port", and connects again whenever the connection ends. Options: Listen, and those of Text.
//
// A socket cannot be read twice. So the driver writes the lines into the embedded log first, as topic _tcp-JOB-HOST-PORT with one
// partition, and the job reads that: lines in the log are computed exactly once like any others. Lines that were not in the log yet are
// lost when the driver is killed, at most those of the last 10 ms or so, and so is what a sender sends while nobody is connected.
// A new job begins with the lines that come after its start.
func TCPText(addr string, opts ...Option) Source[string] {
	fo, po := split(opts)
	o, err := collect("a TCP socket", po, "Listen")
	f := Text(fo...)
	s := f.spec("tcp", addr)
	if _, _, splitErr := net.SplitHostPort(addr); splitErr != nil {
		err = errors.Join(err, fmt.Errorf("%w; want host:port", splitErr))
	}
	s.Err = errors.Join(s.Err, err)
	s.OnDisk = true // the log
	s.Open = func(ctx context.Context, env Env) (Connector, error) {
		return openTCP(ctx, env, addr, o.listen, f.limit)
	}
	return Of[string](s)
}

// tcpConnector is the log's connector for the topic, and the driver's end of the socket.
type tcpConnector struct {
	Connector
	addr   string
	listen bool
	limit  int
	env    Env

	log   *commitlog.Log // driver only
	topic *commitlog.Topic
	start int64 // end of the topic when the driver opened it
}

func openTCP(ctx context.Context, env Env, addr string, listen bool, limit int) (Connector, error) {
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	c := &tcpConnector{addr: addr, listen: listen, limit: limit, env: env}
	name := tcpTopic(env.Job, addr)
	if env.Driver {
		if err := c.openTopic(name); err != nil {
			return nil, err
		}
	}
	var err error
	if c.Connector, err = openLog(name, Earliest)(ctx, env); err != nil {
		return nil, errors.Join(err, c.closeLog())
	}
	return c, nil
}

// tcpTopic is the topic of a job's socket; characters that a topic's name cannot have become "-".
func tcpTopic(job, addr string) string {
	return "_tcp-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, job+"-"+addr)
}

func (c *tcpConnector) openTopic(name string) (err error) {
	if c.log, err = commitlog.Create(c.env.LogDir, commitlog.Options{Clock: c.env.Clock, Log: c.env.Log}); err != nil {
		return err
	}
	if c.topic, err = c.log.Ensure(name, commitlog.Settings{Partitions: 1}); err != nil {
		return errors.Join(err, c.closeLog())
	}
	b, err := c.topic.Bounds(0)
	if err != nil {
		return errors.Join(err, c.closeLog())
	}
	c.start = b.End
	return nil
}

func (c *tcpConnector) closeLog() error {
	if c.log == nil {
		return nil
	}
	return c.log.Close()
}

// Partitions implements Connector.
func (c *tcpConnector) Partitions(ctx context.Context) ([]Partition, error) {
	parts, err := c.Connector.Partitions(ctx)
	for i := range parts {
		parts[i].Start = c.start
	}
	return parts, err
}

// Close implements Connector. Ingest has returned.
func (c *tcpConnector) Close() error { return errors.Join(c.Connector.Close(), c.closeLog()) }

// maxConnections is how many senders Listen serves at once; more wait in the kernel's queue.
const maxConnections = 64

// Ingest implements Ingester: it writes lines into the log until ctx is done.
func (c *tcpConnector) Ingest(ctx context.Context) (err error) {
	w, err := c.topic.Writer(0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if c.listen {
		return c.serve(ctx, w)
	}
	const shortest, longest = 50 * time.Millisecond, 5 * time.Second
	wait, said := shortest, false
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", c.addr)
		if err == nil {
			wait, said = shortest, false
			c.env.Log.Info("socket connected", "source", "tcp", "addr", c.addr)
			if err := c.receive(ctx, conn, w); err != nil {
				return err
			}
		} else if !said && ctx.Err() == nil {
			said = true // once a break, not once a try
			c.env.Log.Warn("socket not connected, trying again", "source", "tcp", "addr", c.addr, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-c.env.Clock.After(wait):
		}
		wait = min(2*wait, longest)
	}
	return nil
}

// serve accepts connections until ctx is done.
func (c *tcpConnector) serve(ctx context.Context, w *commitlog.Writer) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.addr)
	if err != nil {
		return fmt.Errorf("listen: %w; stop what uses the port, or choose another", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxConnections + 1)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	g.Go(func() error {
		for {
			conn, err := l.Accept()
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return fmt.Errorf("accept: %w", err)
			}
			g.Go(func() error { return c.receive(ctx, conn, w) })
		}
	})
	return g.Wait()
}

// receive writes the lines of one connection into the log until it ends. Only the log's errors are returned.
func (c *tcpConnector) receive(ctx context.Context, conn net.Conn, w *commitlog.Writer) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer func() {
		if stop() {
			conn.Close()
		}
	}()
	lines := lineReader{src: conn, limit: c.limit}
	var batch commitlog.Batch
	for {
		b, err := lines.block()
		if err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				c.env.Log.Warn("socket broke", "source", "tcp", "addr", c.addr, "error", err)
			}
			return nil
		}
		batch.Reset()
		now := c.env.Clock.Now().UnixMicro()
		for i := range b.Len() {
			if err := batch.Add(nil, b.Value(i), now); err != nil {
				return err
			}
		}
		if _, err := w.Append(&batch); err != nil {
			return err
		}
	}
}
