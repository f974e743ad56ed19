package sink

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/userstack"
	"github.com/millrace/millrace/rdd"
)

// CallbackOption is an option of Callback and Partitions.
type CallbackOption func(*callbackOptions)

type callbackOptions struct {
	timeout time.Duration
	rows    int64
	lanes   int
	site    string
}

// CallbackTimeout is how long one call may take; the default is one minute. At the limit its context is cancelled, and the
// batch fails.
func CallbackTimeout(d time.Duration) CallbackOption {
	return func(o *callbackOptions) { o.timeout = d }
}

// CallbackRows is how many rows a batch may bring; the default is ten million. A batch with more fails.
func CallbackRows(n int64) CallbackOption { return func(o *callbackOptions) { o.rows = n } }

// CallbackSite is the file and line that errors name.
func CallbackSite(site string) CallbackOption { return func(o *callbackOptions) { o.site = site } }

// Callback calls f in the driver's process with each batch when it is published, in order, one at a time, batches without
// rows included. It is called at least once for each batch: after a crash the last one may come again (P12). The rows are
// f's to keep. An error or a panic of f fails the batch, which is retried, and then stops the job.
func Callback(name string, f func(ctx context.Context, b Batch, rows []arrow.Record) error, opts ...CallbackOption) Sink {
	o := callbackOptions{timeout: time.Minute, rows: 10_000_000}
	for _, opt := range opts {
		opt(&o)
	}
	spec := &Spec{Name: name, Kind: "callback", Text: "callback", OnDriver: true, Atomic: true, EveryBatch: true}
	if f == nil {
		spec.Err = fmt.Errorf("callback %q: the function is nil", name)
	}
	spec.Open = func(_ context.Context, env Env, _ Schema) (Output, error) {
		c := &caller{op: "callback", name: name, f: f, opts: o, clock: env.Clock}
		return &memoryOutput{deliver: c.call, limit: o.rows, close: c.wait}, nil
	}
	return New(spec)
}

// callGrace is how long a call that is over its time may take to notice that its context is cancelled.
const callGrace = time.Second

// caller runs a user's function under a time limit.
type caller struct {
	op    string // for messages
	name  string
	f     func(context.Context, Batch, []arrow.Record) error
	opts  callbackOptions
	clock clock.Clock

	mu      sync.Mutex    // guards running
	running chan struct{} // closed when the last call has returned
}

func (c *caller) call(ctx context.Context, b Batch, rows []arrow.Record) error {
	if !c.idle() {
		return c.fail(b, "an earlier call has not returned yet", "")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var err error
	returned := make(chan struct{})
	c.mu.Lock()
	c.running = returned
	c.mu.Unlock()
	go func() { // call or, if f ignores its limit, wait is there for its end
		defer close(returned)
		err = c.protect(ctx, b, rows)
	}()
	select {
	case <-returned: // and not before: until then the next call is refused
		return err
	case <-c.clock.After(c.opts.timeout):
	}
	cancel()
	over := c.fail(b, fmt.Sprintf("it takes longer than %v: make it faster, or raise CallbackTimeout", c.opts.timeout), "")
	select {
	case <-returned:
	case <-c.clock.After(callGrace):
	}
	return over
}

// protect calls f; a panic becomes an error with its stack.
func (c *caller) protect(ctx context.Context, b Batch, rows []arrow.Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			stack, user := userstack.Of(p)
			if !user {
				stack = string(debug.Stack())
			}
			err = c.fail(b, fmt.Sprintf("panic: %v", p), stack)
		}
	}()
	if err := c.f(ctx, b, rows); err != nil {
		return fmt.Errorf("%w: %w", c.fail(b, "it returned an error", ""), err)
	}
	return nil
}

func (c *caller) fail(b Batch, cause, stack string) error {
	return &rdd.UserError{Op: c.op, Name: c.name, Site: c.opts.site, Batch: b.Number, Offset: -1, Cause: cause, Stack: stack}
}

func (c *caller) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == nil {
		return true
	}
	select {
	case <-c.running:
		return true
	default:
		return false
	}
}

// wait gives a call that is still running a last chance to return.
func (c *caller) wait() error {
	if c.idle() {
		return nil
	}
	select {
	case <-c.running:
		return nil
	case <-c.clock.After(callGrace):
		return fmt.Errorf("%s %q: a call does not return though its context is cancelled", c.op, c.name)
	}
}
