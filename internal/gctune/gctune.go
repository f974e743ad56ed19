// Package gctune sets Go's garbage collector up for the engine's heaps: a small live part (state, read-ahead) and large buffers that
// come and go with every batch.
//
// The default GOGC of 100 collects all the time while little is live, and costs 30 to 60% of the CPU on paths that allocate whole batches. A fixed high
// GOGC takes a multiple of the state once there is much of it. So the room between collections is a stated number of bytes instead, whatever is live, but never
// less than a share of it.
package gctune

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/millrace/millrace/internal/clock"
)

const (
	// Room is how much is allocated between two collections while little is live.
	Room = 96 << 20
	// percentMin and percentMax bound the room relative to what is live.
	percentMin, percentMax = 60, 1600
	// every is how often the setting follows the live heap.
	every = 250 * time.Millisecond
)

// Run keeps the collector's setting in step with the live heap until ctx ends. It does nothing where the user has set GOGC.
func Run(ctx context.Context, ck clock.Clock) {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	percent := 0
	for {
		metrics.Read(live)
		if want := percentFor(live[0].Value.Uint64()); want*4 < percent*3 || want*3 > percent*4 {
			percent = want
			debug.SetGCPercent(percent)
		}
		select {
		case <-ctx.Done():
			return
		case <-ck.After(every):
		}
	}
}

// percentFor is the GOGC that leaves Room beside live bytes.
func percentFor(live uint64) int {
	if live < 4<<20 {
		return percentMax
	}
	return int(min(max(Room*100/live, percentMin), percentMax))
}

// Start runs Run until stop is called, which waits for it.
func Start(ck clock.Clock) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Run(ctx, ck)
	}()
	return func() {
		cancel()
		<-done
	}
}
