package commitlog

import (
	"encoding/binary"
	"testing"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/records"
)

// FuzzFrame gives the decoder bytes whose checksums are right, so that it gets past them: it may refuse, but never panic or read beyond.
func FuzzFrame(f *testing.F) {
	var b Batch
	_ = b.AddHeaders([]byte("key"), []byte("value"), 1, []Header{{"name", []byte("v")}})
	_ = b.Add(nil, nil, 1<<60)
	_ = b.Add([]byte{}, []byte{}, -1)
	for _, parts := range [][]part{cutParts(nil, &b), cutParts(nil, new(Batch))} {
		f.Add(appendFrame(nil, parts[0], frameInfo{base: 7, marker: []byte("m")}))
		f.Add(appendFrame(nil, parts[0], frameInfo{base: 7, span: 9, offsets: []int64{8, 10, 15}[:parts[0].hi], more: true}))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) >= headBytes {
			raw = append(raw[:len(raw):len(raw)], make([]byte, records.Padding)...)[:len(raw)]
			size := min(uint64(binary.LittleEndian.Uint32(raw[76:])), uint64(len(raw)-headBytes))
			binary.LittleEndian.PutUint64(raw[80:], xxh3.Hash(raw[headBytes:headBytes+size]))
			copy(raw, frameMagic)
			binary.LittleEndian.PutUint32(raw[4:], uint32(xxh3.Hash(raw[8:headBytes])))
		}
		h, err := parseFrame(raw)
		if err != nil {
			return
		}
		_ = markerOf(&h, raw)
		bb := newBlock(&records.Block{Data: raw}, []head{h})
		if bb.add(&h, 0) != nil {
			return
		}
		blk := bb.block
		last := blk.First - 1
		for i := range blk.Len() {
			_, _ = blk.Key(i), blk.Value(i)
			if blk.Offset(i) <= last || blk.Offset(i) >= blk.Next {
				t.Fatalf("record %d has offset %d of [%d, %d)", i, blk.Offset(i), blk.First, blk.Next)
			}
			last = blk.Offset(i)
			if blk.Headers == nil {
				continue
			}
			for _, h := range blk.Headers[i] {
				_, _ = blk.Data[h.Name.Off:h.Name.Off+h.Name.Len], blk.Data[h.Value.Off:h.Value.Off+h.Value.Len]
			}
		}
	})
}

// FuzzSlot: a slot of the durable end is read back or refused.
func FuzzSlot(f *testing.F) {
	d := durable{seq: 3, end: 10, seg: 4, pos: 900, mark: 12}
	f.Add(d.encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if d, ok := decodeSlot(raw); ok && (d.end < d.seg || d.mark >= max(d.pos, 1)) {
			t.Fatalf("accepted %+v", d)
		}
	})
}
