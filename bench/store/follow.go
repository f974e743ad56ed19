package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// followAll reads n partitions at once and calls each under a lock, until each returns false, ctx ends, or idle passes without a record.
func followAll(ctx context.Context, n int, idle time.Duration, read func(ctx context.Context, part int, out func(key, val []byte)) error, each func(key, val []byte) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex // guards last, done and each
	last, done := time.Now(), false
	g, gctx := errgroup.WithContext(ctx)
	for part := range n {
		g.Go(func() error {
			return read(gctx, part, func(key, val []byte) {
				mu.Lock()
				defer mu.Unlock()
				last = time.Now()
				if !done && !each(key, val) {
					done = true
					cancel()
				}
			})
		})
	}
	if idle > 0 {
		g.Go(func() error {
			for gctx.Err() == nil {
				mu.Lock()
				quiet := time.Since(last) > idle
				mu.Unlock()
				if quiet {
					cancel()
				}
				time.Sleep(10 * time.Millisecond)
			}
			return nil
		})
	}
	if err := g.Wait(); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
