package kafkatx

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"slices"
)

// MaxBatchBytes is where a record batch is closed and the next one begun; Kafka's default limit for one is 1 MiB.
const MaxBatchBytes = 900 << 10

const (
	headerBytes     = 61     // a version 2 record batch before its records
	transactional   = 1 << 4 // attribute bit
	offCRC          = 17
	offAttributes   = 21
	offBaseTime     = 27
	offMaxTime      = 35
	offProducerID   = 43
	offBaseSequence = 53
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Records are the encoded record batches (magic 2) of one partition. The zero value is empty. Producer, epoch and sequence are filled
// in when they are sent. Records are added whole (Add), or with a value that is written where it stays (Begin, Finish); the bytes are the same.
type Records struct {
	batches [][]byte
	counts  []int32
	spare   [][]byte // memory of batches that are sent

	begun record
}

// record is one that is being added.
type record struct {
	key    []byte
	millis int64
	at     int // where it begins in its batch
	room   int // what is left free before its value
	last   int // length of the last value: the next one's is guessed to be as many digits long
}

// Add appends a record with a timestamp in ms; a nil key or value is null.
func (r *Records) Add(key, val []byte, millis int64) {
	n := r.open(len(key)+len(val), millis)
	b := r.batches[n]
	since, number := millis-baseOf(b), int64(r.counts[n])
	size := 1 + varintLen(since) + varintLen(number) + bytesLen(key) + bytesLen(val) + 1
	b = binary.AppendVarint(b, int64(size))
	b = append(b, 0)
	b = binary.AppendVarint(b, since)
	b = binary.AppendVarint(b, number)
	b = appendBytes(b, key)
	b = appendBytes(b, val)
	r.batches[n] = append(b, 0) // no headers
	r.count(n, millis)
}

// open is the batch that a record of size bytes goes to.
func (r *Records) open(size int, millis int64) int {
	n := len(r.batches) - 1
	if n >= 0 && !r.full(n, len(r.batches[n]), size) {
		return n
	}
	b := []byte(nil)
	if k := len(r.spare) - 1; k >= 0 {
		b, r.spare = r.spare[k][:headerBytes], r.spare[:k]
		clear(b)
	} else {
		room := 4096
		if n >= 0 {
			room = MaxBatchBytes // as the one before
		}
		b = make([]byte, headerBytes, headerBytes+room)
	}
	binary.BigEndian.PutUint64(b[offBaseTime:], uint64(millis))
	r.batches, r.counts = append(r.batches, b), append(r.counts, 0)
	return n + 1
}

// full tells whether batch n with so many bytes has no room for a record of size more.
func (r *Records) full(n, bytes, size int) bool {
	return bytes+size+40 > MaxBatchBytes && r.counts[n] > 0
}

// count takes note of a record that is in batch n.
func (r *Records) count(n int, millis int64) {
	r.counts[n]++
	if b := r.batches[n]; millis > int64(binary.BigEndian.Uint64(b[offMaxTime:])) {
		binary.BigEndian.PutUint64(b[offMaxTime:], uint64(millis))
	}
}

func baseOf(b []byte) int64 { return int64(binary.BigEndian.Uint64(b[offBaseTime:])) }

// Begin begins a record whose value, which is not null, the caller appends to the slice that it is given; Finish takes that. A nil key is null; it is read until then.
func (r *Records) Begin(key []byte, millis int64) []byte {
	c := &r.begun
	n := r.open(len(key), millis) // Finish knows whether it has room
	b := r.batches[n]
	c.key, c.millis, c.at = key, millis, len(b)
	c.room, _ = r.head(n, c.last)
	b = slices.Grow(b, c.room)
	return b[:c.at+c.room]
}

// Finish ends a record whose value is what stands in b behind what Begin gave.
func (r *Records) Finish(b []byte) {
	c, n := &r.begun, len(r.batches)-1
	size := len(b) - c.at - c.room
	c.last = size
	if r.full(n, c.at, len(c.key)+size) { // it is longer than the one before
		r.batches[n] = b[:c.at]
		r.Add(c.key, b[c.at+c.room:], c.millis)
		return
	}
	room, body := r.head(n, size)
	if room > c.room {
		b = append(b, make([]byte, room-c.room)...)
	}
	if room != c.room {
		copy(b[c.at+room:], b[c.at+c.room:c.at+c.room+size])
		b = b[:c.at+room+size]
	}
	h := binary.AppendVarint(b[:c.at], int64(body))
	h = append(h, 0)
	h = binary.AppendVarint(h, c.millis-baseOf(b))
	h = binary.AppendVarint(h, int64(r.counts[n]))
	h = appendBytes(h, c.key)
	binary.AppendVarint(h, int64(size))
	r.batches[n] = append(b, 0) // no headers
	r.count(n, c.millis)
}

// head is how many bytes of a record in batch n stand before a value of that size, and what its length is.
func (r *Records) head(n, size int) (before, length int) {
	c := &r.begun
	before = 1 + varintLen(c.millis-baseOf(r.batches[n])) + varintLen(int64(r.counts[n])) + varintLen(int64(size))
	if c.key == nil {
		before++
	} else {
		before += varintLen(int64(len(c.key))) + len(c.key)
	}
	length = before + size + 1
	return before + varintLen(int64(length)), length
}

// varintLen is the length of a zigzag number.
func varintLen(v int64) int {
	return (bits.Len64(uint64(v<<1)^uint64(v>>63)|1) + 6) / 7
}

// bytesLen is what appendBytes appends.
func bytesLen(b []byte) int {
	if b == nil {
		return 1
	}
	return varintLen(int64(len(b))) + len(b)
}

func appendBytes(s, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(s, -1)
	}
	s = binary.AppendVarint(s, int64(len(b)))
	return append(s, b...)
}

// Reset empties r and keeps its memory. Nobody may still be sending it.
func (r *Records) Reset() {
	r.spare = append(r.spare, r.batches...)
	r.batches, r.counts = r.batches[:0], r.counts[:0]
}

// Len is the number of records.
func (r *Records) Len() int {
	n := 0
	for _, c := range r.counts {
		n += int(c)
	}
	return n
}

// Bytes is the encoded size.
func (r *Records) Bytes() int64 {
	var n int64
	for _, b := range r.batches {
		n += int64(len(b))
	}
	return n
}

// seal completes batch i for a producer and returns its bytes.
func (r *Records) seal(i int, id int64, epoch int16, sequence int32) []byte {
	b, be := r.batches[i], binary.BigEndian
	be.PutUint64(b[0:], 0)
	be.PutUint32(b[8:], uint32(len(b)-12))
	be.PutUint32(b[12:], ^uint32(0)) // leader epoch: unknown
	b[16] = 2
	be.PutUint16(b[offAttributes:], transactional)
	be.PutUint32(b[23:], uint32(r.counts[i]-1))
	be.PutUint64(b[offProducerID:], uint64(id))
	be.PutUint16(b[51:], uint16(epoch))
	be.PutUint32(b[offBaseSequence:], uint32(sequence))
	be.PutUint32(b[57:], uint32(r.counts[i]))
	be.PutUint32(b[offCRC:], crc32.Checksum(b[offAttributes:], castagnoli))
	return b
}
