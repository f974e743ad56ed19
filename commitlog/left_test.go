package commitlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// leave commits n records to partition 0 of a topic with a journal, one at a time, and returns a log as if the machine had crashed then: nothing holds
// its journal, and the segment has lost what was not synced.
func leave(t *testing.T, n int, o Options) *Topic {
	t.Helper()
	topic := newTopic(t, Options{journalAfter: 1}, Settings{})
	w := openWriter(t, topic, 0)
	synced := int64(0)
	for i := range n {
		commitNumber(t, w)
		if i == 0 {
			w.tail.member.j.bg.Wait()
			synced = w.tail.pos
		}
	}
	after := copyLog(t, topic, o)
	check(t, w.Close())
	check(t, os.Truncate(segmentPath(filepath.Join(after.log.dir, "t", "0"), 0), synced))
	return after
}

// commitNumber commits one record, whose time is its offset.
func commitNumber(t *testing.T, w *Writer) {
	t.Helper()
	var b Batch
	check(t, b.Add(nil, []byte(fmt.Sprint("number ", w.Next())), w.Next()))
	_, err := w.Commit(t.Context(), &b, nil)
	check(t, err)
}

// copyLog is the topic in a copy of its log: what is left when its process is killed now.
func copyLog(t *testing.T, topic *Topic, o Options) *Topic {
	t.Helper()
	dir := filepath.Join(fastDir(t), "copy")
	check(t, os.CopyFS(dir, os.DirFS(topic.log.dir)))
	return must[*Topic](t)(openLog(t, dir, o).Topic(topic.name))
}

func leftBehind(t *testing.T, topic *Topic) []string {
	t.Helper()
	return must[[]string](t)(filepath.Glob(filepath.Join(topic.log.dir, topic.name, journalDir, "*"+journalSuffix)))
}

// While one process brings a journal that was left into the segments, and holds it for that, no other takes it for one that is in use, and goes on without.
func TestAbsorbingIsWaitedFor(t *testing.T) {
	for _, who := range []string{"reader", "writer"} {
		t.Run(who, func(t *testing.T) {
			topic := leave(t, 10, Options{})
			var held []*os.File
			for _, path := range append(leftBehind(t, topic), filepath.Join(topic.log.dir, "t", journalDir, journalLock)) {
				f := must[*os.File](t)(os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644))
				defer f.Close()
				check(t, flock(f, unix.LOCK_EX|unix.LOCK_NB))
				held = append(held, f)
			}
			opened := make(chan error, 1)
			go func() { // ends with the test, which waits for it
				if who == "reader" {
					r, err := topic.Reader(0, 0)
					if err == nil {
						err = r.Close()
					}
					opened <- err
					return
				}
				w, err := topic.Writer(0)
				if err == nil {
					err = w.Close()
				}
				opened <- err
			}()
			select {
			case err := <-opened:
				t.Errorf("opened while another absorbs: %v", err)
				opened <- err
			case <-time.After(30 * time.Millisecond):
			}
			unlockAll(held...)
			check(t, <-opened)
			topic.verify(t, who, 0, said{10, 10})
		})
	}
}

// Several logs open a topic that a crash has left at the same moment, readers and writers: all see all of it.
func TestManyAbsorb(t *testing.T) {
	for range 20 {
		topic := leave(t, 10, Options{})
		results := make(chan error)
		const readers, writers = 4, 4
		for i := range readers + writers {
			other := must[*Topic](t)(openLog(t, topic.log.dir, Options{}).Topic("t"))
			go func() { // ends with the test, which waits for it
				if i < readers {
					r, err := other.Reader(0, 0)
					for n := 0; err == nil && n < 10; {
						b, err2 := r.Poll()
						if err = err2; err == nil && b != nil {
							n += b.Len()
						}
					}
					results <- err
					return
				}
				w, err := other.Writer(0)
				if errors.Is(err, ErrLocked) {
					results <- nil
					return
				}
				if err == nil && w.Next() != 10 {
					err = fmt.Errorf("a writer found %d records", w.Next())
				}
				if err == nil {
					err = w.Close()
				}
				results <- err
			}()
		}
		for range readers + writers {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	}
}

// A commit that was refused does not come back when the process is killed then, nor over what another owner commits in its place: neither after a
// failed write of the journal, though no segment can be synced either, nor after a durable end that could not be written.
func TestRefusedStaysAway(t *testing.T) {
	journal := func(path string) bool { return strings.Contains(path, halfMade) }
	for name, failing := range map[string]func(string) bool{"journal": journal, "disk": func(string) bool { return true }, "durable end": nil} {
		for _, takeover := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " takeover ", takeover), func(t *testing.T) {
				d := &volatileDisk{rng: rand.New(rand.NewPCG(1, 2))}
				topic := newTopic(t, Options{wrap: d.wrap, journalAfter: 1}, Settings{})
				w := must[*Writer](t)(topic.Own(0, Owner{Job: "j", Epoch: 1}))
				for range 5 {
					commitNumber(t, w)
					w.tail.member.j.bg.Wait()
				}
				var b Batch
				for i := range int64(3) {
					check(t, b.Add(nil, []byte("refused"), 100+i))
				}
				d.mu.Lock()
				d.failing = failing
				d.mu.Unlock()
				dur := w.tail.dur.file
				if failing == nil {
					w.tail.dur.file = diskFile{must[*os.File](t)(os.Open(w.tail.dur.name))}
				}
				if _, err := w.Commit(t.Context(), &b, nil); err == nil {
					t.Fatal("not refused")
				}
				n := int64(5)
				if takeover {
					other := must[*Topic](t)(openLog(t, topic.log.dir, Options{}).Topic("t"))
					w := must[*Writer](t)(other.Own(0, Owner{Job: "j", Epoch: 2}))
					commitNumber(t, w)
					commitNumber(t, w)
					n += 2
					check(t, w.Close())
				}
				copyLog(t, topic, Options{}).verify(t, "killed", 0, said{n, n})
				w2 := must[*Writer](t)(copyLog(t, topic, Options{}).Own(0, Owner{Job: "j", Epoch: 3}))
				if w2.Next() != n {
					t.Errorf("%d records after a restart, want %d", w2.Next(), n)
				}
				check(t, w2.Close())
				d.mu.Lock()
				d.failing = nil
				d.mu.Unlock()
				if failing == nil {
					check(t, w.tail.dur.close())
					w.tail.dur.file = dur
				}
				for range 5 {
					if takeover {
						break
					}
					commitNumber(t, w)
					n++
					w.tail.member.j.bg.Wait()
				}
				check(t, w.Close())
				topic.verify(t, "at last", 0, said{n, n})
			})
		}
	}
}

// What a failed commit had written, and the disk has, is not taken for what follows the next one: cutting it off is not in the journal.
func TestRefusedIsCutOff(t *testing.T) {
	d := &volatileDisk{rng: rand.New(rand.NewPCG(1, 2))}
	l := openLog(t, fastDir(t), Options{wrap: d.wrap, journalAfter: 4, SyncInterval: time.Hour})
	topic := must[*Topic](t)(l.Create("t", Settings{Partitions: 2}))
	w, beside := openWriter(t, topic, 0), openWriter(t, topic, 1)
	for range 3 {
		commitNumber(t, w)
	}
	commitNumber(t, beside)
	w.tail.member.j.bg.Wait() // there is a journal
	if len(leftBehind(t, topic)) != 1 {
		t.Fatal("no journal")
	}
	d.mu.Lock()
	d.failing = func(path string) bool { return strings.Contains(path, halfMade) }
	d.mu.Unlock()
	batches := [2]Batch{}
	w.mu.Lock() // two commits in one group
	for i := range batches {
		check(t, batches[i].Add(nil, []byte(fmt.Sprint("number ", 3+i)), int64(3+i)))
		w.pending = append(w.pending, run{batch: &batches[i], done: make(chan error, 1)})
		w.next++
	}
	done := w.pending[1].done
	w.mu.Unlock()
	signal(w.kick)
	if err := <-done; err == nil {
		t.Fatal("not refused")
	}
	d.mu.Lock()
	d.failing = nil
	d.mu.Unlock()
	commitNumber(t, beside)
	for len(leftBehind(t, topic)) == 0 {
		commitNumber(t, beside)
		w.tail.member.j.bg.Wait()
	}
	commitNumber(t, w)
	d.mu.Lock()
	d.dead = true
	left := map[string][]byte{}
	for _, f := range d.files { // all that was written, but nothing that was cut off
		for _, w := range f.loose {
			if w.data != nil {
				f.synced = w.apply(f.synced)
			}
		}
		left[f.named()] = f.synced
	}
	d.mu.Unlock()
	after := copyLog(t, topic, Options{})
	for path, raw := range left {
		at := filepath.Join(after.log.dir, strings.TrimPrefix(path, topic.log.dir))
		if _, err := os.Stat(at); err == nil { // some journals are gone
			check(t, os.WriteFile(at, raw, 0o644))
		}
	}
	w2 := openWriter(t, after, 0)
	if w2.Next() != 4 {
		t.Errorf("%d records after a crash, 4 were acknowledged", w2.Next())
	}
	check(t, w2.Close())
	_, _ = w.Close(), beside.Close() // the power is gone
}

// A segment that cannot be synced while a journal is absorbed is written again when the next one tries: the system says only once that it has dropped something.
func TestAbsorbedIsWrittenAgain(t *testing.T) {
	d := &volatileDisk{rng: rand.New(rand.NewPCG(1, 2))}
	topic := leave(t, 10, Options{wrap: d.wrap})
	d.failing = func(string) bool { return true }
	for range 2 {
		if _, err := topic.Reader(0, 0); err == nil {
			t.Fatal("a reader does without what the journal has")
		}
	}
	d.failing = nil
	r := must[*Reader](t)(topic.Reader(0, 0))
	check(t, r.Close())
	if len(leftBehind(t, topic)) > 0 {
		t.Fatal("the journal is still there")
	}
	last := d.files[len(d.files)-1]
	check(t, os.WriteFile(last.path, last.synced, 0o644))
	topic.verify(t, "after a crash", 0, said{10, 10})
}

// A topic that was removed does not come back as a folder of journals.
func TestRemovedUnderWriters(t *testing.T) {
	topic := newTopic(t, Options{journalAfter: 2}, Settings{})
	w := openWriter(t, topic, 0)
	check(t, os.RemoveAll(filepath.Join(topic.log.dir, "t")))
	for range 4 {
		commitNumber(t, w) // into files without a name
	}
	w.tail.member.j.bg.Wait()
	_ = w.Close()
	check(t, must[*Topic](t)(topic.log.Create("t", Settings{})).Grow(2))
}

// A journal whose folder vanishes is given up like any other.
func TestJournalFolderRemoved(t *testing.T) {
	d := &volatileDisk{rng: rand.New(rand.NewPCG(1, 2))}
	topic := newTopic(t, Options{wrap: d.wrap, journalAfter: 1}, Settings{})
	w := openWriter(t, topic, 0)
	for range 3 {
		commitNumber(t, w)
		w.tail.member.j.bg.Wait()
	}
	check(t, os.RemoveAll(filepath.Join(topic.log.dir, "t", journalDir)))
	d.mu.Lock()
	d.failing = func(path string) bool { return strings.Contains(path, halfMade) }
	d.mu.Unlock()
	var b Batch
	check(t, b.Add(nil, []byte("v"), 3))
	if _, err := w.Commit(t.Context(), &b, nil); err == nil {
		t.Fatal("not refused")
	}
	d.mu.Lock()
	d.failing = nil
	d.mu.Unlock()
	for range 3 {
		commitNumber(t, w)
	}
	check(t, w.Close())
	topic.verify(t, "at last", 0, said{6, 6})
}

// What looks at a topic's frames first after a crash of the machine finds all of them.
func TestAnyReaderAbsorbs(t *testing.T) {
	for name, look := range map[string]func(*Topic) error{
		"commits":  func(t *Topic) error { _, err := t.Commits(0); return err },
		"offsets":  func(t *Topic) error { _, err := t.OffsetAt(0, 9); return err },
		"describe": func(t *Topic) error { _, err := t.Describe(0); return err },
	} {
		t.Run(name, func(t *testing.T) { check(t, look(leave(t, 10, Options{}))) })
	}
}

// Who takes a partition over from a process that lives does not rely on an fsync for what that one has in its journal only: the one that failed was told to
// somebody else.
func TestTakenOverAfterFailedSync(t *testing.T) {
	d := &volatileDisk{rng: rand.New(rand.NewPCG(1, 2))}
	topic := newTopic(t, Options{wrap: d.wrap, journalAfter: 1}, Settings{})
	w := must[*Writer](t)(topic.Own(0, Owner{Job: "j", Epoch: 1}))
	for range 5 {
		commitNumber(t, w)
		w.tail.member.j.bg.Wait()
	}
	other := must[*Topic](t)(openLog(t, topic.log.dir, Options{wrap: d.wrap}).Topic("t"))
	d.mu.Lock()
	d.failing = func(path string) bool { return strings.HasSuffix(path, segmentSuffix) }
	d.mu.Unlock()
	if _, err := other.Own(0, Owner{Job: "j", Epoch: 2}); err == nil {
		t.Fatal("opened without an fsync")
	}
	d.mu.Lock()
	d.failing = nil
	d.mu.Unlock()
	next := must[*Writer](t)(other.Own(0, Owner{Job: "j", Epoch: 2}))
	_, err := next.Compact(t.Context()) // begins a segment: what the journal has of the one before is passed over
	check(t, err)
	d.mu.Lock()
	d.dead = true
	d.mu.Unlock()
	_, _ = w.Close(), next.Close() // the power is gone
	for _, f := range d.files {
		if !f.gone() {
			check(t, os.WriteFile(f.named(), f.synced, 0o644))
		}
	}
	must[*Topic](t)(openLog(t, topic.log.dir, Options{}).Topic("t")).verify(t, "after a crash", 0, said{5, 5})
}

// A journal that is full before each partition has committed a few times is left alone: each segment would be synced as often without it.
func TestWideCommitsDoWithoutJournal(t *testing.T) {
	d := &volatileDisk{rng: rand.New(rand.NewPCG(1, 2))}
	syncs := 0
	d.failing = func(path string) bool {
		if strings.Contains(path, halfMade) {
			syncs++
		}
		return false
	}
	topic := must[*Topic](t)(openLog(t, fastDir(t), Options{wrap: d.wrap}).Create("t", Settings{Partitions: 40}))
	p := must[*Producer](t)(topic.Producer())
	var b Batch
	check(t, b.Add(nil, make([]byte, 50<<10), 1))
	for i := range 400 {
		_, err := p.Writer(i%40).Commit(t.Context(), &b, nil)
		check(t, err)
		if i == 40 {
			p.Writer(0).tail.member.j.bg.Wait() // there is a journal
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if syncs < 10 || syncs > 50 {
		t.Errorf("%d of 400 commits went to the journal", syncs)
	}
	d.mu.Unlock()
	check(t, p.Close())
	d.mu.Lock()
}
