package commitlog

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/millrace/millrace/internal/records"
)

// Limits of records and commits.
const (
	// MaxRecord is the largest record: key, value and headers together, in bytes.
	MaxRecord = 64 << 20
	// MaxBatch is the largest Batch, in bytes; also of what a Writer holds before it has written it.
	MaxBatch = 1 << 30
)

// Header is a named value that travels with a record.
type Header struct {
	Name  string
	Value []byte
}

// Batch collects records to be appended together. The zero value is empty and ready. It copies what it is given, in columns, so
// that a million records are a handful of allocations. One goroutine at a time.
type Batch struct {
	keys, values       []byte
	keyLens, valueLens []uint32 // records.Null: absent. keyLens is empty until a record has a key
	times              []int64
	headers            []byte   // encoded: uvarint count, then per header uvarint length and bytes of name and value
	headerEnds         []uint32 // empty until a record has headers
}

// Len is the number of records.
func (b *Batch) Len() int { return len(b.valueLens) }

// Bytes is about what the batch will take in the log.
func (b *Batch) Bytes() int {
	return len(b.keys) + len(b.values) + len(b.headers) + 12*len(b.valueLens)
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.keys, b.values, b.headers = b.keys[:0], b.values[:0], b.headers[:0]
	b.keyLens, b.valueLens, b.times, b.headerEnds = b.keyLens[:0], b.valueLens[:0], b.times[:0], b.headerEnds[:0]
}

// grow gives the empty batch b room for about what o holds.
func (b *Batch) grow(o *Batch) {
	b.keys, b.values = make([]byte, 0, len(o.keys)+len(o.keys)/16), make([]byte, 0, len(o.values)+len(o.values)/16)
	n := o.Len() + o.Len()/16
	b.keyLens, b.valueLens, b.times = make([]uint32, 0, len(o.keyLens)+n-o.Len()), make([]uint32, 0, n), make([]int64, 0, n)
}

// Add appends a record. A nil key or value is absent, which is not the same as empty: a record with a key and no value is a
// tombstone. micros is the record's time, µs since 1970 UTC. ErrTooLong: over MaxRecord, or the batch would pass MaxBatch.
func (b *Batch) Add(key, value []byte, micros int64) error {
	if len(key)+len(value) > MaxRecord || b.Bytes()+len(key)+len(value) > MaxBatch {
		return tooLong(len(key) + len(value))
	}
	b.add(key, value, micros)
	return nil
}

func (b *Batch) add(key, value []byte, micros int64) {
	if key != nil || len(b.keyLens) > 0 {
		b.addKey(key)
	}
	if value == nil {
		b.valueLens = append(b.valueLens, records.Null)
	} else {
		b.values = append(b.values, value...)
		b.valueLens = append(b.valueLens, uint32(len(value)))
	}
	b.times = append(b.times, micros)
	if len(b.headerEnds) > 0 {
		b.headerEnds = append(b.headerEnds, uint32(len(b.headers)))
	}
}

func (b *Batch) addKey(key []byte) {
	for len(b.keyLens) < len(b.valueLens) {
		b.keyLens = append(b.keyLens, records.Null)
	}
	if key == nil {
		b.keyLens = append(b.keyLens, records.Null)
		return
	}
	b.keys = append(b.keys, key...)
	b.keyLens = append(b.keyLens, uint32(len(key)))
}

// AddValues is Add for records without keys, whose values stand in data one behind the other: value i is data[ends[i]-ends[0] : ends[i+1]-ends[0]], so that there
// is an end more than there are records. Where an error is returned, nothing was added.
func (b *Batch) AddValues(data []byte, ends []int32, micros int64) error {
	if len(ends) < 2 {
		return nil
	}
	n, first := len(ends)-1, b.Len()
	if size := b.Bytes() + len(data) + 12*n; size > MaxBatch {
		return tooLong(size)
	}
	b.valueLens, b.times = slices.Grow(b.valueLens, n), slices.Grow(b.times, n)
	for i, end := range ends[1:] {
		size := uint32(end - ends[i])
		if size > MaxRecord {
			b.valueLens, b.times = b.valueLens[:first], b.times[:first]
			return fmt.Errorf("row %d: %w", i, tooLong(int(size)))
		}
		b.valueLens, b.times = append(b.valueLens, size), append(b.times, micros)
	}
	b.values = append(b.values, data...)
	if len(b.keyLens) > 0 {
		b.keyLens = append(b.keyLens, slices.Repeat([]uint32{records.Null}, n)...)
	}
	if len(b.headerEnds) > 0 {
		b.headerEnds = append(b.headerEnds, slices.Repeat([]uint32{uint32(len(b.headers))}, n)...)
	}
	return nil
}

// AddHeaders is Add with headers.
func (b *Batch) AddHeaders(key, value []byte, micros int64, headers []Header) error {
	size := len(key) + len(value)
	for _, h := range headers {
		size += len(h.Name) + len(h.Value) + 2*binary.MaxVarintLen32
	}
	if size > MaxRecord || b.Bytes()+size > MaxBatch {
		return tooLong(size)
	}
	n := b.Len()
	b.add(key, value, micros)
	if len(headers) == 0 {
		return nil
	}
	if len(b.headerEnds) > n { // add wrote the end of an empty list
		b.headerEnds = b.headerEnds[:n]
	}
	for len(b.headerEnds) < n {
		b.headerEnds = append(b.headerEnds, uint32(len(b.headers)))
	}
	b.headers = binary.AppendUvarint(b.headers, uint64(len(headers)))
	for _, h := range headers {
		b.headers = binary.AppendUvarint(b.headers, uint64(len(h.Name)))
		b.headers = append(b.headers, h.Name...)
		b.headers = binary.AppendUvarint(b.headers, uint64(len(h.Value)))
		b.headers = append(b.headers, h.Value...)
	}
	b.headerEnds = append(b.headerEnds, uint32(len(b.headers)))
	return nil
}

// Append adds all records of o, which stays as it is. ErrTooLong: the batch would pass MaxBatch.
func (b *Batch) Append(o *Batch) error {
	if b.Bytes()+o.Bytes() > MaxBatch {
		return tooLong(b.Bytes() + o.Bytes())
	}
	n := b.Len()
	if len(o.keyLens) > 0 || len(b.keyLens) > 0 {
		b.keyLens = appendPadded(b.keyLens, n, o.keyLens, o.Len(), records.Null, 0)
	}
	if len(o.headerEnds) > 0 || len(b.headerEnds) > 0 {
		end := uint32(len(b.headers))
		b.headerEnds = appendPadded(b.headerEnds, n, o.headerEnds, o.Len(), end, end)
	}
	b.keys = append(b.keys, o.keys...)
	b.values = append(b.values, o.values...)
	b.headers = append(b.headers, o.headers...)
	b.valueLens = append(b.valueLens, o.valueLens...)
	b.times = append(b.times, o.times...)
	return nil
}

// appendPadded appends column src (n entries, each plus add, or n times pad when it is empty) to dst, which is first filled up to m.
func appendPadded(dst []uint32, m int, src []uint32, n int, pad, add uint32) []uint32 {
	for len(dst) < m {
		dst = append(dst, pad)
	}
	for i := range n {
		v := pad
		if len(src) > 0 {
			v = src[i] + add
		}
		dst = append(dst, v)
	}
	return dst
}

func tooLong(size int) error {
	if size > math.MaxInt32 {
		size = math.MaxInt32
	}
	return fmt.Errorf("%d bytes: %w: a record may have %d bytes, a batch %d", size, ErrTooLong, MaxRecord, MaxBatch)
}
