package transport

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// Limits of a frame's payload, in bytes. A longer frame ends the connection: it is not one of ours.
const (
	MaxHello = 4 << 10
	MaxFrame = 1 << 30
)

// chunk is how much memory a frame's length alone may claim; more is taken as its bytes arrive.
const chunk = 4 << 20

// headerBytes is a frame's head: payload length (4 bytes, little-endian) and type.
const headerBytes = 5

// readFrame reads one frame of at most limit payload bytes. The payload is the caller's to keep, and aligned to 8 bytes.
func readFrame(r io.Reader, limit int) (kind byte, payload []byte, err error) {
	var head [headerBytes]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	if n > int64(limit) {
		return 0, nil, fmt.Errorf("frame of type %d announces %d bytes, the limit is %d", head[4], n, limit)
	}
	payload = make([]byte, min(n, chunk))
	for read := int64(0); read < n; {
		if read == int64(len(payload)) {
			grown := make([]byte, min(n, 2*read))
			copy(grown, payload)
			payload = grown
		}
		if _, err := io.ReadFull(r, payload[read:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, nil, err
		}
		read = int64(len(payload))
	}
	return head[4], payload, nil
}

// Frame is a frame that is to be written: the parts together are its payload.
type Frame struct {
	Kind  byte
	Parts [][]byte
}

// writeFrame writes the parts as one frame's payload with one vectored write.
func writeFrame(w io.Writer, limit int, kind byte, parts ...[]byte) error {
	return writeFrames(w, limit, Frame{kind, parts})
}

// writeFrames writes frames with one vectored write, all or, if one is too long, none.
func writeFrames(w io.Writer, limit int, frames ...Frame) error {
	heads := make([]byte, 0, headerBytes*len(frames))
	parts := len(frames)
	for _, f := range frames {
		parts += len(f.Parts)
	}
	bufs := make(net.Buffers, 0, parts)
	for _, f := range frames {
		n := 0
		for _, p := range f.Parts {
			n += len(p)
		}
		if n > limit {
			return fmt.Errorf("frame of type %d has %d bytes, the limit is %d", f.Kind, n, limit)
		}
		at := len(heads)
		heads = append(binary.LittleEndian.AppendUint32(heads, uint32(n)), f.Kind)
		bufs = append(bufs, heads[at:])
		for _, p := range f.Parts {
			if len(p) > 0 {
				bufs = append(bufs, p)
			}
		}
	}
	_, err := bufs.WriteTo(w)
	return err
}
