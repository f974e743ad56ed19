package sink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/fxamacker/cbor/v2"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/assert"
)

// A staging journal is what a file lane has staged and not yet rolled into a file. Frames are only ever appended:
//
//	data 5 · data 5 · publish 5 · data 6 · data 6 (another attempt) · publish 6 · …
//
// A batch counts as published when its publish frame is durable; that frame holds the marker and how many data frames it
// stands for, and a reader stops at the first frame that is damaged, so a marker is never read without its rows (P7). When everything
// published was rolled, the file is cut to nothing and used again under a higher generation.
//
// Frame, little-endian: magic 4, kind 1, flags 1, attempt 2, generation 8, batch 8, rows 4, length 4, xxh3 of all the rest 8, payload.
const (
	frameHead  = 40
	frameMagic = 0x314a524d // "MRJ1"
	maxPayload = 1 << 30

	kindData    = 1
	kindPublish = 2

	flagFirst = 1 // the first data frame of an attempt: it replaces what was staged for the batch before
)

// frame is the head of a frame and where its payload is.
type frame struct {
	kind, flags byte
	attempt     uint16
	gen         uint64
	batch       int64
	rows        uint32
	at          extent
}

// extent is a byte range of a journal.
type extent struct{ off, len int64 }

// publishBody is the payload of a publish frame.
type publishBody struct {
	Marker Marker `cbor:"1,keyasint"`
	Frames int    `cbor:"2,keyasint"`
	Rows   int64  `cbor:"3,keyasint"`
}

// stagedBatch is a batch in a journal.
type stagedBatch struct {
	number  int64
	rows    int64
	extents []extent
	marker  Marker // once it is published
}

// bytes is the staged size.
func (b *stagedBatch) bytes() (n int64) {
	for _, e := range b.extents {
		n += e.len
	}
	return n
}

// journal is one staging file that is being written.
type journal struct {
	f   *os.File
	gen uint64
	end int64 // next frame goes here
	buf []byte
}

// createJournal makes an empty journal. The caller makes its name durable.
func createJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	return &journal{f: f}, nil
}

// restart empties the journal. What it held is rolled, or was never published.
func (j *journal) restart(gen uint64) error {
	assert.True(gen > j.gen, "journal generation %d after %d", gen, j.gen)
	if err := j.f.Truncate(0); err != nil {
		return err
	}
	j.gen, j.end = gen, 0
	return nil
}

// append writes one frame behind the others; it is not durable yet.
func (j *journal) append(f frame, payload []byte) (extent, error) {
	if len(payload) > maxPayload {
		return extent{}, fmt.Errorf("batch %d: %d rows take %d bytes, over the limit of %d for one piece", f.batch, f.rows, len(payload), maxPayload)
	}
	f.gen = j.gen
	j.buf = append(appendHead(j.buf[:0], f, len(payload)), payload...)
	binary.LittleEndian.PutUint64(j.buf[32:], frameSum(j.buf))
	if _, err := j.f.WriteAt(j.buf, j.end); err != nil {
		return extent{}, err
	}
	at := extent{j.end + frameHead, int64(len(payload))}
	j.end += int64(len(j.buf))
	if cap(j.buf) > 8<<20 {
		j.buf = nil
	}
	return at, nil
}

// cut forgets everything from off on; it frees the disk's space after a write that did not fit.
func (j *journal) cut(off int64) {
	j.end = off
	_ = j.f.Truncate(off) // frames beyond end are overwritten in any case
}

// errSync marks a failed fdatasync: nobody knows what is on the disk.
var errSync = errors.New("fdatasync")

// publish appends the frame that makes b published, and makes it durable. After an error other than errSync it is not published.
func (j *journal) publish(b *stagedBatch) error {
	body, err := cbor.Marshal(publishBody{b.marker, len(b.extents), b.rows})
	if err != nil {
		return err
	}
	start := j.end
	if _, err := j.append(frame{kind: kindPublish, batch: b.number}, body); err != nil {
		j.cut(start)
		return err
	}
	if err := datasync(j.f); err != nil {
		return fmt.Errorf("%w: %w", errSync, err)
	}
	return nil
}

func (j *journal) close() error { return j.f.Close() }

func appendHead(dst []byte, f frame, length int) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, frameMagic)
	dst = append(dst, f.kind, f.flags)
	dst = binary.LittleEndian.AppendUint16(dst, f.attempt)
	dst = binary.LittleEndian.AppendUint64(dst, f.gen)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(f.batch))
	dst = binary.LittleEndian.AppendUint32(dst, f.rows)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(length))
	return binary.LittleEndian.AppendUint64(dst, 0)
}

// frameSum is the checksum of a whole frame, taken as if the checksum's own place held zeros.
func frameSum(b []byte) uint64 {
	h := xxh3.New()
	h.Write(b[:32])
	h.Write(b[frameHead:])
	return h.Sum64()
}

// readFrame reads the frame at off; ok is false where there is no whole and undamaged one.
func readFrame(r io.ReaderAt, off, size int64, buf []byte) (f frame, payload, grown []byte, ok bool) {
	if size-off < frameHead {
		return f, nil, buf, false
	}
	buf = slices.Grow(buf[:0], frameHead)[:frameHead]
	if _, err := r.ReadAt(buf, off); err != nil {
		return f, nil, buf, false
	}
	length := int64(binary.LittleEndian.Uint32(buf[28:]))
	if binary.LittleEndian.Uint32(buf) != frameMagic || length > maxPayload || size-off-frameHead < length {
		return f, nil, buf, false
	}
	buf = slices.Grow(buf, int(length))[:frameHead+length]
	if _, err := r.ReadAt(buf[frameHead:], off+frameHead); err != nil {
		return f, nil, buf, false
	}
	if binary.LittleEndian.Uint64(buf[32:]) != frameSum(buf) {
		return f, nil, buf, false
	}
	f = frame{
		kind:    buf[4],
		flags:   buf[5],
		attempt: binary.LittleEndian.Uint16(buf[6:]),
		gen:     binary.LittleEndian.Uint64(buf[8:]),
		batch:   int64(binary.LittleEndian.Uint64(buf[16:])),
		rows:    binary.LittleEndian.Uint32(buf[24:]),
		at:      extent{off + frameHead, length},
	}
	return f, buf[frameHead:], buf, true
}

// scanned is what a journal holds.
type scanned struct {
	gen       uint64
	published []*stagedBatch // ascending
	torn      int64          // bytes behind the last whole frame
}

// scanJournal reads the published batches of a journal of size bytes. It stops at the first frame that is torn, damaged or
// of another generation: nothing behind it was made durable by a publish that returned.
func scanJournal(r io.ReaderAt, size int64) scanned {
	var s scanned
	staged := map[int64]*stagedBatch{} // looked up by number only
	var buf, payload []byte
	off := int64(0)
	for off < size {
		var f frame
		var ok bool
		f, payload, buf, ok = readFrame(r, off, size, buf)
		if !ok || off > 0 && f.gen != s.gen {
			break
		}
		s.gen = f.gen
		switch f.kind {
		case kindData:
			if f.flags&flagFirst != 0 || staged[f.batch] == nil {
				staged[f.batch] = &stagedBatch{number: f.batch}
			}
			b := staged[f.batch]
			b.rows += int64(f.rows)
			b.extents = append(b.extents, f.at)
		case kindPublish:
			b, ok := acceptPublish(staged[f.batch], payload)
			if !ok {
				s.torn = size - off
				return s
			}
			s.published = append(s.published, b)
			delete(staged, f.batch)
		}
		off = f.at.off + f.at.len
	}
	s.torn = size - off
	return s
}

// acceptPublish checks a publish frame against the rows before it.
func acceptPublish(b *stagedBatch, payload []byte) (*stagedBatch, bool) {
	var body publishBody
	if err := cbor.NewDecoder(bytes.NewReader(payload)).Decode(&body); err != nil || b == nil {
		return nil, false
	}
	if body.Marker.Batch != b.number || body.Frames != len(b.extents) || body.Rows != b.rows {
		return nil, false
	}
	b.marker = body.Marker
	return b, true
}
