package driver

import (
	"context"
	"fmt"
)

// reading is how WaitRead asks; done is closed when all that the sources have is in memory.
type reading struct{ done chan<- struct{} }

func (reading) isEvent() {}

// committed hears of a batch that is published and recorded. It belongs to the loop's goroutine.
func (r *Running) committed(batch int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batch = batch
	close(r.moved)
	r.moved = make(chan struct{})
}

// recorded is the last recorded batch, and what is closed when there is another.
func (r *Running) recorded() (batch int64, moved <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.batch, r.moved
}

// WaitBatch waits until batch n, or a later one, is published everywhere and the record of that is durable: when its BatchCompleted is told. Numbers begin with
// 1 and go on over the starts of a checkpoint; Status().Committed is the last one. It returns an error if the job ends before, or if ctx is done.
func (r *Running) WaitBatch(ctx context.Context, n int64) error {
	for {
		last, moved := r.recorded()
		if last >= n {
			return nil
		}
		select {
		case <-moved:
		case <-r.done:
			if last, _ := r.recorded(); last < n {
				return r.over(fmt.Sprintf("batch %d does not come: the job has ended behind batch %d", n, last))
			}
		case <-ctx.Done():
			return fmt.Errorf("batch %d has not come, the last is %d: %w", n, last, ctx.Err())
		}
	}
}

// WaitRead waits until all that the sources have at the time of the call is read ahead, so that the next batch takes it, whatever the clock. It is for tests: push rows, WaitRead, move the clock,
// WaitBatch. It returns an error if the job ends before, or if ctx is done; the latter too if the sources have more than Config.PrefetchBytes.
func (r *Running) WaitRead(ctx context.Context) error {
	for _, name := range sortedKeys(r.e.looks) {
		looked := make(chan struct{})
		select {
		case r.e.looks[name] <- looked:
		case <-r.done:
			return r.over("not all is read: the job has ended")
		case <-ctx.Done():
			return fmt.Errorf("source %s does not say what it has: %w", name, ctx.Err())
		}
		if err := r.await(ctx, looked); err != nil {
			return fmt.Errorf("source %s: %w", name, err)
		}
	}
	read := make(chan struct{})
	select {
	case r.e.events <- reading{read}:
	case <-r.done:
	case <-ctx.Done():
	}
	return r.await(ctx, read)
}

// await waits for a channel to be closed.
func (r *Running) await(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-r.done:
		return r.over("not all is read: the job has ended")
	case <-ctx.Done():
		return fmt.Errorf("not all is read: %w", ctx.Err())
	}
}

// over is why something will not come any more. The caller has seen the end.
func (r *Running) over(what string) error {
	if r.err != nil {
		return fmt.Errorf("%s: %w", what, r.err)
	}
	return fmt.Errorf("%s", what)
}

// tellRead lets those go on who wait for what is read by now.
func (e *engine) tellRead() {
	if len(e.reads) == 0 || !e.machine.allRead() {
		return
	}
	for _, done := range e.reads {
		close(done)
	}
	e.reads = nil
}
