package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/internal/records"
)

// openLog reads a topic of the embedded log in Env.LogDir. A missing log or topic is an error that says how to make it.
func openLog(topic string, start Start) func(context.Context, Env) (Connector, error) {
	return func(_ context.Context, env Env) (Connector, error) {
		l, err := commitlog.Open(env.LogDir, commitlog.Options{Clock: env.Clock, Log: env.Log})
		if err != nil {
			return nil, err
		}
		t, err := l.Topic(topic)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		return &logConnector{env: env, log: l, topic: t, start: start, starts: map[int]int64{}}, nil
	}
}

// logConnector is a topic of the embedded log in one process.
type logConnector struct {
	env   Env
	log   *commitlog.Log
	topic *commitlog.Topic
	start Start

	mu     sync.Mutex    // guards starts and listed
	starts map[int]int64 // where a new job begins, fixed when the partition is seen first
	listed bool
}

// Partitions are those that the topic has now, added ones last. A partition that appears after the first call is read from its beginning,
// whatever the job's start is.
func (c *logConnector) Partitions(context.Context) ([]Partition, error) {
	n, err := c.topic.Partitions()
	if err != nil {
		return nil, err
	}
	parts := make([]Partition, n)
	for i := range parts {
		b, err := c.topic.Bounds(i)
		if err != nil {
			return nil, err
		}
		start, err := c.startOf(i, b)
		if err != nil {
			return nil, err
		}
		parts[i] = Partition{Key: strconv.Itoa(i), Start: start, End: b.End}
	}
	c.mu.Lock()
	c.listed = true
	c.mu.Unlock()
	return parts, nil
}

func (c *logConnector) startOf(part int, b commitlog.Bounds) (int64, error) {
	c.mu.Lock()
	start, known := c.starts[part]
	first := !c.listed
	c.mu.Unlock()
	if known {
		return start, nil
	}
	start = b.Start
	switch {
	case !first:
	case c.start.isLatest():
		start = b.End
	case !c.start.time().IsZero():
		var err error
		if start, err = c.topic.OffsetAt(part, c.start.time().UnixMicro()); err != nil {
			return 0, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.starts[part] = start
	return start, nil
}

// Reader reads partition p. ErrOffsetGone and ErrBeyondEnd come from its Next.
func (c *logConnector) Reader(_ context.Context, p Partition, from int64) (Reader, error) {
	part, err := strconv.Atoi(p.Key)
	if err != nil {
		return nil, fmt.Errorf("topic %s: partition %q: want a number", c.topic.Name(), p.Key)
	}
	return &logReader{c: c, part: part, from: from, end: -1}, nil
}

// Close releases the log.
func (c *logConnector) Close() error { return c.log.Close() }

// logReader opens its partition with the first Next, so that a bad offset is reported where the contract says.
type logReader struct {
	c    *logConnector
	part int
	from int64
	end  int64
	r    *commitlog.Reader
}

func (r *logReader) Next(ctx context.Context) (*records.Block, error) {
	return r.await(ctx, (*commitlog.Reader).Next)
}

// NextDeferred implements Deferring.
func (r *logReader) NextDeferred(ctx context.Context) (*records.Block, error) {
	return r.await(ctx, func(cr *commitlog.Reader, ctx context.Context) (*records.Block, error) {
		return cr.NextDeferred(ctx, logError)
	})
}

func (r *logReader) await(ctx context.Context, next func(*commitlog.Reader, context.Context) (*records.Block, error)) (*records.Block, error) {
	for {
		b, err := r.next(ctx, next)
		if errors.Is(err, commitlog.ErrOffsetGone) && r.c.env.Reset {
			if err := r.reset(); err != nil {
				return nil, err
			}
			continue
		}
		return b, logError(err)
	}
}

func (r *logReader) next(ctx context.Context, next func(*commitlog.Reader, context.Context) (*records.Block, error)) (*records.Block, error) {
	if r.r == nil {
		cr, err := r.c.topic.Reader(r.part, r.from)
		if err != nil {
			return nil, err
		}
		r.r = cr
	}
	b, err := next(r.r, ctx)
	r.from, r.end = r.r.Offset(), r.r.End()
	return b, err
}

// reset goes on at the earliest record that is left: the user chose so (--on-offset-gone reset).
func (r *logReader) reset() error {
	b, err := r.c.topic.Bounds(r.part)
	if err != nil {
		return err
	}
	log := r.c.env.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	log.Warn("source reset", "source", "log:"+r.c.topic.Name(), "partition", r.part, "from", r.from, "to", b.Start, "lost", b.Start-r.from)
	r.from = b.Start
	return r.Close()
}

// logError gives a log's error the sentinel of this package, by which callers branch.
func logError(err error) error {
	switch {
	case errors.Is(err, commitlog.ErrOffsetGone):
		return asKind{fmt.Errorf("%w: retention removed records that were not read; start with --on-offset-gone reset to go on at the earliest", err), ErrOffsetGone}
	case errors.Is(err, commitlog.ErrBeyondEnd):
		return asKind{fmt.Errorf("%w; restore it, or start with a new --checkpoint", err), ErrBeyondEnd}
	case errors.Is(err, commitlog.ErrDamaged):
		return asKind{err, ErrLasting}
	}
	return err
}

func (r *logReader) End() int64 { return r.end }

func (r *logReader) Close() error {
	if r.r == nil {
		return nil
	}
	err := r.r.Close()
	r.r = nil
	return err
}
