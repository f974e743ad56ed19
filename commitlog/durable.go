package commitlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/zeebo/xxh3"
)

// durable is what readers of any process may see of a partition (P11): everything before end, which is byte pos of segment seg.
type durable struct {
	seq  uint64 // of the publication; the slot with the higher one counts
	end  int64  // offset behind the last durable record
	seg  int64  // base of the segment that holds, or will hold, offset end
	pos  int64  // byte in that segment
	mark int64  // byte in that segment of the last frame with a marker, -1: none in this segment
}

const (
	durableName  = "durable"
	slotMagic    = "MRD1"
	slotBytes    = 56
	slotDistance = 512 // slots lie in sectors of their own: a torn write harms one
)

func (d *durable) encode() []byte {
	b := make([]byte, slotBytes)
	le := binary.LittleEndian
	copy(b, slotMagic)
	for i, v := range [...]int64{int64(d.seq), d.end, d.seg, d.pos, d.mark} {
		le.PutUint64(b[8+8*i:], uint64(v))
	}
	le.PutUint64(b[48:], xxh3.Hash(b[:48]))
	return b
}

func decodeSlot(b []byte) (d durable, ok bool) {
	le := binary.LittleEndian
	if len(b) < slotBytes || string(b[:4]) != slotMagic || le.Uint64(b[48:]) != xxh3.Hash(b[:48]) {
		return d, false
	}
	d = durable{seq: le.Uint64(b[8:]), end: int64(le.Uint64(b[16:])), seg: int64(le.Uint64(b[24:])),
		pos: int64(le.Uint64(b[32:])), mark: int64(le.Uint64(b[40:]))}
	return d, d.end >= 0 && d.seg >= 0 && d.seg <= d.end && d.pos >= 0 && d.mark < max(d.pos, 1)
}

// durableFile is the file of two slots, which are written in turn, so that one is whole at any moment.
type durableFile struct {
	file segmentFile
	name string
	last durable // as published by us
}

func openDurable(dir string, write bool) (*durableFile, error) {
	flags := os.O_RDONLY
	if write {
		flags = os.O_RDWR | os.O_CREATE
	}
	f, err := os.OpenFile(filepath.Join(dir, durableName), flags, 0o644)
	if err != nil {
		return nil, err
	}
	return &durableFile{file: diskFile{f}, name: f.Name()}, nil
}

// errNoDurable: neither slot is whole.
var errNoDurable = errors.New("neither slot of the durable end matches its checksum")

// read is the durable end as of now.
func (f *durableFile) read() (durable, error) {
	var buf [slotDistance + slotBytes]byte
	for range 100 { // a slot that is being written looks torn; two at once hardly ever
		n, err := f.file.ReadAt(buf[:], 0)
		if n == 0 && err != nil {
			return durable{}, fmt.Errorf("%s: %w", f.name, errNoDurable)
		}
		b := buf[:n]
		d, ok := decodeSlot(b)
		if len(b) > slotDistance {
			if e, ok2 := decodeSlot(b[slotDistance:]); ok2 && (!ok || e.seq > d.seq) {
				d, ok = e, true
			}
		}
		if ok {
			return d, nil
		}
	}
	return durable{}, fmt.Errorf("%s: %w", f.name, errNoDurable)
}

// publish shows d to readers. What it covers must be on disk.
func (f *durableFile) publish(d durable) error {
	d.seq = f.last.seq + 1
	if _, err := f.file.WriteAt(d.encode(), int64(d.seq&1)*slotDistance); err != nil {
		return err
	}
	f.last = d
	return nil
}

func (f *durableFile) sync() error  { return f.file.Sync() }
func (f *durableFile) close() error { return f.file.Close() }
