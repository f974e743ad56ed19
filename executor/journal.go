package executor

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/records"
)

// A journal is the raw records of one range of a source whose history can change (P18). All numbers are uvarints:
//
//	from, until, records
//	per record: offset - from, flags (1 key, 2 value, 4 time), time (8 bytes), key, value (length and bytes), headers (count, then names and values)
const (
	hasKey   = 1
	hasValue = 2
	hasTime  = 4
)

// journals is memory for journals that are written: they are large, and come with each batch.
var journals = sync.Pool{New: func() any { return new([]byte) }}

// maxJournalMemory is what is kept of it for the next one.
const maxJournalMemory = 16 << 20

// withJournal calls f with the journal of the records of blocks, ascending by offset. f must not keep it.
func withJournal(g checkpoint.Range, blocks []*records.Block, f func(data []byte) error) error {
	mem := journals.Get().(*[]byte)
	*mem = appendJournal((*mem)[:0], g, blocks)
	err := f(*mem)
	if cap(*mem) <= maxJournalMemory {
		journals.Put(mem)
	}
	return err
}

// appendJournal writes the records of blocks, ascending by offset.
func appendJournal(out []byte, g checkpoint.Range, blocks []*records.Block) []byte {
	count, size := 0, 32
	for _, b := range blocks {
		count += b.Len()
		size += b.Len()*16 + len(b.Data)
	}
	out = slices.Grow(out, size)
	out = binary.AppendUvarint(out, uint64(g.From))
	out = binary.AppendUvarint(out, uint64(g.Until))
	out = binary.AppendUvarint(out, uint64(count))
	for _, b := range blocks {
		for i := range b.Len() {
			out = appendRecord(out, g.From, b, i)
		}
	}
	return out
}

func appendRecord(out []byte, from int64, b *records.Block, i int) []byte {
	key, value := b.Key(i), b.Value(i)
	flags := byte(0)
	if key != nil {
		flags |= hasKey
	}
	if value != nil {
		flags |= hasValue
	}
	if b.Times != nil {
		flags |= hasTime
	}
	out = binary.AppendUvarint(out, uint64(b.Offset(i)-from))
	out = append(out, flags)
	if b.Times != nil {
		out = binary.LittleEndian.AppendUint64(out, uint64(b.Times[i]))
	}
	if key != nil {
		out = appendBytes(out, key)
	}
	if value != nil {
		out = appendBytes(out, value)
	}
	if b.Headers == nil {
		return binary.AppendUvarint(out, 0)
	}
	out = binary.AppendUvarint(out, uint64(len(b.Headers[i])))
	for _, h := range b.Headers[i] {
		out = appendBytes(out, b.Data[h.Name.Off:h.Name.Off+h.Name.Len])
		if h.Value.Len == records.Null {
			out = append(out, 0)
			continue
		}
		out = append(out, 1)
		out = appendBytes(out, b.Data[h.Value.Off:h.Value.Off+h.Value.Len])
	}
	return out
}

func appendBytes(out, b []byte) []byte {
	return append(binary.AppendUvarint(out, uint64(len(b))), b...)
}

var errJournal = errors.New("journal ends too early or is not one")

// journalReader reads a journal; after the first mistake it only gives zeros.
type journalReader struct {
	b   []byte
	bad bool
}

func (r *journalReader) num() uint64 {
	n, w := binary.Uvarint(r.b)
	if w <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[w:]
	return n
}

func (r *journalReader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *journalReader) flag() byte {
	b := r.take(1)
	if b == nil {
		return 0
	}
	return b[0]
}

// decodeJournal reads what appendJournal wrote, as one block. Bytes that are no journal are an error.
func decodeJournal(data []byte) (*records.Block, error) {
	r := &journalReader{b: data}
	b := &records.Block{First: int64(r.num()), Next: int64(r.num())}
	count := r.num()
	if r.bad || count > uint64(len(data)) || len(data) >= 1<<32-records.Padding {
		return nil, errJournal
	}
	b.Data = make([]byte, 0, len(data)+records.Padding)
	put := func(v []byte) records.Span {
		s := records.Span{Off: uint32(len(b.Data)), Len: uint32(len(v))}
		b.Data = append(b.Data, v...)
		return s
	}
	none := records.Span{Len: records.Null}
	keys, times, headers := false, false, false
	for range count {
		b.Offsets = append(b.Offsets, b.First+int64(r.num()))
		flags := r.flag()
		at, key, value := int64(0), none, none
		if flags&hasTime != 0 {
			if raw := r.take(8); len(raw) == 8 {
				at, times = int64(binary.LittleEndian.Uint64(raw)), true
			}
		}
		if flags&hasKey != 0 {
			key, keys = put(r.take(r.num())), true
		}
		if flags&hasValue != 0 {
			value = put(r.take(r.num()))
		}
		var hs []records.Header
		for n := r.num(); n > 0 && !r.bad; n-- {
			h := records.Header{Name: put(r.take(r.num())), Value: none}
			if r.flag() == 1 {
				h.Value = put(r.take(r.num()))
			}
			hs, headers = append(hs, h), true
		}
		if r.bad {
			return nil, errJournal
		}
		b.Keys, b.Values, b.Times, b.Headers = append(b.Keys, key), append(b.Values, value), append(b.Times, at), append(b.Headers, hs)
	}
	if len(r.b) > 0 {
		return nil, errJournal
	}
	if !keys {
		b.Keys = nil
	}
	if !times {
		b.Times = nil
	}
	if !headers {
		b.Headers = nil
	}
	return b, nil
}
