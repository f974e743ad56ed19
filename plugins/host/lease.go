package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/internal/channel"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// maxText is how much of a text of a plugin is in a message.
const maxText = 4 << 10

// channels are those of a process that nobody uses.
type channels struct {
	mu     sync.Mutex // guards the rest
	idle   []channel.Host
	closed bool
}

func (c *channels) take() channel.Host {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.idle); n > 0 {
		ch := c.idle[n-1]
		c.idle = c.idle[:n-1]
		return ch
	}
	return nil
}

func (c *channels) give(ch channel.Host) {
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.idle = append(c.idle, ch)
	}
	c.mu.Unlock()
	if closed {
		_ = ch.Close()
	}
}

func (c *channels) close() {
	c.mu.Lock()
	idle := c.idle
	c.idle, c.closed = nil, true
	c.mu.Unlock()
	for _, ch := range idle {
		_ = ch.Close()
	}
}

// lease is a channel in somebody's hands. One goroutine at a time.
type lease struct {
	r   *remote
	p   *process
	d   *declaration
	ch  channel.Host
	ans []*arrow.Schema // of the parts of answers
	out int             // requests whose answer is not complete
	bad bool            // of no further use
	own bool            // nobody else is to be given the channel
	due time.Time       // when the answer that is being received must be complete; zero between answers
}

// acquire gives a channel of a process that knows a declaration. answers are the schemas of what is received.
func (r *remote) acquire(ctx context.Context, d *declaration, answers ...*arrow.Schema) (*lease, error) {
	p, err := r.take(ctx)
	if err != nil {
		return nil, named(err, d.operator, nil)
	}
	if _, err = r.ensure(ctx, p, d); err == nil {
		l := &lease{r: r, p: p, d: d, ch: p.channels.take(), ans: answers}
		if l.ch != nil {
			return l, nil
		}
		limited, cancel := context.WithTimeout(ctx, callLimit(r.ref.Settings))
		defer cancel()
		if l.ch, err = r.open(limited, p); err == nil {
			return l, nil
		}
		err = r.lost(ctx, limited, p, d.operator, nil, err)
	}
	r.give(p)
	return nil, err
}

// memory tells whether channels are in shared memory; the plugin is described.
func (r *remote) memory() bool {
	if features(r.ref.Settings) == nil {
		return false
	}
	for _, f := range r.desc.Features {
		if f == wire.Memory {
			return true
		}
	}
	return false
}

func (r *remote) open(ctx context.Context, p *process) (channel.Host, error) {
	if r.memory() {
		return channel.OpenMemory(ctx, p.api, p.folder)
	}
	return channel.OpenStream(ctx, p.api)
}

// release gives the channel back. If something is out, or the channel is broken, it is closed; a process that has one channel alone is ended with it, unless it answers what is
// out: an operator that failed at one of several requests does not cost a start.
func (l *lease) release() {
	l.r.mu.Lock()
	one := !l.r.shared()
	l.r.mu.Unlock()
	switch {
	case l.out == 0 && !l.bad && l.own:
		_ = l.ch.Close()
	case l.out == 0 && !l.bad:
		l.p.channels.give(l.ch)
	case one && !l.bad:
		l.r.pool.work.Go(l.drain)
		return
	default:
		_ = l.ch.Close()
		if one {
			l.p.retire()
		}
	}
	l.r.give(l.p)
}

// drain receives what is out, for nobody.
func (l *lease) drain() {
	ctx, cancel := context.WithTimeout(l.r.pool.ctx, callLimit(l.r.ref.Settings))
	defer cancel()
	for l.out > 0 {
		resp, _, err := l.ch.Receive(ctx, l.ans)
		if err != nil {
			_ = l.ch.Close()
			l.p.retire()
			l.r.give(l.p)
			return
		}
		if resp.Failure != nil || !resp.More {
			l.out--
		}
	}
	l.p.channels.give(l.ch)
	l.r.give(l.p)
}

// send sends a request.
func (l *lease) send(ctx context.Context, req *wire.Request, parts []arrow.Record) error {
	size := int64(0)
	for _, p := range parts {
		size += recordBytes(p)
	}
	limit := int64(wire.MaxMessage)
	if l.r.memory() {
		limit = wire.MaxFrame
	}
	if size > limit-64<<10 {
		return &Error{Kind: Limit, Plugin: l.r.name(), Operator: l.d.operator, Batch: batchOf(req.Batch), Text: fmt.Sprintf("%s with %d rows has %s, where %s is the most that is sent at once: "+
			"this cannot be split further. Make rows smaller, or fewer of a key", req.Method, rowsOf(parts), bytesText(size), bytesText(limit))}
	}
	limited, cancel := context.WithTimeout(ctx, callLimit(l.r.ref.Settings))
	defer cancel()
	req.Declaration = l.d.req.Declaration
	if err := l.ch.Send(limited, req, parts); err != nil {
		return l.lost(ctx, limited, batchOf(req.Batch), err)
	}
	l.out++
	return nil
}

// receive takes the next response. wait says that the plugin may take as long as it likes. Its error is io.EOF if a partition is complete.
func (l *lease) receive(ctx context.Context, b *plugins.Batch, wait bool) (*wire.Response, []arrow.Record, error) {
	limited, cancel := ctx, context.CancelFunc(func() {})
	if !wait {
		if l.due.IsZero() {
			l.due = l.r.pool.clock.Now().Add(callLimit(l.r.ref.Settings))
		}
		limited, cancel = context.WithDeadline(ctx, l.due)
	}
	defer cancel()
	resp, recs, err := l.ch.Receive(limited, l.ans)
	if err != nil {
		return nil, nil, l.lost(ctx, limited, b, err)
	}
	if f := resp.Failure; f != nil {
		l.out--
		l.due = time.Time{}
		return nil, nil, l.failure(f, b)
	}
	if !resp.More {
		l.out--
		l.due = time.Time{}
	}
	l.r.worked(l.p)
	return resp, recs, nil
}

// call sends one request, and takes an answer of one response.
func (l *lease) call(ctx context.Context, req *wire.Request, parts ...arrow.Record) (*wire.Response, []arrow.Record, error) {
	if err := l.send(ctx, req, parts); err != nil {
		return nil, nil, err
	}
	resp, recs, err := l.receive(ctx, batchOf(req.Batch), false)
	if err == nil && resp.More {
		err = l.broken(batchOf(req.Batch), fmt.Errorf("the answer to %s comes in parts, where it must be one", req.Method))
	}
	return resp, recs, err
}

// failure is an answer that says that there is none.
func (l *lease) failure(f *wire.Failure, b *plugins.Batch) error {
	l.r.worked(l.p)
	e := &Error{Kind: Operator, Plugin: l.r.name(), Operator: l.d.operator, Batch: b, Text: printable(f.Text, maxText), Stack: f.Stack[:min(len(f.Stack), maxText)]}
	switch f.Kind {
	case wire.Failure_END:
		return io.EOF
	case wire.Failure_FENCED:
		e.Kind, e.Err = Fenced, plugins.Fenced(errors.New(e.Text))
	case wire.Failure_OPERATOR:
	default:
		return l.broken(b, fmt.Errorf("it does not understand a request: %s", e.Text))
	}
	return e
}

func (l *lease) lost(ctx, limited context.Context, b *plugins.Batch, err error) error {
	l.bad = true
	err = l.r.lost(ctx, limited, l.p, l.d.operator, b, err)
	if e := (*Error)(nil); errors.As(err, &e) && e.Kind == Timeout { // if it was because of answers that were not taken, it is the last time
		l.d.answered(mostOut)
	}
	return err
}

func (l *lease) broken(b *plugins.Batch, err error) error {
	l.bad = true
	return l.r.broken(l.p, l.d.operator, b, err)
}

// over ends the process for what it has answered too much of.
func (l *lease) over(b *plugins.Batch, text string) error {
	l.bad = true
	return l.r.ended(l.p, &Error{Kind: Limit, Plugin: l.r.name(), Operator: l.d.operator, Batch: b, Text: text})
}

// lost makes an error of what a connection to a process gave. ctx is the caller's, and limited has the limit of the call.
func (r *remote) lost(ctx, limited context.Context, p *process, operator string, b *plugins.Batch, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if r.pool.ctx.Err() != nil {
		return errClosed
	}
	if limited.Err() != nil || status.Code(err) == codes.DeadlineExceeded { // its side may be first to see the end
		limit := callLimit(r.ref.Settings)
		return r.ended(p, &Error{Kind: Timeout, Plugin: r.name(), Operator: operator, Batch: b, Err: context.DeadlineExceeded, Text: fmt.Sprintf(
			"no answer within %v: it was killed, and is started again at the next call. If it needs longer for a record batch, set Settings.Call higher", limit)})
	}
	select {
	case <-p.exited:
		return r.ended(p, &Error{Kind: Crash, Plugin: r.name(), Operator: operator, Batch: b, Err: err, Text: fmt.Sprintf("its process ended (%s) before it answered, and is started again at the next call", p.how())})
	case <-r.pool.clock.After(grace / 4): // it is alive, and still the connection has an end
	}
	if s, ok := status.FromError(errors.Unwrap(err)); ok && s.Code() != codes.OK {
		err = fmt.Errorf("its channel broke: %s", printable(s.Message(), maxText))
	}
	return r.broken(p, operator, b, err)
}

// ended ends a process because of e, and waits for its last words. Where something else ended it before, that is told.
func (r *remote) ended(p *process, e *Error) error {
	told := *e // others may read it from now on
	first := p.kill(&told)
	select {
	case <-p.exited:
	case <-r.pool.clock.After(grace):
	}
	if !first {
		p.mu.Lock()
		cause := *p.cause
		p.mu.Unlock()
		cause.Plugin = e.Plugin
		if cause.Kind == Crash { // nobody's fault that is known
			e.Output = p.out.last()
			return e
		}
		if cause.Operator == "" { // of the process as a whole
			cause.Operator, cause.Batch = e.Operator, e.Batch
			e = &cause
		} else if e.Kind == Crash || e.Kind == Protocol {
			e = &Error{Kind: Crash, Plugin: e.Plugin, Operator: e.Operator, Batch: e.Batch, Text: "its process was ended because of another call: " + cause.Error(), Err: &cause}
			return e
		}
	}
	e.Output = p.out.last()
	return e
}

// broken ends a process that says what makes no sense.
func (r *remote) broken(p *process, operator string, b *plugins.Batch, err error) error {
	return r.ended(p, &Error{Kind: Protocol, Plugin: r.name(), Operator: operator, Batch: b, Err: err, Text: fmt.Sprintf("%v: it was killed, and is started again at the next call", err)})
}

func batchOf(b *wire.Batch) *plugins.Batch {
	if b == nil {
		return nil
	}
	return &plugins.Batch{Number: b.Number, Time: b.Time, Partition: int(b.Partition), Final: b.Final}
}

func rowsOf(parts []arrow.Record) int64 {
	if len(parts) == 0 || parts[0] == nil {
		return 0
	}
	return parts[0].NumRows()
}
