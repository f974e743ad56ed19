package commitlog

import (
	"context"
	"errors"
	"os"
	"sync/atomic"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/records"
)

// deferFrom is how large frames have to be, on average, for a block of them to be deferred: looking at the header of each costs a call of the system. deferLeast is
// how much has to be waiting. It is a backlog that is read so, to its end; who follows a log closely finds small frames that were just written. deferBytes is about the size of a deferred block: half of what the
// processor's second cache holds for a core, since what is copied goes through it on both sides.
const (
	deferFrom  = 16 << 10
	deferLeast = 4 * deferFrom
	deferBytes = 512 << 10
)

// NextDeferred is Next, but a block may be deferred (records.Defer): of a backlog only the frames' headers have been read, and Load reads and checks the records.
// It reports what Next would have: a DamagedError, or the system's error, as told puts it.
func (r *Reader) NextDeferred(ctx context.Context, told func(error) error) (*records.Block, error) {
	return r.await(ctx, told)
}

// deferred is a run of frames in a segment.
type deferred struct {
	p     *partition
	told  func(error) error
	file  *sharedFile
	seg   int64
	pos   int64 // of the first frame
	bytes int64
	heads []head
}

// deferFrames is a deferred block of whole frames at the cursor, or nil where they are better read at once: there is little, frames are small, or there are
// gaps between offsets. What is wrong with a header is left to be found by reading.
func (r *Reader) deferFrames(limit int64, told func(error) error) *records.Block {
	if limit-r.pos < deferLeast || r.frame > r.next {
		return nil
	}
	if r.small > 0 {
		r.small--
		return nil
	}
	d := &deferred{p: r.p, told: told, file: r.file, seg: r.seg, pos: r.pos}
	var hb [headBytes]byte
	next, looked := r.frame, int64(0)
	for r.pos+d.bytes+headBytes <= limit {
		if readFull(r.file, hb[:], r.pos+d.bytes) != nil {
			break
		}
		h, err := parseHead(hb[:])
		if err != nil || h.base != next || h.count != h.span || r.pos+d.bytes+h.total() > limit {
			break
		}
		if looked = d.bytes + h.total(); d.bytes > deferBytes/4 && looked > deferBytes {
			break
		}
		d.heads, d.bytes, next = append(d.heads, h), d.bytes+h.total(), h.next()
		if len(d.heads) == deferBytes/deferFrom {
			break
		}
	}
	if looked < deferFrom*int64(max(len(d.heads), 1)) || next <= r.next {
		r.small = lookAgain
		return nil
	}
	r.file.users.Add(1)
	willNeed(r.file.File, d.pos, d.bytes)
	r.pos, r.frame = r.pos+d.bytes, next
	b := records.Defer(d.heads[0].base, next, d)
	if b.First < r.next {
		b = b.Slice(r.next, b.Next)
	}
	return b
}

// lookAgain is how many blocks are read at once behind frames that were found too small to be deferred.
const lookAgain = 8

// Load implements records.Deferred.
func (d *deferred) Load() (*records.Block, error) {
	b, err := d.load()
	if err != nil {
		return nil, d.told(err)
	}
	return b, nil
}

func (d *deferred) load() (*records.Block, error) {
	raw := records.New(int(max(d.bytes, blockBytes))) // one size, so that the memory of any serves the next
	raw.Data = raw.Data[:d.bytes]
	if err := readFull(d.file, raw.Data, d.pos); errors.Is(err, errShort) {
		return nil, d.p.damaged(d.heads[0].base, d.seg, d.pos, err)
	} else if err != nil {
		return nil, d.p.wrap(err)
	}
	bb, at := newBlock(raw, d.heads), int64(0)
	for i := range d.heads {
		h := &d.heads[i]
		now, err := parseHead(raw.Data[at:])
		switch {
		case err != nil:
		case now != *h:
			err = errors.New("the frame is not the one that was there when the reader came by")
		case xxh3.Hash(raw.Data[at+headBytes:at+h.total()]) != h.sum && !fault.Planted("P11-deferred"):
			err = errPayload
		default:
			err = bb.add(h, at)
		}
		if err != nil {
			return nil, d.p.damaged(h.base, d.seg, d.pos+at, err)
		}
		at += h.total()
	}
	return bb.block, nil
}

// Size implements records.Deferred.
func (d *deferred) Size() int64 {
	n := d.bytes
	for i := range d.heads {
		n += 16 * int64(d.heads[i].count)
	}
	return n
}

// Close implements records.Deferred.
func (d *deferred) Close() { _ = d.file.release() }

// sharedFile is a segment that a reader and deferred blocks read.
type sharedFile struct {
	*os.File
	users atomic.Int32
}

func share(f *os.File) *sharedFile {
	s := &sharedFile{File: f}
	s.users.Store(1)
	return s
}

// release closes the file behind its last user.
func (s *sharedFile) release() error {
	if s.users.Add(-1) > 0 {
		return nil
	}
	return s.File.Close()
}
