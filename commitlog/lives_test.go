package commitlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// lives is a topic whose machine crashes again and again, while several logs, as processes would, take its partitions over from each other.
type lives struct {
	t                 *testing.T
	seed              uint64
	dir               string
	appends, compacts bool
	disk              *volatileDisk
	parts             []*lived
}

// lived is what is known of a partition. Its actor uses it, and between lives the test.
type lived struct {
	p      int
	acked  []string           // values, by offset
	tried  map[int64][]string // all values that were to have an offset
	epoch  int64
	writer *Writer
	old    []*Writer
	n      int
}

func (v *lives) what(l *lived) string { return fmt.Sprintf("seed %d partition %d", v.seed, l.p) }

// live runs until the power goes.
func (v *lives) live(while time.Duration) {
	t, d := v.t, v.disk
	var topics []*Topic
	for range 3 {
		l := openLog(t, v.dir, Options{wrap: d.wrap, journalAfter: 3, journalHalf: testHalf, SyncInterval: time.Millisecond})
		topics = append(topics, must[*Topic](t)(l.Ensure("t", Settings{Partitions: len(v.parts), SegmentBytes: 20_000 + 100_000*int64(v.seed%2)})))
	}
	var wg sync.WaitGroup
	for _, l := range v.parts {
		wg.Go(func() {
			defer l.end()
			for v.own(l, topics) && v.act(l, topics) {
			}
		})
	}
	time.Sleep(while)
	d.mu.Lock()
	d.dead = true
	d.mu.Unlock()
	wg.Wait()
	for _, f := range d.files {
		if !f.gone() {
			check(t, os.WriteFile(f.named(), d.left(f), 0o644))
		}
	}
}

func (l *lived) end() {
	for _, w := range append(l.old, l.writer) {
		if w != nil {
			_ = w.Close() // which fails: the power is gone
		}
	}
	l.writer, l.old = nil, nil
}

func (d *volatileDisk) off() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// own makes sure that there is a writer. false: the power is gone.
func (v *lives) own(l *lived, topics []*Topic) bool {
	for l.writer == nil {
		l.epoch++
		w, err := topics[v.disk.int(len(topics))].Own(l.p, Owner{Job: "j", Epoch: l.epoch})
		if v.disk.off() {
			if err == nil {
				_ = w.Close()
			}
			return false
		}
		if err != nil {
			if v.disk.failing == nil {
				v.t.Fatalf("%s: %v", v.what(l), err)
			}
			continue
		}
		if w.Next() != int64(len(l.acked)) {
			v.t.Errorf("%s: the next owner finds %d records, %d were acknowledged", v.what(l), w.Next(), len(l.acked))
			l.acked = l.acked[:0]
		}
		l.writer = w
	}
	return true
}

// act does something to the partition. false: the power is gone.
func (v *lives) act(l *lived, topics []*Topic) bool {
	ctx, w := v.t.Context(), l.writer
	switch c := v.disk.int(100); {
	case c < 4: // another takes it over
		l.writer, l.old = nil, append(l.old, w)
	case c < 6:
		_ = w.Close()
		l.writer = nil
	case c < 8 && len(l.old) > 0:
		var b Batch
		check(v.t, b.Add(nil, []byte("stale"), 0))
		if _, err := l.old[len(l.old)-1].Commit(ctx, &b, nil); !errors.Is(err, ErrFenced) {
			v.t.Errorf("%s: a stale owner's commit: %v", v.what(l), err)
		}
	case c < 10 && len(l.old) > 0:
		_ = l.old[0].Close()
		l.old = l.old[1:]
	case c < 12 && v.compacts:
		if _, err := w.Compact(ctx); err != nil && v.disk.failing == nil && !v.disk.off() {
			v.t.Errorf("%s: %v", v.what(l), err)
		}
	case c < 14:
		v.read(l, topics[v.disk.int(len(topics))])
	case c < 20 && v.appends:
		var values []string
		for range 1 + v.disk.int(4) {
			values = append(values, v.value(l, int64(len(values))))
			check(v.t, w.Add(v.key(values[len(values)-1]), []byte(values[len(values)-1]), int64(len(l.acked)+len(values)-1)))
		}
		for w.Sync(ctx) != nil {
			if v.disk.off() {
				return false
			}
		}
		if v.disk.off() {
			return false
		}
		l.acked = append(l.acked, values...)
	default:
		return v.commit(l)
	}
	return !v.disk.off()
}

func (v *lives) key(value string) []byte {
	if strings.HasPrefix(value, "same") {
		return []byte("same")
	}
	return nil
}

// value is one for the i-th record behind those that are acknowledged.
func (v *lives) value(l *lived, i int64) string {
	l.n++
	kind, size := "one", v.disk.int(200)
	if v.compacts && v.disk.int(2) == 0 {
		kind = "same"
	}
	if v.disk.int(150) == 0 {
		size = 8000 // some of them are too large for the journal
	}
	s := fmt.Sprintf("%s %d.%d %s", kind, l.p, l.n, strings.Repeat("v", size))
	at := int64(len(l.acked)) + i
	l.tried[at] = append(l.tried[at], s)
	return s
}

func (v *lives) commit(l *lived) bool {
	var b Batch
	var values []string
	for i := range int64(1 + v.disk.int(10)) {
		s := v.value(l, i)
		values = append(values, s)
		check(v.t, b.Add(v.key(s), []byte(s), int64(len(l.acked))+i))
	}
	_, err := l.writer.Commit(v.t.Context(), &b, []byte(fmt.Sprint("until ", len(l.acked)+len(values))))
	if v.disk.off() {
		return false
	}
	if err == nil {
		l.acked = append(l.acked, values...)
	} else if v.disk.failing == nil {
		v.t.Errorf("%s: %v", v.what(l), err)
	}
	return true
}

// read checks what a reader sees: all that is acknowledged, unless the power goes meanwhile.
func (v *lives) read(l *lived, topic *Topic) {
	got, err := tryReadAll(v.t, topic, l.p, 0)
	if v.disk.off() || err != nil && v.disk.failing != nil && strings.Contains(err.Error(), "the disk is ill") {
		return
	}
	if err != nil {
		v.t.Errorf("%s: %v", v.what(l), err)
		return
	}
	if n := v.compare(l, got); n != int64(len(l.acked)) {
		v.t.Errorf("%s: a reader sees %d records, %d were acknowledged", v.what(l), n, len(l.acked))
	}
}

// compare checks that records are those that were acknowledged, and behind them some that were tried, and returns how many offsets there are.
func (v *lives) compare(l *lived, got []rec) (n int64) {
	for _, r := range got {
		for ; n < r.Offset; n++ {
			if n < int64(len(l.acked)) && !strings.HasPrefix(l.acked[n], "same") {
				v.t.Errorf("%s: offset %d is missing", v.what(l), n)
			}
		}
		ok := r.Time == r.Offset
		if n < int64(len(l.acked)) {
			ok = ok && r.Value == l.acked[n]
		} else {
			some := false
			for _, s := range l.tried[n] {
				some = some || s == r.Value
			}
			ok = ok && some
		}
		if !ok {
			v.t.Errorf("%s: record %d is %.60v", v.what(l), n, r)
		}
		n++
	}
	return n
}

// after opens the topic behind a crash, by several logs at once, and takes what is there for what was acknowledged.
func (v *lives) after() {
	var wg sync.WaitGroup
	var mu sync.Mutex
	failed := false
	order := v.disk.rng.Perm(len(v.parts))
	reads := v.disk.rng.IntN(2) == 0
	for _, i := range order {
		l := v.parts[i]
		topic := must[*Topic](v.t)(openLog(v.t, v.dir, Options{}).Topic("t"))
		wg.Go(func() {
			if reads {
				got, err := tryReadAll(v.t, topic, l.p, 0)
				if err != nil {
					v.t.Errorf("%s: after a crash: %v", v.what(l), err)
				}
				v.compare(l, got)
			}
			l.epoch++
			w, err := topic.Own(l.p, Owner{Job: "j", Epoch: l.epoch})
			if err != nil {
				v.t.Errorf("%s: after a crash: %v", v.what(l), err)
				mu.Lock()
				failed = true
				mu.Unlock()
				return
			}
			m, err := w.Marker()
			if want := fmt.Sprint("until ", w.Next()); err != nil || w.Next() > 0 && string(m) != want && !v.appends {
				v.t.Errorf("%s: %d records, marker %q, %v", v.what(l), w.Next(), m, err)
			}
			if err := w.Close(); err != nil {
				v.t.Errorf("%s: %v", v.what(l), err)
			}
			got, err := tryReadAll(v.t, topic, l.p, 0)
			if n := v.compare(l, got); err != nil || n < int64(len(l.acked)) {
				v.t.Errorf("%s: after a crash there are %d records, %d were acknowledged: %v", v.what(l), n, len(l.acked), err)
			}
			for i := int64(len(l.acked)); i < w.Next(); i++ { // compaction keeps the last record only
				l.acked = append(l.acked, "same")
			}
			for _, r := range got {
				l.acked[r.Offset] = r.Value
			}
		})
	}
	wg.Wait()
	if failed || v.t.Failed() {
		v.t.FailNow()
	}
}

// Whatever owners do to each other, to the end of a machine and of the next: what was acknowledged is there, once and in order.
func TestLives(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { liveAndDie(t, seed) })
	}
}

func liveAndDie(t *testing.T, seed uint64) {
	v := &lives{t: t, seed: seed, dir: fastDir(t), appends: seed%3 == 0, compacts: seed%5 < 2}
	for p := range 4 {
		v.parts = append(v.parts, &lived{p: p, tried: map[int64][]string{}})
	}
	for life := range uint64(4) {
		d := &volatileDisk{rng: rand.New(rand.NewPCG(seed, life))}
		v.disk = d
		segments, journals := seed%4&1 != 0, seed%4&2 != 0
		if segments || journals {
			d.failing = func(path string) bool {
				return (strings.HasSuffix(path, segmentSuffix) && segments || strings.Contains(path, halfMade) && journals) && d.rng.IntN(12) == 0
			}
		}
		v.live(time.Duration(20+d.int(80)) * time.Millisecond)
		v.after()
	}
}
