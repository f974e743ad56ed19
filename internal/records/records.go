// Package records holds raw records of a log between a source and its decoder.
//
// A Block is a run of records of one source partition, pointer-free but for its few slices, so that a million
// records cost the collector nothing.
package records

// Padding is how many readable bytes stand behind the last byte of Block.Data within its capacity, so that scanners
// may load 8 to 64 bytes at a time without a bounds check.
const Padding = 64

// Span is a piece of Block.Data. Null marks a value that is absent (a tombstone) as opposed to empty.
type Span struct{ Off, Len uint32 }

// Null is the Len of an absent key or value.
const Null = ^uint32(0)

// Header is one header of a record, by index into Block.Data.
type Header struct{ Name, Value Span }

// Block is a run of records of one source partition, in offset order. It is immutable once handed on, and its memory
// is not used again before the last user has called Free: strings that users see may alias Data.
//
// A deferred block (Defer) only names its records, which have each offset of [First, Next): it has a length and a size, can be sliced, kept and
// freed, and Load reads them.
type Block struct {
	First, Next int64      // the block covers offsets [First, Next); gaps are allowed
	Data        []byte     // cap(Data)-len(Data) >= Padding
	Values      []Span     // one a record; Len == Null: no value
	Keys        []Span     // nil where no record has a key; otherwise one a record
	Times       []int64    // record time, µs since 1970 UTC; nil where the source has none
	Offsets     []int64    // nil: record i has offset First+i
	Headers     [][]Header // nil where no record has headers

	mem *shared // nil: the collector's
	in  Deferred
}

// Len is the number of records.
func (b *Block) Len() int {
	if b.in != nil {
		return int(b.Next - b.First)
	}
	return len(b.Values)
}

// Offset is the offset of record i.
func (b *Block) Offset(i int) int64 {
	if b.Offsets == nil {
		return b.First + int64(i)
	}
	return b.Offsets[i]
}

// Value is the value of record i, nil where it is absent. The slice aliases Data.
func (b *Block) Value(i int) []byte { return b.bytes(b.Values[i]) }

// Key is the key of record i, nil where it is absent. The slice aliases Data.
func (b *Block) Key(i int) []byte {
	if b.Keys == nil {
		return nil
	}
	return b.bytes(b.Keys[i])
}

func (b *Block) bytes(s Span) []byte {
	if s.Len == Null {
		return nil
	}
	return b.Data[s.Off : s.Off+s.Len : s.Off+s.Len]
}

// Slice is the part of b with offsets in [from, until), sharing b's memory. It may be empty, never nil.
func (b *Block) Slice(from, until int64) *Block {
	if b.in != nil {
		c := *b
		c.First, c.Next = max(from, b.First), min(until, b.Next)
		return &c
	}
	lo, hi := b.search(from), b.search(until)
	c := &Block{First: max(from, b.First), Next: min(until, b.Next), Data: b.Data, Values: b.Values[lo:hi], mem: b.mem}
	if b.Keys != nil {
		c.Keys = b.Keys[lo:hi]
	}
	if b.Times != nil {
		c.Times = b.Times[lo:hi]
	}
	if b.Headers != nil {
		c.Headers = b.Headers[lo:hi]
	}
	if b.Offsets != nil {
		c.Offsets = b.Offsets[lo:hi]
	}
	return c
}

// search is the index of the first record with an offset of at least off.
func (b *Block) search(off int64) int {
	if b.Offsets == nil {
		return int(min(max(off-b.First, 0), int64(len(b.Values))))
	}
	lo, hi := 0, len(b.Offsets)
	for lo < hi {
		mid := (lo + hi) / 2
		if b.Offsets[mid] < off {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// Bytes is the memory that the block holds on to; of a deferred one, about what it will.
func (b *Block) Bytes() int64 {
	if b.in != nil {
		return b.in.Size()
	}
	return int64(cap(b.Data)) + int64(len(b.Values)+len(b.Keys))*8 + int64(len(b.Times)+len(b.Offsets))*8
}
