package commitlog

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Info describes a partition as it is now.
type Info struct {
	Bounds
	Segments  int
	Bytes     int64 // of all segments
	Unshown   int64 // bytes behind the durable end: a commit that is being written, or a torn tail that the next writer will cut
	Marker    []byte
	WriterPID int   // of the process that writes it, 0: none
	Began     int64 // when the oldest record that is left was written, µs; 0: there is none
}

// Describe describes partition p.
func (t *Topic) Describe(p int) (Info, error) {
	part, err := t.readable(p)
	if err != nil {
		return Info{}, err
	}
	b, err := part.bounds()
	if err != nil {
		return Info{}, err
	}
	d, err := part.durableEnd()
	if err != nil {
		return Info{}, err
	}
	segs, err := part.segments()
	if err != nil {
		return Info{}, err
	}
	in := Info{Bounds: b, Segments: len(segs), Began: segmentBegan(part, segs[0])}
	for _, seg := range segs {
		size, err := fileSize(part, seg)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Info{}, err
		}
		in.Bytes += size
		if seg == d.seg {
			in.Unshown = size - d.pos
		}
	}
	if in.Marker, err = part.lastMarker(d); err != nil {
		return Info{}, err
	}
	in.WriterPID, err = part.writerPID()
	return in, part.wrap(err)
}

// lastMarker is the last marker as a process that does not write sees it.
func (p *partition) lastMarker(d durable) ([]byte, error) {
	if d.mark < 0 {
		m, err := readMarker(p.dir)
		return m, p.wrap(err)
	}
	f, err := os.Open(segmentPath(p.dir, d.seg))
	if err != nil {
		return nil, p.wrap(err)
	}
	defer f.Close()
	t := tail{p: p, file: diskFile{f}, base: d.seg, pos: d.pos, mark: d.mark}
	m, err := t.marker()
	return m, p.wrap(err)
}

// writerPID is the process that holds the partition. It looks under the owner lock, so that a writer that is being opened does not trip over us.
func (p *partition) writerPID() (int, error) {
	owner, err := os.Open(filepath.Join(p.dir, ownerName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer unlockAll(owner)
	if err := flock(owner, unix.LOCK_EX); err != nil {
		return 0, err
	}
	rec := readOwner(owner)
	if alive, _ := writerAlive(p.dir); alive { // who may not look sees none
		return rec.PID, nil
	}
	return 0, nil
}
