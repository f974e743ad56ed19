package commitlog

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/zeebo/xxh3"
	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/internal/fault"
)

const (
	journalDir    = "journal"
	journalSuffix = ".journal"
	halfMade      = ".new-"
	journalLock   = "lock" // in journalDir: held by the process that absorbs what others left
)

func roundSum(round []byte) uint64 { return xxh3.Hash(round[16:]) }

// createJournal makes a journal file of two halves of so many bytes, at full length, flocked as long as this process has it open. It has its name only when it is locked, so
// that nobody takes it for one that was left.
func createJournal(dir string, half int64, opt *Options) (*journalFile, error) {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) { // not its parents: the topic may have been removed
		return nil, err
	}
	name := rand.Text()
	tmp := filepath.Join(dir, halfMade+name)
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, name+journalSuffix)
	if err := errors.Join(flock(f, unix.LOCK_EX|unix.LOCK_NB), fillZeros(f, 2*half), f.Sync()); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(tmp))
	}
	if err := errors.Join(os.Rename(tmp, path), syncDir(dir), syncDir(filepath.Dir(dir))); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(tmp))
	}
	j := &journalFile{path: path, file: opt.wrapped(f)}
	j.halves[0] = halfState{gen: 1}
	return j, nil
}

// fillZeros writes n zeros: space that is only reserved has to be marked as written at each fsync.
func fillZeros(f *os.File, n int64) error {
	zeros := make([]byte, min(n, 128<<10))
	for at := int64(0); at < n; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(n-at, int64(len(zeros)))], at); err != nil {
			return err
		}
	}
	return nil
}

func (f *journalFile) remove() error {
	if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := syncDir(filepath.Dir(f.path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // it stays open for the next try
	}
	return f.file.Close()
}

// rounds are the bytes of a half's good rounds, and their generation: those from its start on that are whole, of one generation, and follow
// each other. What lies behind is older, torn or was never written.
func rounds(half []byte) (good []byte, gen uint64) {
	le, at := binary.LittleEndian, 0
	for seq := uint64(0); ; seq++ {
		b := half[at:]
		if len(b) < roundHead || string(b[:4]) != roundMagic {
			break
		}
		size := roundHead + int64(le.Uint32(b[4:]))
		if size > int64(len(b)) || le.Uint64(b[8:]) != roundSum(b[:size]) {
			break
		}
		if g := le.Uint64(b[16:]); seq == 0 {
			gen = g
		} else if g != gen {
			break
		}
		if le.Uint64(b[24:]) != seq {
			break
		}
		at += int(size)
	}
	return half[:at], gen
}

var errRound = errors.New("a round of the journal contradicts itself")

// eachEntry calls f with each entry of good rounds.
func eachEntry(good []byte, f func(part uint32, base, pos int64, data []byte) error) error {
	le := binary.LittleEndian
	for len(good) > 0 {
		size := roundHead + int(le.Uint32(good[4:]))
		b, n := good[roundHead:size], le.Uint32(good[32:])
		good = good[size:]
		for range n {
			if len(b) < entryHead {
				return errRound
			}
			part, length := le.Uint32(b), int64(le.Uint32(b[4:]))
			base, pos := int64(le.Uint64(b[8:])), int64(le.Uint64(b[16:]))
			b = b[entryHead:]
			if length+pad8(length) > int64(len(b)) || base < 0 || pos < 0 {
				return errRound
			}
			if err := f(part, base, pos, b[:length]); err != nil {
				return err
			}
			b = b[length+pad8(length):]
		}
		if len(b) > 0 {
			return errRound
		}
	}
	return nil
}

// absorb brings the journals that processes left in a topic's folder into its segments, and removes them. It must run before a partition is
// read or written: after a crash of the machine a segment may lack what the journal made durable.
func absorb(topicDir string, opt *Options) error {
	dir := filepath.Join(topicDir, journalDir)
	names, err := journalNames(dir)
	if err != nil || len(names) == 0 {
		return err
	}
	// A journal is held by the process that writes it, or by one that absorbs it: which of them is known only under the lock. One process at a time absorbs,
	// and others wait until it is done.
	lock, err := os.OpenFile(filepath.Join(dir, journalLock), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer unlockAll(lock)
	if err := flockPatiently(lock, unix.LOCK_SH, opt); err != nil {
		return err
	}
	left, err := leftJournals(dir, unix.LOCK_SH)
	unlockAll(left...)
	if err != nil || len(left) == 0 {
		return err
	}
	if err := flockPatiently(lock, unix.LOCK_EX, opt); err != nil {
		return err
	}
	if left, err = leftJournals(dir, unix.LOCK_EX); err != nil {
		return err
	}
	defer unlockAll(left...)
	removeHalfMade(dir)
	for _, f := range left {
		if err := absorbOne(topicDir, f, opt); err != nil {
			return fmt.Errorf("journal %s, which a process left: %w", f.Name(), err)
		}
		if err := os.Remove(f.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(dir)
}

func journalNames(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), journalSuffix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// leftJournals are the journals whose processes are gone, open and flocked. The lock is held.
func leftJournals(dir string, how int) (left []*os.File, err error) {
	names, err := journalNames(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = flock(f, how|unix.LOCK_NB)
			if errors.Is(err, unix.EWOULDBLOCK) { // it is in use
				f.Close()
				continue
			}
		}
		if err != nil {
			unlockAll(left...)
			return nil, err
		}
		left = append(left, f)
	}
	return left, nil
}

// removeHalfMade removes files of processes that died while they made a journal.
func removeHalfMade(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), halfMade) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if f, err := os.Open(path); err == nil {
			if flock(f, unix.LOCK_EX|unix.LOCK_NB) == nil {
				os.Remove(path) // it does no harm if it stays
			}
			f.Close()
		}
	}
}

// unlockAll closes files that nothing was written to. A process that is just being started may have them open for a moment longer, but not locked.
func unlockAll(files ...*os.File) {
	for _, f := range files {
		_ = flock(f, unix.LOCK_UN)
		f.Close()
	}
}

func flockPatiently(f *os.File, how int, opt *Options) error {
	err := flockWithin(f, how, takeoverWait, opt.Clock)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%s: another process has been at it for %v; end it", f.Name(), takeoverWait)
	}
	return err
}

// absorbed is what a journal has of one partition.
type absorbed struct {
	base, pos int64
	data      []byte
}

// readJournal is what a journal has, by partition, oldest first.
func readJournal(f *os.File) (map[uint32][]absorbed, error) {
	raw, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	type half struct {
		good []byte
		gen  uint64
	}
	var halves []half
	for _, b := range [][]byte{raw[:len(raw)/2], raw[len(raw)/2:]} {
		good, gen := rounds(b)
		halves = append(halves, half{good, gen})
	}
	slices.SortFunc(halves, func(a, b half) int { return cmp.Compare(a.gen, b.gen) })
	byPart := map[uint32][]absorbed{}
	for _, h := range halves {
		err := eachEntry(h.good, func(part uint32, base, pos int64, data []byte) error {
			byPart[part] = append(byPart[part], absorbed{base, pos, data})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return byPart, nil
}

// absorbInUse brings what journals in use have of a partition, ours or another process's, into its active segment. Whoever takes it over must not rely on an
// fsync of its own for what those before left to their journals: one that failed may have been told to them only. The lease is locked, so
// that what they have of the partition is what they acknowledged.
func absorbInUse(p *partition) error {
	if fault.Planted("P11-journal-in-use") {
		return nil
	}
	dir := filepath.Join(filepath.Dir(p.dir), journalDir)
	names, err := journalNames(dir)
	if err != nil {
		return err
	}
	var entries []absorbed
	for _, name := range names {
		f, err := os.Open(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		byPart, err := readJournal(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("journal %s: %w", f.Name(), err)
		}
		entries = append(entries, byPart[uint32(p.num)]...)
	}
	if len(entries) == 0 {
		return nil
	}
	_, err = absorbActive(p.dir, entries, &p.log.opt)
	return err
}

func absorbOne(topicDir string, f *os.File, opt *Options) error {
	byPart, err := readJournal(f)
	if err != nil {
		return err
	}
	for part, entries := range byPart {
		dir := filepath.Join(topicDir, strconv.Itoa(int(part)))
		bytes, err := absorbPartition(dir, entries, opt)
		if err != nil {
			return fmt.Errorf("partition %d: %w", part, err)
		}
		if bytes > 0 {
			opt.Log.Warn("commits brought from the journal into their segment after a crash", "dir", dir, "bytes", bytes)
		}
	}
	return nil
}

// absorbPartition writes entries into the partition's active segment, and syncs it; it returns how many bytes differed.
// What a living process writes is whole since that process opened it. Segments before the active one were synced before it began.
func absorbPartition(dir string, entries []absorbed, opt *Options) (int, error) {
	owner, err := os.OpenFile(filepath.Join(dir, ownerName), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // nobody ever wrote it, or the partition is gone
	}
	if err != nil {
		return 0, err
	}
	defer unlockAll(owner)
	if err := flockPatiently(owner, unix.LOCK_EX, opt); err != nil {
		return 0, err
	}
	if alive, err := writerAlive(dir); alive || err != nil {
		return 0, err
	}
	return absorbActive(dir, entries, opt)
}

func absorbActive(dir string, entries []absorbed, opt *Options) (int, error) {
	p := &partition{dir: dir}
	segs, err := p.segments()
	if err != nil || len(segs) == 0 {
		return 0, err
	}
	active := segs[len(segs)-1]
	f, err := os.OpenFile(segmentPath(dir, active), os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, errors.Join(err, f.Close())
	}
	file := opt.wrapped(f)
	wrote, err := absorbSegment(file, active, size, entries)
	return wrote, errors.Join(err, file.Close())
}

// absorbSegment writes entries into a segment of size bytes. It writes those too that are there already: an fsync may have failed, of ours or of the process
// that left them, and what was dropped then is not written by another one.
func absorbSegment(f segmentFile, active, size int64, entries []absorbed) (wrote int, err error) {
	for _, e := range entries {
		if e.base != active || fault.Planted("P11-journal-ignored") {
			continue
		}
		if e.pos > size { // the files are a copy that was not made at one moment: what is whole before is kept
			continue
		}
		is := make([]byte, len(e.data))
		if n, err := f.ReadAt(is, e.pos); err != nil && err != io.EOF {
			return wrote, err
		} else if !bytes.Equal(is[:n], e.data) {
			wrote += len(e.data)
		}
		if _, err := f.WriteAt(e.data, e.pos); err != nil {
			return wrote, err
		}
		size = max(size, e.pos+int64(len(e.data)))
	}
	return wrote, f.Sync()
}

// readable is partition p for who may only read: without the right to write, segments are taken as they are, and damage is reported where it is met.
func (t *Topic) readable(p int) (*partition, error) {
	part, err := t.log.partition(t.name, p)
	if err != nil {
		return nil, err
	}
	if err := absorb(filepath.Dir(part.dir), &t.log.opt); err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
		return nil, part.wrap(err)
	}
	return part, nil
}
