package kafkatx

import (
	"encoding/binary"
	"hash/crc32"
)

// MaxBatchBytes is where a record batch is closed and the next one begun; Kafka's default limit for one is 1 MiB.
const MaxBatchBytes = 900 << 10

const (
	headerBytes     = 61     // a version 2 record batch before its records
	transactional   = 1 << 4 // attribute bit
	offCRC          = 17
	offAttributes   = 21
	offProducerID   = 43
	offBaseSequence = 53
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Records are the encoded record batches (magic 2) of one partition. The zero value is empty. Producer, epoch and sequence are filled
// in when they are sent.
type Records struct {
	batches [][]byte
	counts  []int32
	scratch []byte
}

// Add appends a record with a timestamp in ms; a nil key or value is null.
func (r *Records) Add(key, val []byte, millis int64) {
	n := len(r.batches)
	if n == 0 || len(r.batches[n-1])+len(key)+len(val)+40 > MaxBatchBytes && r.counts[n-1] > 0 {
		b := make([]byte, headerBytes, headerBytes+4096)
		binary.BigEndian.PutUint64(b[27:], uint64(millis))
		r.batches, r.counts, n = append(r.batches, b), append(r.counts, 0), n+1
	}
	b := r.batches[n-1]
	base := int64(binary.BigEndian.Uint64(b[27:]))
	s := append(r.scratch[:0], 0)
	s = binary.AppendVarint(s, millis-base)
	s = binary.AppendVarint(s, int64(r.counts[n-1]))
	s = appendBytes(s, key)
	s = appendBytes(s, val)
	s = append(s, 0) // no headers
	r.scratch = s
	b = binary.AppendVarint(b, int64(len(s)))
	r.batches[n-1] = append(b, s...)
	r.counts[n-1]++
	if millis > int64(binary.BigEndian.Uint64(b[35:])) {
		binary.BigEndian.PutUint64(r.batches[n-1][35:], uint64(millis))
	}
}

func appendBytes(s, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(s, -1)
	}
	s = binary.AppendVarint(s, int64(len(b)))
	return append(s, b...)
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
