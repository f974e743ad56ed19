package kafkafetch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/records"
)

// made is a record of a batch that a test makes.
type made struct {
	delta      int32 // of its offset
	time       int64
	key, value []byte
	headers    []kmsg.Header
}

// maker makes a partition's record batches as a broker sends them.
type maker struct {
	data    []byte
	next    int64
	aborted []Aborted
}

// add appends a record batch that covers span offsets.
func (m *maker) add(t testing.TB, attrs int16, producer int64, span int32, recs []made, codec kgo.CompressionCodecType) {
	t.Helper()
	var body []byte
	for _, r := range recs {
		k := kmsg.Record{TimestampDelta64: r.time, OffsetDelta: r.delta, Key: r.key, Value: r.value, Headers: r.headers}
		k.Length = int32(len(k.AppendTo(nil)) - 1) // a length of 0 takes a byte
		body = k.AppendTo(body)
	}
	m.raw(attrs|int16(codec), producer, span, int32(len(recs)), compressed(t, body, codec))
}

// raw appends a record batch with any bytes as its records.
func (m *maker) raw(attrs int16, producer int64, span, count int32, body []byte) {
	b := kmsg.RecordBatch{
		FirstOffset: m.next, Length: int32(len(body) + headBytes - beforeLength), PartitionLeaderEpoch: 3, Magic: 2, Attributes: attrs, LastOffsetDelta: span - 1,
		FirstTimestamp: 1_700_000_000_000, MaxTimestamp: 1_700_000_009_000, ProducerID: producer, NumRecords: count, Records: body,
	}
	at := len(m.data)
	m.data = b.AppendTo(m.data)
	binary.BigEndian.PutUint32(m.data[at+offCRC:], crc32.Checksum(m.data[at+offAttrs:], castagnoli))
	m.next += int64(span)
}

// end appends the end of a producer's transaction.
func (m *maker) end(t testing.TB, producer int64, commit bool) {
	key := []byte{0, 0, 0, 0}
	if commit {
		key[3] = 1
	}
	m.add(t, attrControl|attrTxn, producer, 1, []made{{key: key, value: []byte{0, 0, 0, 0, 0, 0}}}, kgo.CodecNone)
}

func compressed(t testing.TB, body []byte, codec kgo.CompressionCodecType) []byte {
	t.Helper()
	by := map[kgo.CompressionCodecType]kgo.CompressionCodec{
		kgo.CodecGzip: kgo.GzipCompression(), kgo.CodecSnappy: kgo.SnappyCompression(), kgo.CodecLz4: kgo.Lz4Compression(), kgo.CodecZstd: kgo.ZstdCompression(),
	}
	if codec == kgo.CodecNone {
		return body
	}
	c, err := kgo.DefaultCompressor(by[codec])
	if err != nil {
		t.Fatal(err)
	}
	out, _ := c.Compress(new(bytes.Buffer), body)
	return bytes.Clone(out)
}

// block is what a Wire makes of bytes.
func block(data []byte) *records.Block {
	b := records.New(len(data))
	copy(b.Data, data)
	return b
}

// show is all that can be seen of what is decoded.
func show(t testing.TB, d Decoded, from int64) string {
	t.Helper()
	var s strings.Builder
	at := from
	for _, b := range d.Blocks {
		if b.First != at || b.Next < at || cap(b.Data)-len(b.Data) < records.Padding || len(b.Times) != b.Len() || b.Keys != nil && len(b.Keys) != b.Len() {
			t.Fatalf("block [%d, %d) of %d records, the one before ends at %d", b.First, b.Next, b.Len(), at)
		}
		at = b.Next
		keys, headers := b.Keys == nil, b.Headers == nil
		for i := range b.Len() {
			if o := b.Offset(i); o < b.First || o >= b.Next {
				t.Fatalf("offset %d in block [%d, %d)", o, b.First, b.Next)
			}
			fmt.Fprintf(&s, "%d at %d: %q %v %q %v", b.Offset(i), b.Times[i], b.Key(i), b.Key(i) == nil, b.Value(i), b.Value(i) == nil)
			keys = keys || b.Key(i) != nil
			if b.Headers != nil {
				for _, h := range b.Headers[i] {
					headers = true
					value := "null"
					if h.Value.Len != records.Null {
						value = string(b.Data[h.Value.Off : h.Value.Off+h.Value.Len])
					}
					fmt.Fprintf(&s, " %q=%q", b.Data[h.Name.Off:h.Name.Off+h.Name.Len], value)
				}
			}
			s.WriteByte('\n')
		}
		if !keys || !headers {
			t.Fatalf("a block has room for keys or headers, and none has one")
		}
	}
	if at != d.Next {
		t.Fatalf("the last block ends at %d, the next offset is %d", at, d.Next)
	}
	fmt.Fprintf(&s, "next %d\n", d.Next)
	return s.String()
}

// equal decodes both ways and demands the same.
func equal(t testing.TB, d *Decoder, m *maker, from int64) Decoded {
	t.Helper()
	want, err := Copied(block(m.data), from, m.aborted)
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Decode(block(m.data), from, m.aborted)
	if err != nil {
		t.Fatal(err)
	}
	if g, w := show(t, got, from), show(t, want, from); g != w {
		t.Fatalf("from %d:\n%.3000s\nwant\n%.3000s", from, g, w)
	}
	return got
}

// someRecords are n records with offsets of all but holes.
func someRecords(r *rand.Rand, n int) (recs []made, span int32) {
	keyed, large := r.IntN(3), r.IntN(8) == 0
	for range n {
		if r.IntN(5) == 0 {
			span += int32(r.IntN(3)) // compaction
		}
		k := made{delta: span, time: int64(r.IntN(1000)) - 300}
		span++
		if keyed == 1 || keyed == 2 && r.IntN(3) == 0 {
			k.key = fmt.Appendf(nil, "key%d", r.IntN(100))[:r.IntN(5)]
		}
		if r.IntN(6) > 0 {
			size := r.IntN(300)
			if large {
				size = r.IntN(60_000)
			}
			k.value = bytes.Repeat([]byte{byte('a' + r.IntN(26))}, size)
		}
		if r.IntN(20) == 0 {
			k.headers = []kmsg.Header{{Key: "h1", Value: []byte("x")}, {Key: "", Value: nil}}
		}
		recs = append(recs, k)
	}
	return recs, span + int32(r.IntN(2)) // the last may be gone too
}

// TestEqualToRecords: random partitions with all kinds of compression, transactions of several producers, holes, headers, nulls, read from any offset, are what
// the client's own records are.
func TestEqualToRecords(t *testing.T) {
	d := NewDecoder()
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := &maker{next: int64(r.IntN(1000))}
		first := m.next
		open := map[int64]int64{} // first offset of a producer's transaction
		packs := r.IntN(3)        // none, all, some
		for range 1 + r.IntN(12) {
			producer := int64(r.IntN(3))
			began, in := open[producer]
			if in && r.IntN(2) == 0 {
				commit := r.IntN(2) == 0
				if !commit {
					m.aborted = append(m.aborted, Aborted{ProducerID: producer, FirstOffset: began})
				}
				delete(open, producer)
				m.end(t, producer, commit)
				continue
			}
			attrs := int16(0)
			if r.IntN(2) == 0 {
				attrs = attrTxn
				if !in {
					open[producer] = m.next
				}
			} else {
				producer = -1
			}
			if r.IntN(4) == 0 {
				attrs |= attrAppend
			}
			codec := kgo.CodecNone
			if packs == 1 || packs == 2 && r.IntN(2) == 0 {
				codec = kgo.CompressionCodecType(1 + r.IntN(4))
			}
			recs, span := someRecords(r, r.IntN(60))
			m.add(t, attrs, producer, max(span, 1), recs, codec)
		}
		for producer := range int64(3) { // a broker does not show what may still be aborted
			if _, in := open[producer]; in {
				m.end(t, producer, true)
			}
		}
		r.Shuffle(len(m.aborted), func(i, j int) { m.aborted[i], m.aborted[j] = m.aborted[j], m.aborted[i] })
		for _, from := range []int64{first, first + r.Int64N(m.next-first), m.next - 1} {
			got := equal(t, d, m, from)
			for _, b := range got.Blocks {
				b.Free()
			}
		}
		whole := len(m.data)
		m.data = append(m.data, m.data[:r.IntN(min(whole, 200))]...) // a broker cuts where its limit is
		if m.data = m.data[:max(whole, len(m.data)-1)]; len(m.data)-whole < 100 && !m.readsPast(whole) {
			equal(t, d, m, first)
		}
	}
}

// readsPast tells whether the bytes from at on are a whole record batch.
func (m *maker) readsPast(at int) bool {
	_, whole := sizeOf(m.data[at:])
	return whole
}

// TestInPlace: what is not compressed is not copied, and what transactions left behind needs no memory.
func TestInPlace(t *testing.T) {
	m := &maker{}
	m.add(t, 0, -1, 2, []made{{delta: 0, value: []byte("one")}, {delta: 1, value: []byte("two")}}, kgo.CodecNone)
	raw := block(m.data)
	got, err := NewDecoder().Decode(raw, 0, nil)
	if err != nil || len(got.Blocks) != 1 || got.Blocks[0] != raw || got.Epoch != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	m = &maker{}
	m.end(t, 1, true)
	got, err = NewDecoder().Decode(block(m.data), 0, nil)
	if err != nil || len(got.Blocks) != 1 || got.Blocks[0].Len() != 0 || got.Next != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
}

// TestLargeUnpacked: batches that are large when they are unpacked become blocks of about MaxBlockBytes.
func TestLargeUnpacked(t *testing.T) {
	m := &maker{}
	for range 9 {
		m.add(t, 0, -1, 1, []made{{value: bytes.Repeat([]byte("text"), 100_000)}}, kgo.CodecZstd)
		m.end(t, 1, true)
	}
	got := equal(t, NewDecoder(), m, 0)
	if n := len(got.Blocks); n < 4 || n > 6 {
		t.Errorf("%d blocks", n)
	}
}

// TestMessageSets of before Kafka 0.11 are read the plain way.
func TestMessageSets(t *testing.T) {
	m := &maker{}
	for i := range 3 {
		v := kmsg.MessageV1{Offset: int64(i), Magic: 1, Timestamp: 1_700_000_000_000, Value: fmt.Append(nil, "v", i)}
		v.MessageSize = int32(len(v.AppendTo(nil)) - beforeLength)
		at := len(m.data)
		m.data = v.AppendTo(m.data)
		binary.BigEndian.PutUint32(m.data[at+12:], crc32.ChecksumIEEE(m.data[at+16:]))
	}
	if got := equal(t, NewDecoder(), m, 1); got.Next != 3 || got.Blocks[0].Len() != 2 {
		t.Errorf("%+v", got)
	}
}

// TestDamage: damage is an error that says where, and what stands before it is kept.
func TestDamage(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(m *maker, second int)
		want   string
	}{
		"bit":   {func(m *maker, second int) { m.data[len(m.data)-3] ^= 4 }, "offset 2 has checksum"},
		"magic": {func(m *maker, second int) { m.data[second+offMagic] = 3 }, "magic 3"},
		"count": {func(m *maker, second int) {
			m.data = m.data[:second]
			m.next = 2
			m.raw(0, -1, 2, 1<<30, make([]byte, 40))
		}, "says 1073741824 records in 40 bytes"},
		"records": {func(m *maker, second int) { m.data = m.data[:second]; m.next = 2; m.raw(0, -1, 2, 2, make([]byte, 40)) }, "offset 2: the lengths"},
		"gzip":    {func(m *maker, second int) { m.data = m.data[:second]; m.next = 2; m.raw(1, -1, 2, 2, make([]byte, 40)) }, "offset 2: unpack it"},
	} {
		m := &maker{}
		two := []made{{delta: 0, value: []byte("one")}, {delta: 1, value: []byte("two")}}
		m.add(t, 0, -1, 2, two, kgo.CodecNone)
		second := len(m.data)
		m.add(t, 0, -1, 2, two, kgo.CodecNone)
		c.damage(m, second)
		got, err := NewDecoder().Decode(block(m.data), 0, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if name != "magic" && got.Next != 2 {
			t.Errorf("%s: next is %d", name, got.Next)
		}
		show(t, got, 0)
	}
	if _, err := NewDecoder().Decode(block(make([]byte, 40)), 0, nil); err == nil {
		t.Error("40 zeros are a record batch")
	}
}

// FuzzDecode: what is accepted is what the client's own decoder finds.
func FuzzDecode(f *testing.F) {
	m := &maker{}
	m.add(f, 0, -1, 3, []made{{delta: 0, key: []byte("k"), value: []byte("v"), headers: []kmsg.Header{{Key: "h"}}}, {delta: 2, time: 9}}, kgo.CodecNone)
	f.Add(m.data, int64(0), int64(0), true)
	m.add(f, attrTxn, 7, 1, []made{{value: []byte("a value that is some bytes long")}}, kgo.CodecSnappy)
	m.end(f, 7, false)
	f.Add(m.data, int64(1), int64(3), true)
	d := NewDecoder()
	f.Fuzz(func(t *testing.T, data []byte, from, began int64, mend bool) {
		if len(data) > 4<<10 || from < 0 || from > 1<<40 {
			return // what is compressed may become large
		}
		if mend { // checksums, so that most get past them
			data = bytes.Clone(data)
			for at := 0; ; {
				size, whole := sizeOf(data[at:])
				if !whole || size < headBytes {
					break
				}
				binary.BigEndian.PutUint32(data[at+offCRC:], crc32.Checksum(data[at+offAttrs:at+size], castagnoli))
				at += size
			}
		}
		m := &maker{data: data, aborted: []Aborted{{ProducerID: 7, FirstOffset: began}}}
		got, err := d.Decode(block(data), from, m.aborted)
		shown := show(t, got, from)
		if err != nil {
			return
		}
		for _, b := range got.Blocks {
			for _, us := range b.Times {
				if us/1000*1000 != us || us > math.MaxInt64/1000 || us < math.MinInt64/1000 {
					return // the client counts nanoseconds
				}
			}
		}
		if !readable(data) {
			return // the client looks into what is left out, too
		}
		want, err := Copied(block(data), from, m.aborted)
		if err != nil {
			t.Fatalf("accepted, the client says %v", err)
		}
		if w := show(t, want, from); shown != w {
			t.Fatalf("%s\nwant\n%s", shown, w)
		}
	})
}

// readable tells whether each record batch could be read if it was not control records or aborted.
func readable(data []byte) bool {
	for at := 0; ; {
		size, whole := sizeOf(data[at:])
		if !whole || size < headBytes {
			return true
		}
		one := bytes.Clone(data[at : at+size])
		one[offAttrs+1] &^= attrTxn | attrControl
		binary.BigEndian.PutUint32(one[offCRC:], crc32.Checksum(one[offAttrs:], castagnoli))
		if _, err := NewDecoder().Decode(block(one), 0, nil); err != nil {
			return false
		}
		at += size
	}
}

func BenchmarkDecode(b *testing.B) {
	m := &maker{}
	for range 16 {
		var recs []made
		for i := range int32(200) {
			recs = append(recs, made{delta: i, value: bytes.Repeat([]byte("x"), 245)})
		}
		m.add(b, 0, -1, 200, recs, kgo.CodecNone)
	}
	d := NewDecoder()
	b.SetBytes(int64(len(m.data)))
	for b.Loop() {
		got, err := d.Decode(block(m.data), 0, nil)
		if err != nil {
			b.Fatal(err)
		}
		got.Blocks[0].Free()
	}
}
