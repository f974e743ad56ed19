package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/source"
)

// Fixture is one source that is set up for one test.
type Fixture struct {
	Spec *source.Spec
	Env  source.Env
	// Feed makes n more records readable, in old or new partitions. nil: the source has all its records from the start.
	Feed func(n int)
}

// patience is how long a test waits for what should happen at once.
const patience = 20 * time.Second

// Run checks the source that setup makes. setup is called for each check; a source must begin without records if it has Feed.
func Run(t *testing.T, setup func(t *testing.T) Fixture) {
	t.Run("partitions", func(t *testing.T) { partitions(t, open(t, setup)) })
	t.Run("replay", func(t *testing.T) { replay(t, open(t, setup)) })
	t.Run("reopen", func(t *testing.T) { reopen(t, open(t, setup)) })
	t.Run("follow", func(t *testing.T) { follow(t, open(t, setup)) })
	t.Run("cancel", func(t *testing.T) { cancel(t, open(t, setup)) })
	t.Run("beyond", func(t *testing.T) { beyond(t, open(t, setup)) })
}

// subject is an opened source.
type subject struct {
	Fixture
	ctx  context.Context
	conn source.Connector
}

// open opens a source, and checks at the end of the test that closing it leaves no goroutine.
func open(t *testing.T, setup func(t *testing.T) Fixture) *subject {
	t.Helper()
	f := setup(t)
	if f.Spec.Err != nil {
		t.Fatal(f.Spec.Err)
	}
	if f.Env.Clock == nil {
		f.Env.Clock = clock.System{}
	}
	f.Env.Driver = true
	ctx, stop := context.WithTimeout(context.Background(), patience)
	before := runtime.NumGoroutine()
	conn, err := f.Spec.Open(ctx, f.Env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		stop()
		goroutinesBackTo(t, before)
	})
	return &subject{f, ctx, conn}
}

// goroutinesBackTo waits until no more than n goroutines are left.
func goroutinesBackTo(t *testing.T, n int) {
	limit := clock.System{}.After(patience)
	for runtime.NumGoroutine() > n {
		select {
		case <-limit:
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines before opening, %d after closing:\n%s", n, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		case <-(clock.System{}).After(time.Millisecond):
		}
	}
}

// feed makes more records, if the source can.
func (s *subject) feed(n int) {
	if s.Feed != nil {
		s.Feed(n)
	}
}

func (s *subject) partitions(t *testing.T) []source.Partition {
	t.Helper()
	parts, err := s.conn.Partitions(s.ctx)
	if err != nil {
		t.Fatalf("partitions: %v", err)
	}
	keys := map[string]bool{}
	for _, p := range parts {
		if keys[p.Key] {
			t.Errorf("partition %q is listed twice", p.Key)
		}
		keys[p.Key] = true
		if p.Start < 0 || p.End < p.Start {
			t.Errorf("partition %q: start %d, end %d", p.Key, p.Start, p.End)
		}
	}
	return parts
}

// partitions keep their order, identity and start; ends never go back.
func partitions(t *testing.T, s *subject) {
	s.feed(60)
	before := s.partitions(t)
	if len(before) == 0 {
		t.Fatal("no partitions")
	}
	s.feed(40)
	after := s.partitions(t)
	if len(after) < len(before) {
		t.Fatalf("%d partitions became %d", len(before), len(after))
	}
	for i, p := range before {
		q := after[i]
		if p.Key != q.Key || p.Start != q.Start || !cmp.Equal(p.Meta, q.Meta) || q.End < p.End || p.Complete && (!q.Complete || q.End != p.End) {
			t.Errorf("partition %d was %+v, is now %+v", i, p, q)
		}
	}
}

// record is what a reader gave.
type record struct {
	Offset     int64
	Key, Value string
	Null       bool
	Time       int64
}

// read reads p from an offset to its end as it was listed, and checks every block.
func (s *subject) read(t *testing.T, p source.Partition, from int64) []record {
	t.Helper()
	ctx, stop := context.WithTimeout(s.ctx, patience)
	defer stop()
	r, err := s.conn.Reader(ctx, p, from)
	if err != nil {
		t.Fatalf("partition %q: reader at %d: %v", p.Key, from, err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Errorf("partition %q: close reader: %v", p.Key, err)
		}
	}()
	out := []record{}
	for at := from; at < p.End; {
		b, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("partition %q: at %d of %d: %v", p.Key, at, p.End, err)
		}
		if err := Check(b); err != nil {
			t.Fatalf("partition %q: %v", p.Key, err)
		}
		if b.First != at {
			t.Fatalf("partition %q: block begins at %d, the last ended at %d", p.Key, b.First, at)
		}
		out = append(out, recordsOf(b, p.End)...)
		at = b.Next
	}
	if end := r.End(); end >= 0 && end < p.End {
		t.Errorf("partition %q: reader's end is %d, listed was %d", p.Key, end, p.End)
	}
	if p.Complete {
		if _, err := r.Next(ctx); !errors.Is(err, io.EOF) {
			t.Errorf("partition %q is complete; behind its end %v, want io.EOF", p.Key, err)
		}
	}
	return out
}

func recordsOf(b *records.Block, until int64) []record {
	var out []record
	for i := range b.Len() {
		if b.Offset(i) >= until {
			break
		}
		rec := record{Offset: b.Offset(i), Key: string(b.Key(i)), Value: string(b.Value(i)), Null: b.Value(i) == nil}
		if b.Times != nil {
			rec.Time = b.Times[i]
		}
		out = append(out, rec)
	}
	return out
}

// Check is what is wrong with a block, if anything.
func Check(b *records.Block) error {
	n := b.Len()
	if cap(b.Data)-len(b.Data) < records.Padding {
		return fmt.Errorf("block at %d: %d bytes of padding, want %d", b.First, cap(b.Data)-len(b.Data), records.Padding)
	}
	if b.Next <= b.First {
		return fmt.Errorf("block covers offsets [%d, %d)", b.First, b.Next)
	}
	for name, l := range map[string]int{"keys": len(b.Keys), "times": len(b.Times), "offsets": len(b.Offsets), "headers": len(b.Headers)} {
		if l != 0 && l != n {
			return fmt.Errorf("block at %d: %d records, %d %s", b.First, n, l, name)
		}
	}
	if n > 0 && b.Offsets == nil && b.First+int64(n) != b.Next {
		return fmt.Errorf("block [%d, %d) has %d records and no offsets", b.First, b.Next, n)
	}
	last := b.First - 1
	for i := range n {
		if off := b.Offset(i); off <= last || off >= b.Next {
			return fmt.Errorf("block [%d, %d): record %d has offset %d after %d", b.First, b.Next, i, off, last)
		}
		last = b.Offset(i)
		spans := []records.Span{b.Values[i]}
		if b.Keys != nil {
			spans = append(spans, b.Keys[i])
		}
		for _, sp := range spans {
			if sp.Len != records.Null && int(sp.Off)+int(sp.Len) > len(b.Data) {
				return fmt.Errorf("block at %d: record %d lies at %d+%d of %d bytes", b.First, i, sp.Off, sp.Len, len(b.Data))
			}
		}
	}
	return nil
}

// replay reads from the start, and then from each of many offsets: the records must be the same.
func replay(t *testing.T, s *subject) {
	s.feed(100)
	total := 0
	for _, p := range s.partitions(t) {
		all := s.read(t, p, p.Start)
		total += len(all)
		for i := 0; i <= len(all); i += 1 + len(all)/40 {
			from := p.End
			if i < len(all) {
				from = all[i].Offset
			}
			if diff := cmp.Diff(all[i:], s.read(t, p, from)); diff != "" {
				t.Fatalf("partition %q from offset %d: (-from the start +now)\n%s", p.Key, from, diff)
			}
			if i < len(all) { // a cut may lie anywhere behind a record
				if diff := cmp.Diff(all[i+1:], s.read(t, p, from+1)); diff != "" {
					t.Fatalf("partition %q from offset %d: (-from the start +now)\n%s", p.Key, from+1, diff)
				}
			}
		}
	}
	if total == 0 {
		t.Error("no records")
	}
	if s.Feed != nil && total != 100 {
		t.Errorf("%d records were fed, %d read", 100, total)
	}
}

// reopen reads through a second connector, as a restarted job does, with the partitions that the first one listed.
func reopen(t *testing.T, s *subject) {
	s.feed(50)
	parts := s.partitions(t)
	env := s.Env
	env.Driver = false
	conn, err := s.Spec.Open(s.ctx, env)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	if r, ok := conn.(source.Resumer); ok {
		if err := r.Resume(parts); err != nil {
			t.Fatal(err)
		}
	}
	again := &subject{s.Fixture, s.ctx, conn}
	for i, p := range again.partitions(t) {
		if i < len(parts) && (p.Key != parts[i].Key || !cmp.Equal(p.Meta, parts[i].Meta)) {
			t.Errorf("partition %d was %q, after opening again %q", i, parts[i].Key, p.Key)
		}
	}
	for _, p := range parts {
		if diff := cmp.Diff(s.read(t, p, p.Start), again.read(t, p, p.Start)); diff != "" {
			t.Errorf("partition %q: (-first +second)\n%s", p.Key, diff)
		}
	}
}

// follow feeds while readers wait at the end.
func follow(t *testing.T, s *subject) {
	if s.Feed == nil {
		t.Skip("the source has all its records from the start")
	}
	s.feed(20)
	got, want := 0, 20
	at := map[string]int64{}
	for range 4 {
		for _, p := range s.partitions(t) {
			from, ok := at[p.Key]
			if !ok {
				from = p.Start
			}
			got += len(s.read(t, p, from))
			at[p.Key] = max(from, p.End)
		}
		if got != want {
			t.Fatalf("%d records were fed, %d read", want, got)
		}
		s.feed(10)
		want += 10
	}
}

// cancel ends a reader that waits for what does not come.
func cancel(t *testing.T, s *subject) {
	s.feed(10)
	for _, p := range s.partitions(t) {
		ctx, stop := context.WithCancel(s.ctx)
		r, err := s.conn.Reader(ctx, p, p.End)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { // ends with Next
			for {
				if _, err := r.Next(ctx); err != nil {
					done <- err
					return
				}
			}
		}()
		stop()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) && !(p.Complete && errors.Is(err, io.EOF)) {
				t.Errorf("partition %q: a cancelled reader returned %v", p.Key, err)
			}
		case <-(clock.System{}).After(patience):
			t.Fatalf("partition %q: a cancelled reader still reads", p.Key)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// beyond reads behind the end, which only a replaced or truncated place can ask for (P11). Generated sources have no such end.
func beyond(t *testing.T, s *subject) {
	if s.Spec.Kind == "rate" {
		t.Skip("a generator has no end")
	}
	s.feed(10)
	ctx, stop := context.WithTimeout(s.ctx, patience)
	defer stop()
	for _, p := range s.partitions(t) {
		r, err := s.conn.Reader(ctx, p, p.End+1000)
		if err == nil {
			_, err = r.Next(ctx)
			if cerr := r.Close(); cerr != nil {
				t.Error(cerr)
			}
		}
		if !errors.Is(err, source.ErrBeyondEnd) {
			t.Errorf("partition %q: reading at %d behind the end %d gave %v, want ErrBeyondEnd", p.Key, p.End+1000, p.End, err)
		}
	}
}
