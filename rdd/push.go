package rdd

import (
	"errors"
	"fmt"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/userstack"
)

// PushRecords decodes a block in chunks and pushes the rows through (source roots). Bad records go to the dead-letter node;
// with stopOnBad the first one is a *BadRecordError. A panic in user code is a *UserError that names the record's offset.
func (t *Pipeline) PushRecords(b *records.Block, stopOnBad bool) error {
	t.stopOnBad, t.needed = stopOnBad, false
	for lo := 0; lo < b.Len(); lo += ChunkRows {
		hi := min(lo+ChunkRows, b.Len())
		t.ctx.Counters.RowsIn += int64(hi - lo)
		err := t.guard(nil, func() error { return t.pushRange(b, lo, hi) })
		if err = t.located(err, extent{block: b, lo: lo, hi: hi}); err != nil {
			return err
		}
		if t.aside && stopOnBad { // the rest is not looked at
			return t.setAside()
		}
	}
	return nil
}

// Release says that the caller, who pushed a block, is no user of it any more. Its memory is used again, now or behind Finish, if the rows that came of
// its records share none with it.
func (t *Pipeline) Release(b *records.Block) {
	if c, ok := t.decoder.(Copying); !ok || !c.Copies() {
		return
	}
	if t.needed && !fault.Planted("P26-needed") {
		t.blocks, t.needed = append(t.blocks, b), false
		return
	}
	b.Free()
}

func (t *Pipeline) pushRange(b *records.Block, lo, hi int) error {
	t.at = t.root
	chunk, rows, bad := t.decoder.Decode(b, lo, hi)
	t.origin = extent{block: b, lo: lo, hi: hi, rows: rows}
	if len(bad) > 0 && !t.locating {
		if t.stopOnBad {
			return &BadRecordError{Source: t.root.Name, Partition: t.ctx.Partition, Offset: b.Offset(bad[0].Index), Reason: bad[0].Reason}
		}
		t.ctx.Counters.Bad += int64(len(bad))
		if t.dead != nil && !fault.Planted("P13-dropped") {
			t.needed = true
			if err := t.dead.lanes.add(deadLetters(t.root.Name, t.ctx.Partition, b, bad)); err != nil {
				return t.engineError(t.dead.node, err)
			}
		}
	}
	if t.spoils && chunk.N > 0 {
		own, spoil := t.spoiled(chunk)
		defer spoil()
		chunk = own
	}
	return t.spread(t.start, chunk)
}

// deadLetters are the rows of records that could not be decoded (P13).
func deadLetters(source string, partition int, b *records.Block, bad []Bad) Chunk {
	rows := make([]DeadLetter, len(bad))
	for i, d := range bad {
		value := b.Value(d.Index)
		rows[i] = DeadLetter{
			Source: source, Partition: int32(partition), Offset: b.Offset(d.Index), Reason: d.Reason,
			Key: b.Key(d.Index), Value: value[:min(len(value), MaxDeadBytes)],
		}
	}
	return Chunk{N: len(rows), Vals: rows}
}

// guard runs f and turns a panic of user code into a *UserError. A panic of the engine itself passes through: it is a
// broken invariant.
func (t *Pipeline) guard(reducer Reducer, f func() error) (err error) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if a, ok := cause.(expr.Abort); ok {
			err = t.engineError(t.at, a.Err)
			return
		}
		stack, user := userstack.Of(cause)
		if !user {
			panic(cause)
		}
		e := &UserError{
			Op: t.at.Op, Name: t.at.Name, Site: t.at.Site,
			Batch: t.ctx.Batch, Node: t.root.ID, Part: t.ctx.Partition, Offset: -1,
			Cause: fmt.Sprintf("panic: %v", cause), Stack: stack, gathered: t.gathered,
		}
		if l, ok := reducer.(Locator); ok && t.at == t.root {
			e.Key = l.At()
		}
		err = e
	}()
	return f()
}

// afresh is a pipeline for rows that are looked at again, and do not count again.
func (t *Pipeline) afresh() *Pipeline {
	ctx := *t.ctx
	ctx.Counters, ctx.Tally, ctx.Refused = &Counters{}, ctx.Tally.Anew(), nil
	fresh := NewPipeline(t.plan, t.root, &ctx, t.routers)
	fresh.locating = true
	return fresh
}

// located adds to a *UserError which source record led to it: the first of the extent's records that fails when they go
// through a fresh pipeline one at a time. If none does, the message names the range.
func (t *Pipeline) located(err error, in extent) error {
	var e *UserError
	if !errors.As(err, &e) || in.block == nil || t.locating || e.Offset >= 0 || e.gathered {
		return err
	}
	fresh := t.afresh()
	e.Source, e.Partition = t.root.Name, t.ctx.Partition
	for i := in.lo; i < in.hi; i++ {
		again := fresh.guard(nil, func() error {
			if err := fresh.pushRange(in.block, i, i+1); err != nil {
				return err
			}
			return fresh.release()
		})
		if errors.As(again, new(*UserError)) {
			e.Offset = in.block.Offset(i)
			return err
		}
	}
	e.Cause += fmt.Sprintf(" (at one of source %s partition %d offsets %d to %d; it did not happen again one record at a time)",
		t.root.Name, t.ctx.Partition, in.block.Offset(in.lo), in.block.Offset(in.hi-1))
	return err
}
