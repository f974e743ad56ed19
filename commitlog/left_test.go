package commitlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
			unlockAll(held)
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
