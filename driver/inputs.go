package driver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/source"
)

const (
	discoverEvery = time.Second
	openLimit     = 20 * time.Second // for a source's first answer
	keepEvery     = 2 * time.Second  // state files are fsynced and old ones removed
	progressEvery = time.Second      // offsets are reported outside
)

// openInputs opens the sources on the driver's side.
func (e *engine) openInputs(ctx context.Context) error {
	for _, n := range e.plan.Sources {
		spec, ok := n.Leaf.(*source.Spec)
		if !ok {
			return fmt.Errorf("source %s: %T is not a source", n.Name, n.Leaf)
		}
		env := source.Env{
			Job: e.cfg.Name, Brokers: e.cfg.Brokers, LogDir: e.cfg.LogDir, Checkpoint: e.cfg.Checkpoint,
			Reset: e.cfg.OnOffsetGone == "reset", TLS: e.cfg.KafkaTLS.source(), Log: e.log, Clock: e.clock, Driver: true,
		}
		c, err := spec.Open(ctx, env)
		if err != nil {
			return fmt.Errorf("source %s: %w", n.Name, err)
		}
		e.inputs[n.Name] = c
	}
	return nil
}

// resumeInputs tells sources what the checkpoint has recorded of them.
func (e *engine) resumeInputs() error {
	recorded := map[string][]source.Partition{}
	for _, p := range e.rec.Partitions {
		recorded[p.Source] = append(recorded[p.Source], source.Partition{Key: p.Key, Meta: p.Meta, Start: p.Start})
	}
	for _, name := range sortedKeys(e.inputs) {
		if in, ok := e.inputs[name].(source.Resumer); ok && len(recorded[name]) > 0 {
			if err := in.Resume(recorded[name]); err != nil {
				return fmt.Errorf("source %s: %w", name, err)
			}
		}
	}
	return nil
}

// startInputs starts what the driver does for each source as long as the job lives.
func (e *engine) startInputs(ctx context.Context, g *errgroup.Group) {
	for _, name := range sortedKeys(e.inputs) {
		c := e.inputs[name]
		look := make(chan chan<- struct{})
		e.looks[name] = look
		g.Go(func() error { return e.discover(ctx, name, c, look) })
		if in, ok := c.(source.Ingester); ok {
			g.Go(func() error {
				if err := in.Ingest(ctx); err != nil && ctx.Err() == nil {
					e.post(ctx, abort{fmt.Sprintf("source %s: %v", name, err)})
				}
				return nil
			})
		}
	}
}

// discover tells the machine of a source's partitions, at once and then whenever they changed. Who sends on look has it tell what is there now, and gets an answer then.
func (e *engine) discover(ctx context.Context, name string, c source.Connector, look <-chan chan<- struct{}) error {
	var seen []source.Partition
	var asked chan<- struct{}
	told := "" // the last warning: the same is not said every second
	for first := true; ; first = false {
		limit, cancel := context.WithTimeout(ctx, openLimit)
		parts, err := c.Partitions(limit)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && (first || errors.Is(err, source.ErrFileChanged)):
			if errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("no answer within %v: %w", openLimit, err)
			}
			e.post(ctx, abort{fmt.Sprintf("source %s: %v", name, err)})
			return nil
		case err != nil:
			if told != err.Error() {
				told = err.Error()
				e.log.Warn("partitions not listed, trying again", "source", name, "error", err)
			}
		default:
			told = ""
			if first || asked != nil || !samePartitions(seen, parts) {
				seen = parts
				e.post(ctx, discovered{name, parts})
			}
			if asked != nil {
				close(asked)
				asked = nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case asked = <-lookIf(asked == nil, look):
		case <-e.clock.After(discoverEvery):
		}
	}
}

// lookIf is look, or nothing: one who asked waits for an answer first.
func lookIf(free bool, look <-chan chan<- struct{}) <-chan chan<- struct{} {
	if free {
		return look
	}
	return nil
}

// samePartitions tells whether no partition came or ended; ends that grow are told by those who read.
func samePartitions(a, b []source.Partition) bool {
	return slices.EqualFunc(a, b, func(x, y source.Partition) bool { return x.Key == y.Key && x.Complete == y.Complete })
}

// keep is the janitor: behind the published batches it makes state files durable, removes what is no longer needed, and reports offsets.
func (e *engine) keep(ctx context.Context) error {
	offsets := map[string]map[string]int64{}
	committed := int64(0)
	swept := e.clock.Now()
	progress := e.clock.After(progressEvery)
	for {
		select {
		case <-ctx.Done():
			return e.lastProgress(offsets)
		case r := <-e.done:
			committed = r.batch
			mergeOffsets(offsets, r.offsets)
		case <-progress:
			progress = e.clock.After(progressEvery)
			e.progress(ctx, offsets)
			if now := e.clock.Now(); committed > 0 && now.Sub(swept) >= keepEvery {
				swept = now
				if err := e.sweep(ctx, committed); err != nil {
					e.post(ctx, abort{err.Error()})
					return nil
				}
				committed = 0
			}
		}
	}
}

// sweep fsyncs state up to batch b and prunes (P15).
func (e *engine) sweep(ctx context.Context, b int64) error {
	if err := e.store.Sync(b); err != nil {
		return err
	}
	if err := e.store.Prune(b); err != nil {
		return err
	}
	if e.dir != "" {
		e.post(ctx, pruned{e.store.Deltas()})
	}
	return nil
}

func mergeOffsets(into, from map[string]map[string]int64) {
	for s, parts := range from {
		if into[s] == nil {
			into[s] = map[string]int64{}
		}
		for k, o := range parts {
			into[s][k] = o
		}
	}
}

// progress tells sources that want to know how far the job has come (a consumer group's offsets). It is for show: nothing depends on it.
func (e *engine) progress(ctx context.Context, offsets map[string]map[string]int64) {
	for _, name := range sortedKeys(offsets) {
		if p, ok := e.inputs[name].(source.Progress); ok {
			if err := p.Committed(ctx, offsets[name]); err != nil && ctx.Err() == nil {
				e.log.Warn("offsets not reported", "source", name, "error", err)
			}
		}
		delete(offsets, name)
	}
}

// lastProgress reports what is left when the job ends.
func (e *engine) lastProgress(offsets map[string]map[string]int64) error {
	for more := true; more; {
		select {
		case r := <-e.done:
			mergeOffsets(offsets, r.offsets)
		default:
			more = false
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	e.progress(ctx, offsets)
	return nil
}
