package store

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"
)

// readAll reads n partitions at once and calls each under a lock, until every read has ended or ctx does, which is no error.
func readAll(ctx context.Context, n int, read func(ctx context.Context, part int, out func(key, val []byte)) error, each func(key, val []byte)) error {
	var mu sync.Mutex // guards each
	g, gctx := errgroup.WithContext(ctx)
	for part := range n {
		g.Go(func() error {
			return read(gctx, part, func(key, val []byte) {
				mu.Lock()
				defer mu.Unlock()
				each(key, val)
			})
		})
	}
	if err := g.Wait(); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
