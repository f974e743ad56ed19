package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/fault"
)

// A frame is magic, length, checksum and payload, all little-endian:
//
//	0        4        8                16
//	| "MRB1" | length | xxh3 (seeded)  | payload, canonical CBOR of an entry |
//
// The checksum's seed is the segment's number and the frame's offset: a frame is valid in its own place only, so that bytes
// that look like a frame, inside a payload or left over from another segment, are never taken for one.
const (
	frameMagic    = 0x3142524d
	frameOverhead = 16
	maxPayload    = 64 << 20
)

var (
	encoding = must(cbor.CoreDetEncOptions().EncMode())
	decoding = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   16,
		MaxArrayElements:  1 << 22,
		MaxMapPairs:       1 << 20,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		UTF8:              cbor.UTF8DecodeInvalid, // a file's path need not be UTF-8
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// place is where a frame lies.
type place struct {
	segment int64
	off     int64
}

func (p place) seed() uint64 { return uint64(p.segment)<<40 ^ uint64(p.off) }

// appendFrame appends the frame of payload at p to dst.
func appendFrame(dst []byte, p place, payload []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, frameMagic)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	dst = binary.LittleEndian.AppendUint64(dst, xxh3.HashSeed(payload, p.seed()))
	return append(dst, payload...)
}

// encodeFrame is the frame of e at p.
func encodeFrame(e *entry, p place) ([]byte, error) {
	payload, err := encoding.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode batch log entry: %w", err)
	}
	if len(payload) > maxPayload {
		return nil, fmt.Errorf("batch log entry has %d bytes, the limit is %d", len(payload), maxPayload)
	}
	return appendFrame(make([]byte, 0, frameOverhead+len(payload)), p, payload), nil
}

// payloadAt is the payload of the frame at p in data, which begins at the segment's first byte; ok is false if there is no valid frame.
func payloadAt(data []byte, p place) (payload []byte, ok bool) {
	if p.off < 0 || p.off > int64(len(data))-frameOverhead {
		return nil, false
	}
	head := data[p.off:]
	n := int64(binary.LittleEndian.Uint32(head[4:]))
	if binary.LittleEndian.Uint32(head) != frameMagic || n == 0 || n > maxPayload || n > int64(len(head))-frameOverhead {
		return nil, false
	}
	payload = head[frameOverhead : frameOverhead+n]
	return payload, binary.LittleEndian.Uint64(head[8:]) == xxh3.HashSeed(payload, p.seed())
}

// decodeEntry is the entry in a payload whose checksum was right.
func decodeEntry(payload []byte) (*entry, error) {
	e := &entry{}
	if err := decoding.Unmarshal(payload, e); err != nil {
		return nil, err
	}
	return e, nil
}

// scanned is what a segment's bytes hold.
type scanned struct {
	frames []frame
	end    int64 // behind the last valid frame
	torn   int64 // bytes behind end that are not zero padding
}

type frame struct {
	place
	entry *entry
}

var errNoHeader = errors.New("no segment header")

// scanSegment reads the frames in data, the bytes of segment number up to where they count. What follows the last valid
// frame is a torn tail if no valid frame comes after it, and damage otherwise: every frame was durable before the next was
// written. Damage is an *damage with the offset.
func scanSegment(number int64, data []byte) (scanned, error) {
	var s scanned
	for {
		p := place{number, s.end}
		payload, ok := payloadAt(data, p)
		if !ok {
			break
		}
		e, err := decodeEntry(payload)
		if err != nil {
			return s, &damage{off: s.end, what: fmt.Sprintf("entry cannot be decoded: %v", err)}
		}
		if (e.Header != nil) != (s.end == 0) {
			return s, &damage{off: s.end, what: errNoHeader.Error()}
		}
		s.frames = append(s.frames, frame{p, e})
		s.end += frameOverhead + int64(len(payload))
	}
	if s.end == 0 {
		return s, &damage{off: 0, what: errNoHeader.Error()}
	}
	if later, ok := frameAfter(number, data, s.end); ok && !fault.Planted("P3-torn") {
		return s, &damage{off: s.end, what: fmt.Sprintf("no valid frame, though one follows at byte %d", later)}
	}
	s.torn = int64(len(data)) - s.end - zeros(data[s.end:])
	return s, nil
}

// frameAfter looks for a valid frame that starts behind off.
func frameAfter(number int64, data []byte, off int64) (int64, bool) {
	magic := binary.LittleEndian.AppendUint32(nil, frameMagic)
	for off++; off < int64(len(data)); off++ {
		i := bytes.Index(data[off:], magic)
		if i < 0 {
			return 0, false
		}
		off += int64(i)
		if _, ok := payloadAt(data, place{number, off}); ok {
			return off, true
		}
	}
	return 0, false
}

// entryAt reads the entry at p from a segment's file; head are the first bytes of its frame.
func entryAt(r io.ReaderAt, p place, head []byte) (*entry, error) {
	n := binary.LittleEndian.Uint32(head[4:])
	if binary.LittleEndian.Uint32(head) != frameMagic || n == 0 || n > maxPayload {
		return nil, errors.New("no frame")
	}
	payload := make([]byte, n)
	if _, err := r.ReadAt(payload, p.off+frameOverhead); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint64(head[8:]) != xxh3.HashSeed(payload, p.seed()) {
		return nil, errors.New("checksum does not match")
	}
	return decodeEntry(payload)
}
