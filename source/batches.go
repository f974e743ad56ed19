package source

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// Batches is a Source over a spec whose connector reads record batches: its blocks are those of BatchBlock, with the columns of T. The spec's decoders are filled in. For authors
// of connectors.
func Batches[T any](spec *Spec) Source[T] {
	s := *spec
	codec, err := row.Of(reflect.TypeFor[T]())
	if err != nil { // a mistake of the job, which From reports
		return Of[T](&s)
	}
	s.Decoder = func() rdd.Decoder { return &batchDecoder[T]{codec: codec} }
	s.Columns = func(p rdd.Projection) rdd.Decoder {
		d := &batchDecoder[T]{codec: codec, columns: true, read: p.Read, where: newConditions(p)}
		d.seen = conditionsRead(codec.Schema(), p)
		for i, read := range p.Read {
			d.seen[i] = d.seen[i] || read
		}
		return d
	}
	return Of[T](&s)
}

// BatchBlock is the rows of a record batch, whose columns are those that Batches is for, as a block of the offsets [first, next): offsets has that of each row, nil where row i has first+i. A
// record of such a block has an empty value, and its place says which row it is; the block can be cut as others are. It shares no memory with rec, which is nil where no row is left
// of the offsets.
//
//	length of the frame (8 bytes)   frame (batch.Marshal)   zeros: there are at least as many bytes as rows
func BatchBlock(rec arrow.Record, offsets []int64, first, next int64) *records.Block {
	if rec == nil {
		return &records.Block{First: first, Next: next, Data: pad(nil)}
	}
	parts, size, n := batch.Marshal(rec, nil), 8, int(rec.NumRows())
	for _, p := range parts {
		size += len(p)
	}
	data := make([]byte, 8, max(size, n)+records.Padding)
	binary.LittleEndian.PutUint64(data, uint64(size-8))
	for _, p := range parts {
		data = append(data, p...)
	}
	b := &records.Block{First: first, Next: next, Data: data[:max(size, n)], Offsets: offsets, Values: make([]records.Span, n)}
	for i := range b.Values {
		b.Values[i].Off = uint32(i)
	}
	return b
}

// batchDecoder reads blocks of record batches, as rows or as columns.
type batchDecoder[T any] struct {
	codec   *row.Codec
	columns bool
	read    []bool // the columns that are wanted
	seen    []bool // and those that conditions read
	where   conditions

	data *byte // of the block that rec is from
	rec  arrow.Record
}

// Decode implements rdd.Decoder.
func (d *batchDecoder[T]) Decode(b *records.Block, lo, hi int) (rdd.Chunk, []int32, []rdd.Bad) {
	if lo == hi {
		return rdd.Chunk{Vals: []T(nil)}, nil, nil
	}
	if err := d.open(b); err != nil { // the block is the engine's own
		panic(fmt.Errorf("a block of a record batch: %w", err))
	}
	first := int64(b.Values[lo].Off)
	part := d.rec.NewSlice(first, first+int64(hi-lo))
	if !d.columns {
		return rdd.Chunk{N: hi - lo, Vals: d.codec.FromBatch(col.FromRecord(part))}, nil, nil
	}
	all := &col.Batch{Schema: d.codec.Schema(), N: hi - lo, Cols: make([]*col.Vec, len(d.seen))}
	for i, seen := range d.seen {
		if seen {
			all.Cols[i] = col.FromArray(part.Column(i))
		}
	}
	return d.where.answer(all, nil, lo, nil, func(idx []int32) *col.Batch { return d.wanted(all, idx) })
}

// open reads the block's record batch, unless it is the one that was read last.
func (d *batchDecoder[T]) open(b *records.Block) error {
	if data := unsafe.SliceData(b.Data); data != d.data {
		size := binary.LittleEndian.Uint64(b.Data)
		rec, err := batch.Unmarshal(d.codec.Schema(), b.Data[8:8+size])
		if err != nil {
			return err
		}
		d.data, d.rec = data, rec
	}
	return nil
}

// wanted are rows idx (nil: all) of the columns that are read.
func (d *batchDecoder[T]) wanted(all *col.Batch, idx []int32) *col.Batch {
	out := &col.Batch{Schema: all.Schema, N: all.N, Cols: make([]*col.Vec, len(all.Cols))}
	if idx != nil {
		out.N = len(idx)
	}
	for i, read := range d.read {
		if read {
			out.Cols[i] = all.Cols[i].Take(idx)
		}
	}
	return out
}
