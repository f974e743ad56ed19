package executor

import (
	"fmt"
	"sync"

	"github.com/millrace/millrace/rdd"
)

// inbound is a peer's frame.
type inbound struct {
	key    runKey
	blocks []arrival
}

// arrival is a block on its way to its place. raw, where not nil, are its bytes, of which the checksum is verified: only the plan of its batch
// knows their schema (P22).
type arrival struct {
	rdd.Block
	raw  []byte
	says []int64 // what the task says of event time, see rdd.Timeline.Hear
	loud bool    // no block: the sender knows of rows for lanes
}

// unpack takes peers' blocks to their places in a batch.
func (e *core) unpack(r *run, in []arrival) {
	for _, p := range in {
		if p.loud {
			e.endQuiet(r)
			continue
		}
		if p.raw != nil {
			var err error
			if p.Rec, err = block(schemaOf(r.graph, p.Edge), p.Sum, p.raw); err != nil { // whoever built the same sent bytes that can be read
				e.fail(r.key.batch, p.From, r.attempt, fmt.Errorf("%w: block of task %d/%d for node %d part %d: %w", errBroken, p.From.Node, p.From.Part, p.Edge.Node, p.Part, err), true)
				return
			}
		}
		e.deliver(r, p.Block, p.says)
	}
}

// onInbound takes a peer's blocks: to their batch, or aside if it is not launched here yet, or was built otherwise.
func (e *core) onInbound(in inbound) {
	if in.key.batch <= e.committed {
		return
	}
	if r := e.find(in.key.batch); r != nil && r.graph != nil && r.wire == in.key {
		e.unpack(r, in.blocks)
		return
	}
	e.keepEarly(in.key, in.blocks)
}

// keepEarly holds blocks for a launch to come. The gate stops peers' connections when they are too many.
func (e *core) keepEarly(key runKey, in []arrival) {
	e.early[key] = append(e.early[key], in...)
	e.gate.add(weight(in))
}

func (e *core) dropEarly(key runKey) {
	e.gate.add(-weight(e.early[key]))
	delete(e.early, key)
}

// weight is the memory of blocks that came.
func weight(in []arrival) int64 {
	n := int64(0)
	for i := range in {
		n += sizeOf(&in[i].Block) + int64(len(in[i].raw)) + 8*int64(len(in[i].says))
	}
	return n
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
