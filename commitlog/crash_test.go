package commitlog

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// volatileDisk is a disk whose machine loses power: what was not synced is there, or not, or in part. It can also fail to sync, and then forgets
// what was to be written, as Linux does.
type volatileDisk struct {
	mu      sync.Mutex
	rng     *rand.Rand
	files   []*inode
	dead    bool
	failing func(path string) bool // nil: no sync fails
}

// inode is a file of it: synced is what the disk surely has, and loose what was written since.
type inode struct {
	kept   segmentFile // as it was opened first, and never closed, so that no other file has its number
	path   string
	synced []byte
	loose  []looseWrite
	errs   int // syncs that failed: each of those that have it open is told once
}

// volatileFile is an inode that was opened.
type volatileFile struct {
	segmentFile
	d *volatileDisk
	*inode
	told int
}

// looseWrite is a write, or with nil data a truncation to pos.
type looseWrite struct {
	pos  int64
	data []byte
}

const testHalf = 8 << 10

var errPower = errors.New("the power is gone")

func (d *volatileDisk) wrap(f segmentFile) segmentFile {
	d.mu.Lock()
	defer d.mu.Unlock()
	path, info := f.(diskFile).Name(), statOf(f)
	for _, i := range d.files {
		if os.SameFile(statOf(i.kept), info) {
			return &volatileFile{segmentFile: f, d: d, inode: i, told: i.errs}
		}
	}
	i := &inode{path: path}
	kept, err := os.Open(path)
	if err != nil { // a journal that has its name by now
		if kept, err = os.Open(i.named()); err != nil {
			panic(err)
		}
	}
	i.kept = diskFile{kept}
	if i.synced, err = io.ReadAll(kept); err != nil {
		panic(err)
	}
	d.files = append(d.files, i)
	return &volatileFile{segmentFile: f, d: d, inode: i, told: i.errs}
}

func statOf(f segmentFile) os.FileInfo {
	info, err := f.(diskFile).Stat()
	if err != nil {
		panic(err)
	}
	return info
}

// gone tells whether the file was removed, or another has taken its name.
func (i *inode) gone() bool { return statOf(i.kept).Sys().(*syscall.Stat_t).Nlink == 0 }

func (w looseWrite) apply(b []byte) []byte {
	if w.data == nil {
		return b[:min(int64(len(b)), w.pos)]
	}
	if n := w.pos + int64(len(w.data)); n > int64(len(b)) {
		b = append(b, make([]byte, n-int64(len(b)))...)
	}
	copy(b[w.pos:], w.data)
	return b
}

func (f *volatileFile) WriteAt(b []byte, pos int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.dead {
		return 0, errPower
	}
	f.loose = append(f.loose, looseWrite{pos, append([]byte{}, b...)})
	return f.segmentFile.WriteAt(b, pos)
}

func (f *volatileFile) Truncate(n int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.dead {
		return errPower
	}
	f.loose = append(f.loose, looseWrite{pos: n})
	return f.segmentFile.Truncate(n)
}

func (f *volatileFile) Sync() error {
	time.Sleep(time.Duration(f.d.int(300)) * time.Microsecond)
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.dead {
		return errPower
	}
	if f.d.failing != nil && f.d.failing(f.path) {
		f.loose = nil
		f.errs++
	} else {
		for _, w := range f.loose {
			f.synced = w.apply(f.synced)
		}
		f.loose = nil
	}
	if f.told < f.errs {
		f.told = f.errs
		return errors.New("the disk is ill")
	}
	return nil
}

func (d *volatileDisk) int(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

// left is what the disk has of f after the power is gone: any of the loose writes, each up to any sector.
func (d *volatileDisk) left(f *inode) []byte {
	b := append([]byte(nil), f.synced...)
	for _, w := range f.loose {
		switch d.rng.IntN(3) {
		case 0:
			b = w.apply(b)
		case 1:
			if cut := d.rng.IntN(len(w.data)/512 + 1); cut > 0 {
				b = looseWrite{w.pos, w.data[:cut*512]}.apply(b)
			}
		}
	}
	return b
}

// named is the path that f has by now.
func (f *inode) named() string {
	if strings.Contains(f.path, halfMade) {
		return strings.Replace(f.path, halfMade, "", 1) + journalSuffix
	}
	return f.path
}

// said is what is known of a partition's records when the power goes.
type said struct{ acked, asked int64 }

// run commits to all partitions at once for a while, turns the power off, and leaves in the topic's folder what the disk has then: durable ends
// as they were last, or at first.
func (d *volatileDisk) run(t *testing.T, topic *Topic, parts int, failing func(path string) bool, old bool, while time.Duration) []said {
	t.Helper()
	all := make([]said, parts)
	var ws []*Writer
	before := make([][]byte, parts)
	for p := range parts {
		w := must[*Writer](t)(topic.Own(p, Owner{Job: "j", Epoch: 1}))
		all[p] = said{w.Next(), w.Next()}
		ws = append(ws, w)
		before[p] = must[[]byte](t)(os.ReadFile(filepath.Join(w.p.dir, durableName)))
	}
	d.mu.Lock()
	d.failing = failing
	d.mu.Unlock()
	var wg sync.WaitGroup
	for p, w := range ws {
		wg.Go(func() {
			defer w.Close() // which fails: the power is gone
			for d.commit(t, w, &all[p]) {
			}
		})
	}
	time.Sleep(while)
	d.mu.Lock()
	d.dead = true
	known := append([]said(nil), all...)
	durables := before // they are not synced either
	for p, w := range ws {
		if !old {
			durables[p] = must[[]byte](t)(os.ReadFile(filepath.Join(w.p.dir, durableName)))
		}
	}
	left := map[string][]byte{}
	for _, f := range d.files {
		left[f.named()] = d.left(f)
	}
	d.mu.Unlock()
	wg.Wait()
	for path, raw := range left {
		check(t, os.WriteFile(path, raw, 0o644))
	}
	for p, raw := range durables {
		check(t, os.WriteFile(filepath.Join(topic.log.dir, "t", fmt.Sprint(p), durableName), raw, 0o644))
	}
	return known
}

// commit commits a batch of any size, and notes what is acknowledged. false: the power is gone.
func (d *volatileDisk) commit(t *testing.T, w *Writer, s *said) bool {
	var b Batch
	next := w.Next()
	size := 1 + d.int(40)
	if d.int(20) == 0 {
		size = 8000 // ten of them are too large for the journal
	}
	for i := range 1 + int64(d.int(20)) {
		check(t, b.Add([]byte("k"), []byte(strings.Repeat("v", size)), next+i))
	}
	next += int64(b.Len())
	d.mu.Lock()
	s.asked = max(s.asked, next)
	d.mu.Unlock()
	_, err := w.Commit(t.Context(), &b, []byte(fmt.Sprint("until ", next)))
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil && !d.dead {
		s.acked = next
	}
	return !d.dead
}

// What was acknowledged is there after a crash of the machine, in order and once, whether a reader or a writer comes first; what was not may be there,
// as a whole.
func TestMachineCrash(t *testing.T) {
	const parts = 5
	journals, lacking := 0, &lines{with: "brought from the journal"}
	for seed := range uint64(24) {
		dir := fastDir(t)
		for round := range uint64(3) {
			what := fmt.Sprintf("seed %d round %d partition", seed, round)
			d := &volatileDisk{rng: rand.New(rand.NewPCG(seed, round))}
			l := openLog(t, dir, Options{wrap: d.wrap, journalAfter: 4, journalHalf: testHalf})
			topic, err := l.Ensure("t", Settings{Partitions: parts, SegmentBytes: 300_000})
			check(t, err)
			var failing func(string) bool
			if seed%4 >= 2 { // syncs of segments fail now and then
				failing = func(path string) bool { return strings.HasSuffix(path, segmentSuffix) && d.rng.IntN(10) == 0 }
			}
			known := d.run(t, topic, parts, failing, seed%3 == 0, time.Duration(5+d.int(60))*time.Millisecond)
			for _, f := range d.files {
				if f.named() != f.path {
					journals++
				}
			}
			after := must[*Topic](t)(openLog(t, dir, Options{Log: lacking.logger()}).Topic("t"))
			for p := range parts {
				if seed%2 == 0 && seed%3 != 0 { // with old durable ends readers see less at first
					after.verify(t, fmt.Sprint(what, p), p, known[p])
				}
				w := must[*Writer](t)(after.Own(p, Owner{Job: "j", Epoch: 1}))
				check(t, w.Close())
				after.verify(t, fmt.Sprint(what, p), p, known[p])
			}
		}
	}
	if journals < 40 || lacking.n < 20 {
		t.Errorf("%d runs had a journal, %d times a segment lacked something", journals, lacking.n)
	}
}

// verify reads a partition: times are offsets; there is all that was acknowledged, and nothing that was not asked for.
func (topic *Topic) verify(t *testing.T, what string, p int, known said) {
	t.Helper()
	got, err := tryReadAll(t, topic, p, 0)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if n := int64(len(got)); n < known.acked || n > known.asked {
		t.Fatalf("%s: %d records, %d were acknowledged, %d asked for", what, n, known.acked, known.asked)
	}
	for i, r := range got {
		if r.Offset != int64(i) || r.Time != r.Offset {
			t.Fatalf("%s: record %d is %+v", what, i, r)
		}
	}
}

// A journal that cannot be written is given up: commits under way fail as a whole, the next ones go through, and nothing is lost or there twice.
func TestJournalFails(t *testing.T) {
	dir := fastDir(t)
	d := &volatileDisk{rng: rand.New(rand.NewPCG(1, 2))}
	l := openLog(t, dir, Options{wrap: d.wrap, journalAfter: 2, journalHalf: testHalf})
	topic := must[*Topic](t)(l.Create("t", Settings{Partitions: 2}))
	ws := []*Writer{openWriter(t, topic, 0), openWriter(t, topic, 1)}
	want := []int64{0, 0}
	fails, journals := 0, 0
	for i := range 400 {
		d.mu.Lock()
		d.failing = nil
		if i%20 > 17 {
			d.failing = func(path string) bool { return strings.Contains(path, halfMade) }
		}
		d.mu.Unlock()
		w := ws[i%2]
		var b Batch
		check(t, b.Add(nil, []byte(fmt.Sprint("value ", i)), want[i%2]))
		if _, err := w.Commit(t.Context(), &b, nil); err != nil {
			fails++
			continue
		}
		want[i%2]++
		if i%20 == 17 {
			journals += len(must[[]string](t)(filepath.Glob(filepath.Join(dir, "t", journalDir, "*"+journalSuffix))))
		}
		if i%7 == 0 {
			w.tail.member.j.bg.Wait() // a journal comes into being
		}
	}
	if fails < 10 || journals < 10 {
		t.Errorf("%d commits failed, %d times there was a journal", fails, journals)
	}
	for p, w := range ws {
		check(t, w.Close())
		topic.verify(t, fmt.Sprint("partition ", p), p, said{want[p], want[p]})
	}
	if left := must[[]string](t)(filepath.Glob(filepath.Join(dir, "t", journalDir, "*"+journalSuffix))); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Commits at the same time share rounds of the journal: there are far fewer syncs than commits.
func TestCommitsShareRounds(t *testing.T) {
	d := &volatileDisk{rng: rand.New(rand.NewPCG(1, 2))}
	syncs := 0
	d.failing = func(string) bool { syncs++; return false }
	l := openLog(t, fastDir(t), Options{wrap: d.wrap, journalAfter: 8})
	topic := must[*Topic](t)(l.Create("t", Settings{Partitions: 8}))
	var ws []*Writer
	for p := range 8 {
		ws = append(ws, openWriter(t, topic, p))
	}
	const batches = 100
	for i := range batches {
		if i == 5 {
			ws[0].tail.member.j.bg.Wait()
			d.mu.Lock()
			syncs = 0
			d.mu.Unlock()
		}
		var wg sync.WaitGroup
		for _, w := range ws {
			wg.Go(func() {
				var b Batch
				check(t, b.Add(nil, []byte("v"), 1))
				_, err := w.Commit(t.Context(), &b, nil)
				check(t, err)
			})
		}
		wg.Wait()
	}
	d.mu.Lock()
	if syncs > 4*batches {
		t.Errorf("%d syncs for %d batches of 8 partitions", syncs, batches)
	}
	d.mu.Unlock()
	for _, w := range ws {
		check(t, w.Close())
	}
}

// A journal that was left may be refused whatever is in it, its checksums right, but is never read beyond.
func FuzzJournal(f *testing.F) {
	m := &member{part: 3}
	one := appendRound(nil, 7, 0, []*entry{{m: m, base: 5, pos: 88, data: []byte("frame")}, {m: m, data: []byte{}}})
	f.Add(appendRound(append([]byte(nil), one...), 7, 1, []*entry{{m: m, base: 1 << 40, pos: 1, data: make([]byte, 300)}}))
	f.Add(one[:len(one)-3])
	f.Fuzz(func(t *testing.T, raw []byte) {
		raw = append([]byte(nil), raw...)
		for at := 0; at+roundHead <= len(raw); {
			b := raw[at:]
			copy(b, roundMagic)
			size := roundHead + min(len(b)-roundHead, int(b[4])|int(b[5])<<8)
			b[4], b[5], b[6], b[7] = byte(size-roundHead), byte((size-roundHead)>>8), byte((size-roundHead)>>16), 0
			sum := roundSum(b[:size])
			for i := range 8 {
				b[8+i] = byte(sum >> (8 * i))
			}
			at += size
		}
		good, _ := rounds(raw)
		_ = eachEntry(good, func(_ uint32, base, pos int64, data []byte) error {
			if base < 0 || pos < 0 || len(data) > len(raw) {
				t.Fatalf("entry at %d, %d of %d bytes", base, pos, len(data))
			}
			return nil
		})
	})
}

// lines counts the log lines that contain a text.
type lines struct {
	with string
	n    int
}

func (l *lines) Write(b []byte) (int, error) {
	if strings.Contains(string(b), l.with) {
		l.n++
	}
	return len(b), nil
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
