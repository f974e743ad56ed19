package kafkafetch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/records"
)

// Aborted is a transaction of a producer that was aborted, by the offset of its first record.
type Aborted = kmsg.FetchResponseTopicPartitionAbortedTransaction

// Decoded is what a broker sent of a partition. Blocks follow each other from the offset that was asked for; those without records only move the position.
type Decoded struct {
	Blocks []*records.Block
	Next   int64 // the offset to ask for next
	Epoch  int32 // the leader's that wrote the last record batch; -1: there was none
}

// MaxBlockBytes is about how large a block of unpacked records is.
const MaxBlockBytes = 1 << 20

// keepRun is how much memory for unpacking a Decoder keeps.
const keepRun = 4 * MaxBlockBytes

// The head of a record batch of magic 2, big-endian.
const (
	headBytes    = 61
	beforeLength = 12 // what stands before the bytes that the length counts
	offLength    = 8
	offEpoch     = 12
	offMagic     = 16
	offCRC       = 17
	offAttrs     = 21
	offLastDelta = 23
	offFirstTime = 27
	offMaxTime   = 35
	offProducer  = 43
	offCount     = 57
)

// Attributes.
const (
	attrCodec     = 7
	attrAppend    = 1 << 3 // times are the broker's
	attrTxn       = 1 << 4
	attrControl   = 1 << 5
	leastOfRecord = 7 // bytes: length, attributes, time, offset, key, value, headers
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Decoder finds records in what brokers send. One goroutine at a time.
type Decoder struct {
	unpack  kgo.Decompressor
	run     []byte // batches, unpacked
	copying bool   // into run
	batches []batch
	aborted []Aborted
	out     Decoded
}

// NewDecoder is a Decoder.
func NewDecoder() *Decoder {
	d := &Decoder{}
	d.unpack = kgo.DefaultDecompressor(d)
	return d
}

// batch is a record batch whose records are wanted.
type batch struct {
	first, next int64 // offsets
	time        int64 // ms: of the first record, or of all
	fixed       bool  // time is that of all
	count       int
	lo, hi      int // where its records are
}

// Decode is what raw has from offset from on, as a broker sent it. raw is the caller's no more: where nothing is compressed it becomes the block. aborted are
// the transactions that the broker says were aborted. With an error, Decoded is what stands before the damage.
func (d *Decoder) Decode(raw *records.Block, from int64, aborted []Aborted) (Decoded, error) {
	d.out, d.copying = Decoded{Next: from, Epoch: -1}, false
	d.batches, d.run = d.batches[:0], d.run[:0]
	d.aborted = append(d.aborted[:0], aborted...)
	slices.SortFunc(d.aborted, func(a, b Aborted) int { return int(min(max(a.FirstOffset-b.FirstOffset, -1), 1)) })
	packed, old, err := survey(raw.Data)
	switch {
	case err != nil:
	case old:
		return Copied(raw, from, aborted)
	case packed:
		d.copying = true
		err = d.unpacked(raw.Data)
		raw.Free()
		if cap(d.run) > keepRun {
			d.run = nil
		}
	default:
		next := from
		for at := 0; at < len(raw.Data) && err == nil; {
			at, next, err = d.one(raw.Data, at, next)
		}
		if ferr := d.fill(raw, next); err == nil {
			err = ferr
		}
	}
	return d.out, err
}

// survey tells whether some record batch is compressed, or older than magic 2.
func survey(data []byte) (packed, old bool, err error) {
	for at := 0; ; {
		size, whole := sizeOf(data[at:])
		switch {
		case !whole && at == 0:
			return false, false, fmt.Errorf("the broker sent %d bytes of a record batch of %d", len(data), size)
		case !whole:
			return packed, old, nil // brokers cut at a number of bytes
		case data[at+offMagic] < 2:
			return false, true, nil
		case data[at+offMagic] > 2:
			return false, false, fmt.Errorf("a record batch at offset %d has magic %d, of a Kafka that is newer than this reader", binary.BigEndian.Uint64(data[at:]), data[at+offMagic])
		case size < headBytes:
			return false, false, errShort
		}
		packed = packed || data[at+offAttrs+1]&attrCodec != 0
		if at += size; at == len(data) {
			return packed, false, nil
		}
	}
}

var errShort = errors.New("a record batch is shorter than its head")

// sizeOf is the size of the record batch at the beginning of data, and whether all of it is there.
func sizeOf(data []byte) (size int, whole bool) {
	if len(data) <= offMagic+1 {
		return beforeLength, false
	}
	size = int(int32(binary.BigEndian.Uint32(data[offLength:]))) + beforeLength
	return size, size <= len(data)
}

// one takes the record batch at byte at of data. It returns the byte and the offset behind it.
func (d *Decoder) one(data []byte, at int, next int64) (int, int64, error) {
	size, whole := sizeOf(data[at:])
	if !whole {
		return len(data), next, nil
	}
	be, head := binary.BigEndian, data[at:at+size]
	b := batch{first: int64(be.Uint64(head)), time: int64(be.Uint64(head[offFirstTime:])), count: int(int32(be.Uint32(head[offCount:]))), lo: at + headBytes, hi: at + size}
	b.next = b.first + int64(int32(be.Uint32(head[offLastDelta:]))) + 1
	if sum := crc32.Checksum(head[offAttrs:], castagnoli); sum != be.Uint32(head[offCRC:]) {
		return at, next, fmt.Errorf("the record batch at offset %d has checksum %08x, %08x was written: it is damaged", b.first, sum, be.Uint32(head[offCRC:]))
	}
	attrs := be.Uint16(head[offAttrs:])
	d.out.Epoch = int32(be.Uint32(head[offEpoch:]))
	if b.fixed = attrs&attrAppend != 0; b.fixed {
		b.time = int64(be.Uint64(head[offMaxTime:]))
	}
	switch {
	case b.next <= next:
		return at + size, next, nil // read before
	case attrs&attrControl != 0:
		d.ended(int64(be.Uint64(head[offProducer:])), b.first, head[headBytes:])
	case attrs&attrTxn != 0 && d.isAborted(int64(be.Uint64(head[offProducer:])), b.first):
	default:
		if !d.copying {
			d.batches = append(d.batches, b)
			break
		}
		if err := d.unpackOne(&b, head[headBytes:], kgo.CompressionCodecType(attrs&attrCodec)); err != nil {
			return at, next, err
		}
		return at + size, b.next, nil
	}
	return at + size, b.next, nil
}

// isAborted tells whether a transaction of the producer that has a record at an offset was aborted.
func (d *Decoder) isAborted(producer, at int64) bool {
	if fault.Planted("P9-aborted") {
		return false
	}
	for i := range d.aborted {
		if a := &d.aborted[i]; a.ProducerID == producer {
			return a.FirstOffset <= at // the next of this producer is later
		}
	}
	return false
}

// ended takes note of the end of a transaction: the record's key is two bytes of version, then two that are 0 for an abort.
func (d *Decoder) ended(producer, at int64, recs []byte) {
	r := reader{data: recs, end: len(recs)}
	r.varint()      // length
	r.at++          // attributes
	r.varlong()     // time
	r.varint()      // offset
	n := r.varint() // key
	if r.at < 0 || n < 4 || r.at+4 > len(recs) || recs[r.at+2] != 0 || recs[r.at+3] != 0 {
		return
	}
	for i := range d.aborted {
		if a := &d.aborted[i]; a.ProducerID == producer && a.FirstOffset <= at {
			d.aborted = slices.Delete(d.aborted, i, i+1)
			return
		}
	}
}
