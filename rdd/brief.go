package rdd

import (
	"slices"
	"sync"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/fault"
)

// Chunks of a source's columns are brief where all that a task does with them is done when the push of their records ends: operators compute other columns and keep none,
// writers copy what they send. Then the columns may lie in the block and in memory that is used again for the next chunk (P26, decision 0038).

// BriefDecoder is a Decoder that can give chunks whose memory is used again.
type BriefDecoder interface {
	Decoder
	// Brief says, of one task, that nobody reads a chunk any more when Decode is called again, or the block is given back.
	Brief()
}

// ReusableDecoder is a Decoder that may serve further tasks: its chunks share no memory with it, or are brief.
type ReusableDecoder interface {
	Decoder
	// Rest forgets all that belongs to a task. Memory stays.
	Rest()
}

// shorten tells the decoder whether chunks are brief. It is called for each task: a decoder may have served another.
func (t *Pipeline) shorten() {
	brief := t.brief() || fault.Planted("P26-brief")
	t.ctx.Brief = brief
	if t.spoils = brief && (t.ctx.Spoil || fault.Enabled); t.spoils {
		return
	}
	if d, ok := t.decoder.(BriefDecoder); ok && brief {
		d.Brief()
	}
}

// spoiled is a chunk as columns of its own, which spoil overwrites, if they can be that.
func (t *Pipeline) spoiled(c Chunk) (out Chunk, spoil func()) {
	b, is := c.Vals.(*col.Batch)
	if !is {
		for _, to := range t.root.Out {
			if to.Cols == nil || !to.Cols.Entry {
				return c, func() {}
			}
		}
		b = t.root.Val.Batch(c.Vals, nil, nil)
	}
	own := *b
	own.Cols = make([]*col.Vec, len(b.Cols))
	for i, v := range b.Cols {
		if own.Cols[i] = v; v != nil && v.Kind != col.Nested {
			own.Cols[i] = v.Copy(nil)
		}
	}
	return Chunk{N: c.N, Vals: &own}, func() {
		for _, v := range own.Cols {
			v.Spoil()
		}
	}
}

// brief tells whether chunks that the root gives are brief.
func (t *Pipeline) brief() bool {
	for _, s := range t.stages {
		if s.node != t.root && (s.dated != nil || s.node.Cols == nil || !s.node.Cols.Brief || slices.ContainsFunc(s.node.Exprs, (*expr.Bound).CallsUsers)) {
			return false
		}
		if slices.ContainsFunc(s.to, func(l link) bool { return l.wait || l.port != nil && !l.port.copies() }) {
			return false
		}
	}
	return true
}

// copies tells whether rows that leave here are copied at once.
func (p *port) copies() bool {
	if p.writer != nil {
		return p.node.Wide.Inputs[p.edge.Input].Copies
	}
	return p.lanes.n == 0 || p.lanes.outlet != nil
}

// decoders are a source's decoders that rest between tasks.
type decoders struct {
	new  func() Decoder
	pool sync.Pool
}

func (d *decoders) take() Decoder {
	if old, ok := d.pool.Get().(Decoder); ok {
		return old
	}
	return d.new()
}

func (d *decoders) put(old ReusableDecoder) {
	old.Rest()
	d.pool.Put(old)
}
