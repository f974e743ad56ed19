// Package gctune sets Go's garbage collector up for the engine's heaps: a small live part (state, read-ahead) and large buffers that
// come and go with every batch.
//
// The default GOGC of 100 collects all the time while little is live, and costs 30 to 60% of the CPU on paths that allocate whole batches. A fixed high
// GOGC takes a multiple of the state once there is much of it. So the room between collections is a stated number of bytes instead, whatever is live, until the
// two together reach Goal: from there on the room makes way for what is live, down to a share of it.
//
// What a collection costs is the walk over memory with pointers. State tables have none: beside a gigabyte of them a small room costs little. So the share is small for
// memory without pointers, and larger for the rest.
package gctune

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// Room is how much is allocated between two collections while little is live.
	Room = 96 << 20
	// Goal is how large the heap gets with Room; more that is live takes from the room.
	Goal = 256 << 20
	// roomMin is the least room.
	roomMin = 64 << 20
	// plainShare and scannedShare are the least room in percent of what is live: without pointers, and with.
	plainShare, scannedShare = 25, 60
	// percentMax bounds the room relative to what is live.
	percentMax = 1600
)

// Run keeps the collector's setting in step with the live heap until ctx ends: it looks behind each collection. It does nothing where the user has set GOGC.
func Run(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	heap := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/heap:bytes"}}
	percent := 0
	for collected := watch(ctx); ; {
		metrics.Read(heap)
		if want := percentFor(heap[0].Value.Uint64(), heap[1].Value.Uint64()); want*10 < percent*9 || want*9 > percent*10 {
			percent = want
			debug.SetGCPercent(percent)
		}
		select {
		case <-ctx.Done():
			return
		case <-collected:
		}
	}
}

// watch sends behind each collection until ctx ends: the collector itself tells, by the cleanup of an object that nobody holds.
func watch(ctx context.Context) <-chan struct{} {
	collected := make(chan struct{}, 1)
	var arm func()
	arm = func() {
		runtime.AddCleanup(new([16]uintptr), func(collected chan struct{}) {
			if ctx.Err() != nil {
				return
			}
			select {
			case collected <- struct{}{}:
			default: // Run has not looked since the last one
			}
			arm()
		}, collected)
	}
	arm()
	return collected
}

// percentFor is the GOGC for so many bytes live, of which so many are scanned.
func percentFor(live, scanned uint64) int {
	if live < 4<<20 {
		return percentMax
	}
	scanned = min(scanned, live)
	room := max(min(Goal-int64(live), Room), roomMin, int64((live-scanned)*plainShare/100+scanned*scannedShare/100))
	return int(min((room*100+int64(live)/2)/int64(live), percentMax))
}

// Start runs Run until stop is called, which waits for it.
func Start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}
