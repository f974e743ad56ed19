package commitlog

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/internal/fault"
)

// journal makes small commits of a topic's partitions durable together: their frames go into their segments as ever, and once more, those of
// all partitions in one write, into one file that has its full length already; one fsync of that file, which changes no metadata, stands
// for one of each segment. Segments are synced behind, when half of the journal is full, and before anything else than appending
// happens to them. Each process has one for each topic that it writes (decision 0043).
//
//	        commits of partitions                     half 0                half 1
//	p0 ──┐                                   ┌───────────────────────┬──────────────────┐
//	p1 ──┼─▶ round: one write, one fsync ──▶ │ round │ round │ round │ round │ free …   │
//	p7 ──┘                                   └───────────────────────┴──────────────────┘
//	                                          segments synced behind   ▲ gen, seq, pos
//
// What is in the journal and not surely in its segment is written there again by whoever opens the topic after a crash of the machine (absorb).
type journal struct {
	dir    string // the topic's folder of journals
	opt    *Options
	after  int            // so many small commits bring the journal into being
	half   int64          // bytes of a half
	limit  int            // bytes of the largest commit that is written twice to save an fsync
	coming atomic.Int64   // commits under way that have not yet decided where they go
	bg     sync.WaitGroup // creating, and syncing segments of a half
	refs   int            // writers; guarded by the log's mu

	mu      sync.Mutex // guards all below, not held across writes and fsyncs
	cond    sync.Cond  // entries are done, or nobody leads
	members map[*member]bool
	small   int // small commits up to now
	skip    int // so many small commits sync their segments
	making  bool
	broken  bool // a write or fsync of the journal failed: it goes before anything else is acknowledged
	queue   []*entry
	leading bool
	file    *journalFile // nil: none now
}

// journalFile is the file, written by whoever leads.
type journalFile struct {
	path    string
	file    segmentFile
	halves  [2]halfState // guarded by the journal's mu, but for the leader, who alone changes them
	half    int          // that is written
	commits int          // in that half
	seq     uint64
	buf     []byte
	entries []*entry
}

// halfState is one half's rounds: all of one generation.
type halfState struct {
	gen    uint64
	end    int64         // byte of the file behind the last good round
	synced chan struct{} // closed when the attempt to sync its segments has ended; nil: there was none
	err    error         // of that attempt
}

// gather has the partitions whose records wait for their sync interval join the round that w is about to begin.
func (j *journal) gather(w *Writer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return
	}
	for m := range j.members {
		if m.w != w {
			m.w.hurry()
		}
	}
}

// member is a partition's writing end, as the journal knows it.
type member struct {
	j    *journal
	w    *Writer
	part uint32

	failures atomic.Int64 // syncs of file that failed: what was written before may never reach the disk, though later ones succeed

	mu   sync.Mutex // held across syncs of file, and while it is replaced
	file segmentFile
	base int64

	dirty   [2]bool // guarded by j.mu: bytes of this half are not surely in the segment
	suspect bool    // guarded by j.mu: they must be written again before the next sync
	void    int64   // guarded by j.mu: what the journal holds from this byte of the segment on was refused; -1: nothing was
	entry   entry
}

// entry is one commit's bytes in a round.
type entry struct {
	m         *member
	base, pos int64
	data      []byte
	failures  int64 // of the member before data was written
	done      bool
	err       error
}

const (
	// journalAfter is how many small commits of a topic bring its journal into being: jobs that end before, or commit much at a time, do without.
	journalAfter  = 32
	journalCommit = 64 << 10
	journalHalf   = 1 << 20
	syncsAtOnce   = 64
	// A half with fewer than worthCommits for each of its partitions is not worth its writes: skipCommits times as many do without a journal.
	worthCommits = 3
	skipCommits  = 50

	roundMagic = "MRR1"
	roundHead  = 40
	entryHead  = 24
)

func newJournal(dir string, opt *Options) *journal {
	j := &journal{dir: dir, opt: opt, after: cmp.Or(opt.journalAfter, journalAfter), half: cmp.Or(opt.journalHalf, journalHalf), members: map[*member]bool{}}
	j.limit = int(min(journalCommit, j.half/4))
	j.cond.L = &j.mu
	return j
}

// join makes a writer, which is open, a member.
func (j *journal) join(w *Writer) *member {
	m := &member{j: j, w: w, part: uint32(w.p.num), file: w.tail.file, base: w.tail.base, void: -1}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.members[m] = true
	return m
}

// commit makes data, which stands at pos of the member's segment, durable: by the journal if it may and there is one, by an fsync of the
// segment otherwise. data is nil for a commit that is too large. failures is how many syncs had failed before it was written;
// announced tells whether coming counts this commit.
func (m *member) commit(pos int64, data []byte, failures int64, announced *bool) error {
	j := m.j
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		for j.broken {
			if err := j.retire(); err != nil {
				return err
			}
		}
		if j.skip > 0 && data != nil {
			j.skip--
			data = nil
		}
		if data == nil || j.file == nil {
			if data != nil {
				j.count()
			}
			j.arrived(announced)
			j.mu.Unlock()
			err := m.sync()
			j.mu.Lock()
			if err == nil && m.failures.Load() != failures {
				err = errDropped
			}
			return err
		}
		m.entry = entry{m: m, base: m.base, pos: pos, data: data, failures: failures}
		if err := j.enter(&m.entry, announced); err != errRetired {
			j.giveUp()
			return err
		}
	}
}

// giveUp removes a journal that failed before anybody is told: what it may hold of a refused commit must not come back when we are killed, least of all over what
// another process has committed in its place by then. mu is held.
func (j *journal) giveUp() {
	for j.broken {
		if j.retire() != nil { // the next commit tries again
			return
		}
	}
}

// refuse is told that what the journal may have taken at byte pos and behind is refused after all.
func (m *member) refuse(pos int64) {
	j := m.j
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return
	}
	j.broken, m.void = true, pos
	j.giveUp()
}

var errDropped = errors.New("an fsync that ran beside failed, and the system may have dropped what was written")

// enter has an entry written with a round, and waits for that. errRetired: there is no journal any more. mu is held, but not while it waits.
func (j *journal) enter(e *entry, announced *bool) error {
	j.queue = append(j.queue, e)
	j.arrived(announced)
	for !e.done {
		if j.leading {
			j.cond.Wait()
			continue
		}
		j.leading = true
		j.lead()
		j.leading = false
		j.cond.Broadcast()
	}
	e.data = nil
	return e.err
}

// arrived takes a commit out of coming, if it is counted there.
func (j *journal) arrived(announced *bool) {
	if *announced {
		j.coming.Add(-1)
		*announced = false
	}
}

// count notes a small commit, and has the journal made when there were enough. mu is held.
func (j *journal) count() {
	if j.small++; j.small < j.after || j.making {
		return
	}
	j.making = true
	j.bg.Go(func() { // ends by itself; close waits for it
		f, err := createJournal(j.dir, j.half, j.opt)
		j.mu.Lock()
		defer j.mu.Unlock()
		j.making = false
		if err != nil { // all goes on as without one
			j.small = -1000 * j.after
			j.opt.Log.Info("no journal of small commits", "dir", j.dir, "error", err)
			return
		}
		j.file = f
	})
}

// lead writes a round of what is queued. mu is held, but not while it writes.
func (j *journal) lead() {
	// Commits that have begun a moment ago are worth waiting for, as long as they only need the processor.
	for i := range 64 {
		if len(j.members) == 1 || i > 1 && j.coming.Load() <= 0 {
			break
		}
		j.mu.Unlock()
		runtime.Gosched()
		j.mu.Lock()
	}
	f := j.file
	if f == nil || j.broken {
		for _, e := range j.queue {
			e.done, e.err = true, errRetired
		}
		j.queue = j.queue[:0]
		return
	}
	size, n := roundHead, 0
	for _, e := range j.queue {
		if size += e.size(); n > 0 && int64(size) > j.half {
			break
		}
		n++
	}
	f.entries = append(f.entries[:0], j.queue[:n]...)
	j.queue = append(j.queue[:0], j.queue[n:]...)
	j.mu.Unlock()
	wrote, err := j.write(f)
	j.mu.Lock()
	f.commits += len(f.entries)
	for _, e := range f.entries {
		e.done, e.err = true, err
		if err == nil {
			e.m.dirty[f.half] = true
			e.m.suspect = e.m.suspect || e.m.failures.Load() != e.failures
		}
	}
	j.broken = j.broken || wrote && err != nil
}

// errRetired: the journal failed, for another commit, before this one was in a round.
var errRetired = errors.New("the journal was given up")

// write makes the round of f.entries durable. wrote tells whether anything of a round that is not good may be in the file.
func (j *journal) write(f *journalFile) (wrote bool, err error) {
	gen, at := f.halves[f.half].gen, f.halves[f.half].end
	f.buf = appendRound(f.buf[:0], gen, f.seq, f.entries)
	if at+int64(len(f.buf)) > int64(f.half+1)*j.half {
		if err := j.turn(f); err != nil {
			return false, err
		}
		gen, at = f.halves[f.half].gen, f.halves[f.half].end
		f.buf = appendRound(f.buf[:0], gen, f.seq, f.entries)
	}
	if err := f.put(f.buf, at); err != nil {
		if !fault.Planted("P11-journal-refused") {
			_ = f.put(make([]byte, roundHead), at) // if no segment can be synced the file stays, but without this round
		}
		return true, err
	}
	fault.Crash("log-journal-after-fsync")
	j.mu.Lock()
	f.halves[f.half].end += int64(len(f.buf))
	j.mu.Unlock()
	f.seq++
	return false, nil
}

// put makes b durable at a byte of the file.
func (f *journalFile) put(b []byte, at int64) error {
	if _, err := f.file.WriteAt(b, at); err != nil {
		return fmt.Errorf("write %d bytes of journal %s: %w", len(b), f.path, err)
	}
	fault.Crash("log-journal-before-fsync")
	if fault.Planted("P11-journal-unsynced") {
		return nil
	}
	if err := f.file.Sync(); err != nil {
		return fmt.Errorf("fsync journal %s: %w", f.path, err)
	}
	return nil
}

// turn goes on to the other half, once all segments of its last rounds are synced, and has those of this one synced behind. An error
// says that they cannot be: then nothing of the other half may be overwritten.
func (j *journal) turn(f *journalFile) error {
	next := 1 - f.half
	if h := &f.halves[next]; h.synced != nil {
		<-h.synced
		if h.err != nil { // perhaps there is space by now
			if h.err = j.syncHalf(next); h.err != nil {
				return h.err
			}
		}
	}
	full, done := f.half, make(chan struct{})
	j.mu.Lock()
	f.halves[next] = halfState{gen: f.halves[full].gen + 1, end: int64(next) * j.half}
	if f.commits < worthCommits*len(j.dirty(full)) && j.opt.journalHalf == 0 { // it has saved hardly an fsync; tests have tiny halves
		j.skip = skipCommits * f.commits
	}
	f.half, f.seq, f.commits = next, 0, 0
	f.halves[full].synced = done
	j.mu.Unlock()
	h := &f.halves[full]
	j.bg.Go(func() { // ends by itself; close and the next turn wait for it
		defer close(done)
		h.err = j.syncHalf(full)
	})
	return nil
}

// syncHalf syncs the segments that have bytes in a half, which is not written meanwhile.
func (j *journal) syncHalf(half int) error {
	if fault.Planted("P11-journal-half") {
		return nil
	}
	j.mu.Lock()
	dirty := j.dirty(half)
	j.mu.Unlock()
	return each(dirty, func(m *member) error { return m.syncHalves(half) })
}

// dirty are the members with bytes in some of the halves that are not surely in their segments. mu is held.
func (j *journal) dirty(halves ...int) (dirty []*member) {
	for m := range j.members {
		if slices.ContainsFunc(halves, func(h int) bool { return m.dirty[h] }) {
			dirty = append(dirty, m)
		}
	}
	return dirty
}

// each calls f for members, some at once: the file system lets fsyncs share what it writes.
func each(members []*member, f func(*member) error) error {
	errs := make([]error, len(members))
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(len(members), syncsAtOnce) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(members); i = int(next.Add(1)) - 1 {
				errs[i] = f(members[i])
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// sync makes the whole segment durable.
func (m *member) sync() error { return m.syncHalves(0, 1) }

// syncHalves syncs the segment, after which what stands in these halves is surely in it.
func (m *member) syncHalves(halves ...int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file == nil {
		return nil
	}
	j := m.j
	j.mu.Lock()
	suspect := m.suspect
	m.suspect = false
	j.mu.Unlock()
	var err error
	if suspect {
		err = m.rewrite()
	}
	if err == nil {
		err = m.file.Sync()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		m.suspect = true
		m.failures.Add(1)
		return err
	}
	for _, h := range halves {
		m.dirty[h] = false
	}
	return nil
}

// rewrite writes again what the journal holds of the segment and is not surely in it. m.mu is held, so that halves that are dirty stay as they are.
func (m *member) rewrite() error {
	j := m.j
	j.mu.Lock()
	f, dirty, void := j.file, m.dirty, m.void
	if f == nil {
		j.mu.Unlock()
		return nil
	}
	order := [2]int{1 - f.half, f.half} // the older first
	ends := [2]int64{f.halves[0].end, f.halves[1].end}
	j.mu.Unlock()
	for _, half := range order {
		if !dirty[half] {
			continue
		}
		start := int64(half) * j.half
		raw := make([]byte, ends[half]-start)
		if err := readFull(f.file, raw, start); err != nil {
			return fmt.Errorf("journal %s: %w", f.path, err)
		}
		good, _ := rounds(raw)
		if len(good) < len(raw) {
			return fmt.Errorf("journal %s byte %d: %w", f.path, start+int64(len(good)), errRound)
		}
		err := eachEntry(good, func(part uint32, base, pos int64, data []byte) error {
			if part != m.part || base != m.base || void >= 0 && pos >= void {
				return nil
			}
			_, err := m.file.WriteAt(data, pos)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// moved tells that the tail has a new active segment. What was in the old one must be synced.
func (m *member) moved(file segmentFile, base int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.file, m.base = file, base
}

// leave syncs the segment if that is needed, closes it, and ends the membership. If it cannot be synced, it stays a member, for what the journal holds of
// it must not be overwritten.
func (m *member) leave() error {
	j := m.j
	j.mu.Lock()
	dirty := m.dirty[0] || m.dirty[1]
	j.mu.Unlock()
	if dirty {
		if err := m.sync(); err != nil {
			return err
		}
	}
	j.mu.Lock()
	delete(j.members, m)
	j.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.file.Close()
	m.file = nil
	return err
}

// retire removes a journal that cannot be trusted any more, when all that it holds is in the segments. mu is held, but not while it syncs.
func (j *journal) retire() error {
	f := j.file
	if f == nil {
		j.broken = false
		return nil
	}
	for j.leading {
		j.cond.Wait()
		if j.file != f || !j.broken {
			return nil
		}
	}
	j.leading = true
	defer func() { j.leading = false; j.cond.Broadcast() }()
	dirty := j.dirty(0, 1)
	j.mu.Unlock()
	err := each(dirty, (*member).sync)
	if err == nil {
		err = f.remove()
	}
	j.mu.Lock()
	if err != nil {
		return err
	}
	j.file, j.broken, j.small = nil, false, 0
	for m := range j.members {
		m.void = -1
	}
	return nil
}

// close is called when the last writer has left: the file is removed, unless it holds what a segment could not take.
func (j *journal) close() error {
	j.bg.Wait()
	var errs []error
	for m := range j.members { // nobody else is here
		errs = append(errs, m.leave())
	}
	f := j.file
	if f == nil {
		return errors.Join(errs...)
	}
	j.file = nil
	if len(j.members) > 0 {
		return errors.Join(append(errs, f.file.Close())...)
	}
	return errors.Join(append(errs, f.remove())...)
}

func (e *entry) size() int { return entryHead + len(e.data) + int(pad8(int64(len(e.data)))) }

// appendRound encodes a round behind dst, little-endian:
//
//	 0 magic  4  "MRR1"
//	 4 size   4  bytes behind the head
//	 8 sum    8  xxh3 of bytes 16 to the end
//	16 gen    8  of the half: one more than that of the other half before
//	24 seq    8  of the round in its half
//	32 count  4  entries
//	36        4  0
//	40 entries: partition u32 | bytes u32 | base of the segment i64 | byte in it i64 | bytes, padded with zeros to a multiple of 8
func appendRound(dst []byte, gen, seq uint64, entries []*entry) []byte {
	le, start := binary.LittleEndian, len(dst)
	dst = append(dst, make([]byte, roundHead)...)
	for _, e := range entries {
		dst = le.AppendUint32(dst, e.m.part)
		dst = le.AppendUint32(dst, uint32(len(e.data)))
		dst = le.AppendUint64(dst, uint64(e.base))
		dst = le.AppendUint64(dst, uint64(e.pos))
		dst = append(dst, e.data...)
		dst = append(dst, make([]byte, pad8(int64(len(e.data))))...)
	}
	b := dst[start:]
	copy(b, roundMagic)
	le.PutUint32(b[4:], uint32(len(b)-roundHead))
	le.PutUint64(b[16:], gen)
	le.PutUint64(b[24:], seq)
	le.PutUint32(b[32:], uint32(len(entries)))
	le.PutUint64(b[8:], roundSum(b))
	return dst
}
