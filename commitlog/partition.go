package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// partition is what readers and the writer of a partition share in this process.
type partition struct {
	log   *Log
	topic string
	num   int
	dir   string

	mu    sync.Mutex // guards index and what is in it; held across reads of headers on a seek, never across a wait
	index map[int64]*segmentIndex
}

// Bounds are the offsets [Start, End) that can be read now.
type Bounds struct{ Start, End int64 }

const segmentSuffix = ".log"

func segmentPath(dir string, base int64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", base, segmentSuffix))
}

// segments are the bases of the partition's segments, ascending.
func (p *partition) segments() ([]int64, error) {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, p.wrap(ErrNoPartition)
		}
		return nil, p.wrap(err)
	}
	var bases []int64
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		if !ok || len(name) != 20 {
			continue
		}
		if base, err := strconv.ParseInt(name, 10, 64); err == nil {
			bases = append(bases, base)
		}
	}
	sort.Slice(bases, func(i, j int) bool { return bases[i] < bases[j] })
	return bases, nil
}

// durableEnd reads the durable end once.
func (p *partition) durableEnd() (durable, error) {
	f, err := openDurable(p.dir, false)
	if err != nil {
		return durable{}, p.wrap(err)
	}
	d, err := f.read()
	if err := errors.Join(err, f.close()); err != nil {
		return durable{}, p.damagedEnd(err)
	}
	return d, nil
}

func (p *partition) damagedEnd(err error) error {
	if errors.Is(err, errNoDurable) {
		return p.wrap(fmt.Errorf("%w: %w; open a writer to find the end again: millrace log produce %s --topic %s </dev/null", ErrDamaged, err, p.log.dir, p.topic))
	}
	return p.wrap(err)
}

func (p *partition) bounds() (Bounds, error) {
	segs, err := p.segments() // before the end, so that Start <= End
	if err != nil {
		return Bounds{}, err
	}
	d, err := p.durableEnd()
	if err != nil {
		return Bounds{}, err
	}
	if len(segs) == 0 {
		return Bounds{}, p.wrap(fmt.Errorf("%w: no segment in %s", ErrDamaged, p.dir))
	}
	return Bounds{Start: segs[0], End: d.end}, nil
}

func (p *partition) wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("topic %s partition %d: %w; free some space on that disk and start again: what was acknowledged is not lost", p.topic, p.num, err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("topic %s partition %d: %w; make the log's folder writable for this user, or use another log", p.topic, p.num, err)
	}
	return fmt.Errorf("topic %s partition %d: %w", p.topic, p.num, err)
}

func (p *partition) damaged(offset, base, pos int64, reason error) error {
	return &DamagedError{Topic: p.topic, Partition: p.num, Offset: offset, File: segmentPath(p.dir, base), Pos: pos, Reason: reason.Error()}
}

// Bounds are the offsets of partition p that can be read now.
func (t *Topic) Bounds(p int) (Bounds, error) {
	part, err := t.log.partition(t.name, p)
	if err != nil {
		return Bounds{}, err
	}
	return part.bounds()
}
