package executor

import (
	"sync"

	"github.com/millrace/millrace/rdd"
)

// inbound is a peer's frame.
type inbound struct {
	key    runKey
	blocks []rdd.Block
}

// onInbound takes a peer's blocks: to their batch, or aside if it is not launched here yet.
func (e *core) onInbound(in inbound) {
	if in.key.batch <= e.committed {
		return
	}
	if r := e.find(in.key.batch); r != nil && r.key == in.key {
		for _, b := range in.blocks {
			e.deliver(r, b)
		}
		return
	}
	e.keepEarly(in.key, in.blocks)
}

// keepEarly holds blocks for a launch to come. The gate stops peers' connections when they are too many.
func (e *core) keepEarly(key runKey, blocks []rdd.Block) {
	e.early[key] = append(e.early[key], blocks...)
	e.gate.add(bytesOf(blocks))
}

func (e *core) dropEarly(key runKey) {
	e.gate.add(-bytesOf(e.early[key]))
	delete(e.early, key)
}

// gate makes peers' readers wait while blocks that came too early fill their bound (I8). The launch that frees them comes over another
// connection, so waiting cannot last.
type gate struct {
	mu     sync.Mutex // guards what follows
	room   sync.Cond
	bytes  int64
	limit  int64
	closed bool
}

func (g *gate) init(limit int64) { g.limit, g.room.L = limit, &g.mu }

func (g *gate) add(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bytes += n
	if n < 0 {
		g.room.Broadcast()
	}
}

// pass waits for room; false when the executor is ending.
func (g *gate) pass() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.bytes > g.limit && !g.closed {
		g.room.Wait()
	}
	return !g.closed
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.room.Broadcast()
}
