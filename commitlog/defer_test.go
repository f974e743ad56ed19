package commitlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/records"
)

// backlog writes commits of many sizes, with and without keys, headers and different times, into segments of 5 MiB, and says what is to be read.
func backlog(t *testing.T, seed uint64) (*Topic, []rec) {
	t.Helper()
	topic := newTopic(t, Options{}, Settings{SegmentBytes: 5 << 20})
	m := &model{t: t, rng: rand.New(rand.NewPCG(seed, 1)), topic: topic, w: openWriter(t, topic, 0)}
	for total := 0; total < 12<<20; {
		n := 1
		if m.rng.IntN(3) > 0 {
			n = 1 + m.rng.IntN(3000)
		}
		b := m.batch(n)
		large := m.rng.IntN(1200)
		for range n {
			r := rec{Offset: int64(len(m.recs)), Key: "<nil>", Value: strings.Repeat(fmt.Sprint(len(m.recs), " "), 1+large/8), Time: int64(n)}
			check(t, b.Add(nil, []byte(r.Value), r.Time))
			m.recs = append(m.recs, r)
			total += len(r.Value)
		}
		_, err := m.w.Commit(context.Background(), b, nil)
		check(t, err)
	}
	check(t, m.w.Close())
	return topic, m.recs
}

func asIs(err error) error { return err }

// deferredBlocks are all blocks from an offset on, as who takes deferred ones gets them.
func deferredBlocks(t *testing.T, topic *Topic, from int64) (blocks []*records.Block, deferred int) {
	t.Helper()
	r := must[*Reader](t)(topic.Reader(0, from))
	defer r.Close()
	for next := from; ; {
		b, err := r.poll(asIs)
		check(t, err)
		if b == nil {
			return blocks, deferred
		}
		if b.First != next {
			t.Fatalf("a block begins at %d, the one before ended at %d", b.First, next)
		}
		if b.Len() > 0 && b.Values == nil {
			deferred++
		}
		blocks, next = append(blocks, b), b.Next
	}
}

// TestDeferred: who reads blocks later reads the same records, whole and in pieces, from any offset on, after the segments are gone.
func TestDeferred(t *testing.T) {
	for seed := range uint64(4) {
		topic, want := backlog(t, seed)
		rng := rand.New(rand.NewPCG(seed, 2))
		from := []int64{0, rng.Int64N(int64(len(want)))}[seed%2]
		blocks, deferred := deferredBlocks(t, topic, from)
		if deferred < 2 {
			t.Errorf("seed %d: %d of %d blocks are deferred", seed, deferred, len(blocks))
		}
		if seed >= 2 {
			check(t, os.RemoveAll(must[*partition](t)(topic.log.partition(topic.name, 0)).dir))
		}
		var got []rec
		for _, b := range blocks {
			size, n := b.Bytes(), b.Len()
			at := b.First + rng.Int64N(b.Next-b.First)
			halves := []*records.Block{b.Slice(b.First, at), b.Slice(at, b.Next)}
			if halves[0].Len()+halves[1].Len() != n {
				t.Fatalf("slices of %d and %d records of %d", halves[0].Len(), halves[1].Len(), n)
			}
			for _, h := range halves {
				length := h.Len()
				for range 2 { // it can be read again
					loaded := must[*records.Block](t)(h.Load())
					if loaded.Len() != length || loaded.First != h.First || loaded.Next != h.Next {
						t.Fatalf("[%d, %d) with %d records became [%d, %d) with %d", h.First, h.Next, length, loaded.First, loaded.Next, loaded.Len())
					}
					if appendBlock(t, nil, loaded); loaded.Bytes() > 2*size+1<<20 {
						t.Fatalf("a block of %d bytes has %d", size, loaded.Bytes())
					}
					loaded.Free()
				}
				loaded := must[*records.Block](t)(h.Load())
				got = appendBlock(t, got, loaded)
				loaded.Free()
			}
			b.Free()
		}
		if d := cmp.Diff(want[from:], got); d != "" {
			t.Fatalf("seed %d: %s", seed, d)
		}
	}
}

// TestDeferredToTheEnd: a backlog is deferred to its end, though small frames stand among large ones, in blocks of about one size.
func TestDeferredToTheEnd(t *testing.T) {
	topic := newTopic(t, Options{}, Settings{})
	w := openWriter(t, topic, 0)
	var want []rec
	for i, size := range []int{300, 900_000, 300, 300, 600_000, 20_000, 30_000, 40_000, 500, 1_000_000, 200_000, 150_000, 100_000} {
		b := new(Batch)
		for left := size; left > 0; left -= 100 {
			r := rec{Offset: int64(len(want)), Key: "<nil>", Value: strings.Repeat("v", min(left, 100)), Time: int64(i)}
			check(t, b.Add(nil, []byte(r.Value), r.Time))
			want = append(want, r)
		}
		_, err := w.Commit(context.Background(), b, nil)
		check(t, err)
	}
	check(t, w.Close())
	blocks, deferred := deferredBlocks(t, topic, 0)
	if deferred != len(blocks) || len(blocks) < 4 {
		t.Errorf("%d of %d blocks are deferred", deferred, len(blocks))
	}
	var got []rec
	for i, b := range blocks {
		loaded := must[*records.Block](t)(b.Load())
		if size := len(loaded.Data); size > deferBytes/4+blockBytes || size < deferBytes/4 && i < len(blocks)-1 {
			t.Errorf("block %d of %d has %d bytes", i, len(blocks), size)
		}
		got = appendBlock(t, got, loaded)
		loaded.Free()
		b.Free()
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestDeferredDamage: a flipped bit that the reader did not come by is found when the block is read, and told as Next would tell it.
func TestDeferredDamage(t *testing.T) {
	topic, _ := backlog(t, 9)
	dir := must[*partition](t)(topic.log.partition(topic.name, 0)).dir
	blocks, _ := deferredBlocks(t, topic, 0)
	whole := must[[]byte](t)(os.ReadFile(segmentPath(dir, 0)))
	lasting, tried := errors.New("told"), 0
	for _, b := range blocks {
		if b.Values != nil || b.First > 20_000 {
			continue
		}
		r := must[*Reader](t)(topic.Reader(0, b.First))
		again := must[*records.Block](t)(r.NextDeferred(context.Background(), func(err error) error { return errors.Join(lasting, err) }))
		check(t, r.Close())
		loaded := must[*records.Block](t)(b.Load())
		at := -1
		for i := 0; at < 0 && i < loaded.Len(); i++ {
			if twice := fmt.Sprintf(" %d %[1]d ", loaded.Offset(i)); bytes.Contains(loaded.Value(i), []byte(twice)) {
				at = bytes.Index(whole, []byte(twice))
			}
		}
		loaded.Free()
		if at < 0 {
			continue
		}
		tried++
		check(t, os.WriteFile(segmentPath(dir, 0), flipped(whole, at, 4), 0o644))
		var d *DamagedError
		if _, err := again.Load(); !errors.As(err, &d) || !errors.Is(err, lasting) || d.Offset < b.First || d.Offset >= b.Next || d.Pos > int64(at) || d.File != segmentPath(dir, 0) {
			t.Errorf("block [%d, %d), byte %d: %v, %+v; want a DamagedError as it is told", b.First, b.Next, at, err, d)
		}
		check(t, os.WriteFile(segmentPath(dir, 0), whole, 0o644))
		if _, err := again.Load(); err != nil {
			t.Errorf("restored: %v", err)
		}
		check(t, os.Truncate(segmentPath(dir, 0), int64(at)))
		if _, err := again.Load(); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut at byte %d: %v", at, err)
		}
		check(t, os.WriteFile(segmentPath(dir, 0), whole, 0o644))
	}
	if tried < 2 {
		t.Errorf("%d blocks were damaged", tried)
	}
}
