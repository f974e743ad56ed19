package executor

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// ship hands a finished task's blocks on: pointers to own parts, one frame to each peer that owns others. Blocks without rows go too, unless the batch is quiet: they are
// what tells the other side that the task is done.
func (e *core) ship(t *task) {
	loud := t.run.quiet && t.run.givesRows(t)
	var heard map[string]bool
	if loud {
		heard = e.endQuiet(t.run)
	}
	peers := e.parcelOut(t)
	for owner, blocks := range peers { // each to another peer: their order does not show
		e.push(owner, t, blocks)
	}
	if loud {
		e.tellOthers(t, heard, peers)
	}
}

// ownerOf is the executor that gathers a place's blocks, "" for nobody (lanes in a replay).
func (e *core) ownerOf(r *run, edge rdd.EdgeID, part int) string {
	n := r.graph.Nodes[edge.Node]
	owners := e.assign.Reduce
	if n.Kind == rdd.Sink {
		if e.cfg.Capture != nil {
			return e.name
		}
		owners = e.assign.Lanes[n.Name]
	}
	if part >= len(owners) {
		return ""
	}
	return owners[part]
}

func (e *core) push(owner string, t *task, blocks []rdd.Block) {
	if p := e.peers[owner]; p != nil {
		p.push(outgoing{t.run.wire, t.id, t.says, blocks, !t.run.quiet})
	}
}

// deliver takes a block to its place. The first block of (batch, plan, edge, part, task) counts; an equal one later is dropped, and one that
// differs stops the job: user code that is not deterministic would make recovery lie (P16). With it comes what its task says of event time.
func (e *core) deliver(r *run, b rdd.Block, says []int64) {
	up := r.upstream[b.Edge]
	if up == nil {
		e.log.Warn("block for an unknown edge dropped", "batch", r.key.batch, "node", b.Edge.Node)
		return
	}
	i, ok := up.index[b.From]
	if !ok || b.Part >= r.width(b.Edge) {
		e.log.Warn("block of an unknown task dropped", "batch", r.key.batch, "node", b.From.Node, "partition", b.From.Part)
		return
	}
	g := r.gather(place{b.Edge, b.Part})
	if g.got[i] {
		if g.sums[i] != b.Sum && !fault.Planted("P16-checksum") {
			from := r.graph.Nodes[b.From.Node]
			e.fail(r.key.batch, b.From, r.attempt, fmt.Errorf(
				"%s %q (%s) partition %d gave different rows for batch %d when it was computed again: user code there is not deterministic (clock, random numbers, map order or outside data)",
				from.Op, from.Name, from.Site, b.From.Part, r.key.batch), true)
		}
		return
	}
	at := i
	if fault.Planted("I7-arrival") {
		at = len(g.got) - g.missing
	}
	r.marks.Hear(b.From, says)
	g.got[i], g.recs[at], g.sums[i] = true, b.Rec, b.Sum
	g.missing--
	if g.missing > 0 {
		return
	}
	if r.graph.Nodes[b.Edge.Node].Kind == rdd.Sink {
		if t := r.tasks[rdd.TaskID{Node: b.Edge.Node, Part: b.Part}]; t != nil {
			e.woken = append(e.woken, t)
		}
		return
	}
	e.touch(b.Part)
}

// resend sends kept blocks of own finished tasks to parts that have a new owner. before is the assignment until now, nil for none.
func (e *core) resend(r *run, before *Assign) {
	now := e.assign
	for _, t := range r.tasks {
		if t.status != done || len(t.blocks) == 0 {
			continue
		}
		moved := map[string][]rdd.Block{}
		for _, b := range t.blocks {
			owner := e.ownerOf(r, b.Edge, b.Part)
			e.assign = before
			was := ""
			if before != nil {
				was = e.ownerOf(r, b.Edge, b.Part)
			}
			e.assign = now
			if owner == was || owner == "" {
				continue
			}
			if owner == e.name {
				e.deliver(r, b, t.says)
				continue
			}
			moved[owner] = append(moved[owner], b)
		}
		for owner, blocks := range moved {
			e.push(owner, t, blocks)
			e.cfg.Stats.count(func(s *Stats) { s.resent++ })
		}
	}
}

// onPeerUp sends everything again that a peer may have missed when its connection broke; it drops what it has.
func (e *core) onPeerUp(p *peer) {
	if e.peers[p.name] != p {
		return
	}
	for _, r := range e.runs {
		if r.graph != nil && !r.quiet {
			p.push(outgoing{key: r.wire, loud: true})
		}
		for _, t := range r.tasks {
			var blocks []rdd.Block
			for _, b := range t.blocks {
				if e.ownerOf(r, b.Edge, b.Part) == p.name {
					blocks = append(blocks, b)
				}
			}
			if len(blocks) > 0 {
				p.push(outgoing{r.wire, t.id, t.says, blocks, !r.quiet})
				e.cfg.Stats.count(func(s *Stats) { s.resent++ })
			}
		}
	}
}

// bytesOf is the memory of blocks, with something for each block itself.
func bytesOf(blocks []rdd.Block) int64 {
	n := int64(0)
	for i := range blocks {
		n += sizeOf(&blocks[i])
	}
	return n
}

func sizeOf(b *rdd.Block) int64 {
	if b.Rec == nil {
		return 64
	}
	return 64 + batch.Bytes(b.Rec)
}

// meetPeers follows the assignment's list: connections to those that are gone end, new ones are dialed when there is something to send.
func (e *core) meetPeers(ctx context.Context, a *Assign) {
	for name, p := range e.peers {
		if e.reachable(a.Peers[name]) != p.addr {
			p.close()
			delete(e.peers, name)
		}
	}
	for name, addr := range a.Peers {
		if name == e.name || addr == "" || e.peers[name] != nil || e.cfg.Listen == nil {
			continue
		}
		p := newPeer(name, e.reachable(addr))
		e.peers[name] = p
		e.group.Go(func() error {
			p.run(ctx, e)
			return nil
		})
	}
}

// reachable fills in what an address leaves open: a driver that listens on all of its machine's addresses says of its own lanes
// 0.0.0.0:port, and is reached where this executor reached it.
func (e *core) reachable(addr string) string {
	network, place, _ := strings.Cut(addr, ":")
	host, port, err := net.SplitHostPort(place)
	if network != "tcp" || err != nil || e.driverHost == "" {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return network + ":" + net.JoinHostPort(e.driverHost, port)
	}
	return addr
}

// schemaOf is the schema of an edge's blocks, nil for an edge that the plan has not.
func schemaOf(p *rdd.Plan, edge rdd.EdgeID) *arrow.Schema {
	if edge.Node < 0 || edge.Node >= len(p.Nodes) {
		return nil
	}
	n := p.Nodes[edge.Node]
	switch {
	case n.Kind == rdd.Wide && edge.Input >= 0 && edge.Input < len(n.Wide.Inputs):
		return n.Wide.Inputs[edge.Input].Schema
	case n.Kind == rdd.Sink && edge.Input == 0:
		if spec, ok := n.Outlet.(*sink.Spec); ok && spec.Encoded != nil {
			return sink.EncodedSchema(n.Key != nil)
		}
		return sinkSchema(n).Arrow
	}
	return nil
}
