package channel

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"google.golang.org/protobuf/proto"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// past ends what waits at a connection.
var past = time.Unix(1, 0)

// frames are messages behind their length, over a socket.
type frames struct {
	conn    *net.UnixConn
	in, buf []byte
}

// until has what waits at the connection end with ctx; what it returns stops that.
func (f *frames) until(ctx context.Context) func() bool {
	if ctx.Done() == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() { _ = f.conn.SetDeadline(past) })
}

func (f *frames) write(m proto.Message) (err error) {
	f.buf = append(f.buf[:0], 0, 0, 0, 0)
	if f.buf, err = (proto.MarshalOptions{}).MarshalAppend(f.buf, m); err != nil {
		return err
	}
	n := len(f.buf) - 4
	if n > wire.MaxFrame {
		f.buf = nil
		return fmt.Errorf("a frame of %d bytes, where %d is the most: a row is too large", n, wire.MaxFrame)
	}
	binary.LittleEndian.PutUint32(f.buf, uint32(n))
	_, err = f.conn.Write(f.buf)
	if cap(f.buf) > keepBytes {
		f.buf = nil
	}
	return err
}

// keepBytes is how large a buffer may be that is kept for the next frame.
const keepBytes = 1 << 20

func (f *frames) read(m proto.Message) error {
	var head [4]byte
	if _, err := io.ReadFull(f.conn, head[:]); err != nil {
		return err
	}
	n := int(binary.LittleEndian.Uint32(head[:]))
	if n > wire.MaxFrame {
		return fmt.Errorf("a frame of %d bytes, where %d is the most", n, wire.MaxFrame)
	}
	if n > cap(f.in) {
		f.in = make([]byte, n)
	}
	b := f.in[:n]
	if cap(f.in) > keepBytes {
		f.in = nil
	}
	if _, err := io.ReadFull(f.conn, b); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return fmt.Errorf("a frame of %d bytes: %w", n, err)
	}
	return nil
}

// place puts record batches into room of a region, one behind the other, and those that it has no room for into the message. room nil: all of them.
func place(region []byte, room *wire.Place, recs []arrow.Record) []*wire.Part {
	parts := make([]*wire.Part, len(recs))
	at, end := uint64(0), uint64(0)
	if room != nil {
		at, end = room.Offset, room.Offset+room.Length
	}
	for i, rec := range recs {
		if rec == nil {
			parts[i] = absent
			continue
		}
		pieces := batch.Marshal(rec, nil)
		size := uint64(0)
		for _, p := range pieces {
			size += uint64(len(p))
		}
		if size > end-at {
			raw := make([]byte, 0, size)
			for _, p := range pieces {
				raw = append(raw, p...)
			}
			parts[i] = &wire.Part{Data: &wire.Part_Raw{Raw: raw}}
			continue
		}
		parts[i] = &wire.Part{Data: &wire.Part_Place{Place: &wire.Place{Offset: at, Length: size}}}
		for _, p := range pieces {
			at += uint64(copy(region[at:], p))
		}
		at = min((at+63)&^63, end)
	}
	return parts
}

// copied is a copy of what lies at a place, which must be within room: the other side may write there at any time.
func copied(region []byte, room, at *wire.Place) ([]byte, error) {
	if at.Offset < room.Offset || at.Length > room.Length || at.Offset-room.Offset > room.Length-at.Length {
		return nil, fmt.Errorf("a place at %d, %d bytes, outside of %d, %d bytes", at.Offset, at.Length, room.Offset, room.Length)
	}
	b := batch.Alloc(int(at.Length))
	copy(b, region[at.Offset:at.Offset+at.Length])
	return b, nil
}
