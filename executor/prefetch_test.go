package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// TestPrefetchBound reads ahead without any batch: memory stays at the bound and one block a partition (I8), and batches go through all the same.
func TestPrefetchBound(t *testing.T) {
	w := newWorld(t)
	for b := range 200 {
		w.push(b, 100)
	}
	f := newFleet(w)
	f.settings.PrefetchBytes = 90 << 10
	n := f.local("a")
	f.assign(true, nil)
	for range 40 {
		held := func() (least int64) {
			least = 1 << 60
			for p := range feedParts {
				least = min(least, heldUntil(f, n, p)-f.next[p])
			}
			return least
		}
		f.batch(max(held(), 1))
	}
	block := int64(0)
	rd, err := connectorOf(t, w.plan(), 0).Reader(t.Context(), partitionOf(0), 0)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := rd.Next(t.Context()); err == nil {
		block = b.Bytes()
	}
	if most := n.stats.Prefetched(); most > 90<<10+feedParts*2*block {
		t.Errorf("%d bytes were held, the bound is %d and a block has %d", most, 90<<10, block)
	}
}

// heldUntil waits until a partition is held beyond what was planned, and says how far.
func heldUntil(f *fleet, n *node, part int) int64 {
	f.t.Helper()
	for n.until[part] <= f.next[part] {
		expect[*Held](f, n)
	}
	return n.until[part]
}

// fickle is a source whose history changes: each Reader gives other values than the one before.
type fickle struct {
	records int
	opened  atomic.Int64
}

func (s *fickle) spec() *source.Spec {
	return &source.Spec{
		Name: "fickle", Kind: "test", Text: "fickle", Mutable: true,
		Open:    func(context.Context, source.Env) (source.Connector, error) { return s, nil },
		Decoder: func() rdd.Decoder { return fickleDecoder{} },
	}
}

func (s *fickle) Partitions(context.Context) ([]source.Partition, error) { return nil, nil }
func (s *fickle) Close() error                                           { return nil }
func (s *fickle) Reader(_ context.Context, _ source.Partition, from int64) (source.Reader, error) {
	return &fickleReader{s: s, at: from, turn: s.opened.Add(1)}, nil
}

type fickleReader struct {
	s    *fickle
	at   int64
	turn int64
}

func (r *fickleReader) End() int64   { return int64(r.s.records) }
func (r *fickleReader) Close() error { return nil }
func (r *fickleReader) Next(ctx context.Context) (*records.Block, error) {
	if r.at >= int64(r.s.records) {
		return nil, io.EOF
	}
	var values []string
	b := &records.Block{First: r.at, Next: min(r.at+10, int64(r.s.records))}
	for o := b.First; o < b.Next; o++ {
		values = append(values, fmt.Sprintf("v%d-turn%d", o, r.turn))
	}
	for _, v := range values {
		b.Values = append(b.Values, records.Span{Off: uint32(len(b.Data)), Len: uint32(len(v))})
		b.Data = append(b.Data, v...)
	}
	b.Data = append(b.Data, make([]byte, records.Padding)...)[:len(b.Data)]
	r.at = b.Next
	return b, nil
}

type fickleDecoder struct{}

func (fickleDecoder) Decode(b *records.Block, lo, hi int) (rdd.Chunk, []int32, []rdd.Bad) {
	var vals []string
	for i := lo; i < hi; i++ {
		vals = append(vals, string(b.Value(i)))
	}
	return rdd.Chunk{N: len(vals), Vals: vals}, nil, nil
}

// TestJournalOfMutableSource loses an executor behind a batch of a source whose history changes: the next one computes the same rows (P18).
func TestJournalOfMutableSource(t *testing.T) {
	t.Run("folder", func(t *testing.T) { journalled(t, nil) })
	t.Run("elsewhere", func(t *testing.T) {
		journalled(t, map[string]string{"a": filepath.Join(t.TempDir(), "a"), "b": filepath.Join(t.TempDir(), "b")})
	})
}

func journalled(t *testing.T, away map[string]string) {
	w := newWorld(t)
	src := &fickle{records: 100}
	w.extra = func(j *dstream.Job, _ dstream.Stream[word]) {
		dstream.From(j, source.Of[string](src.spec())).To(w.store.sink("raw"))
	}
	f := newFleet(w)
	f.layout.Lanes["raw"] = 1
	if away != nil {
		f.away = away
	}
	launch := func() *checkpoint.Plan {
		p := f.cut(0)
		p.Ranges = []checkpoint.Range{{Source: "fickle", Partition: 0, From: 5, Until: 25}}
		f.launch(p)
		return p
	}
	assign := func(rollback bool, n *node) {
		a := f.assignment(rollback, nil)
		a.Sources = append(a.Sources, SourceAssign{Source: "fickle", Partition: checkpoint.Partition{Source: "fickle", Key: "0"}, From: 0, Executor: n.name})
		f.send(n, a)
		if d := expectThat(f, n, func(d *Assigned) bool { return d.Generation == f.gen }); d.Err != "" {
			t.Fatal(d.Err)
		}
	}
	a := f.process("a")
	assign(true, a)
	p := launch()
	first := f.staged(p.Batch)["a"].Tasks
	f.lose("a")
	b := f.process("b")
	assign(false, b)
	second := f.staged(p.Batch)["b"].Tasks
	for _, d := range first {
		for _, e := range second {
			if d.Task == e.Task && fmt.Sprint(d.Sums) != fmt.Sprint(e.Sums) {
				t.Errorf("task %v gave other rows: %v and %v", d.Task, d.Sums, e.Sums)
			}
		}
	}
	if n := src.opened.Load(); n < 2 {
		t.Errorf("%d readers", n)
	}
}

func TestJournalRoundTrip(t *testing.T) {
	data := []byte("key1value1h1x")
	b := &records.Block{
		First: 10, Next: 20, Data: data, Offsets: []int64{10, 13, 19},
		Keys:    []records.Span{{Off: 0, Len: 4}, {Len: records.Null}, {}},
		Values:  []records.Span{{Off: 4, Len: 6}, {Off: 4, Len: 0}, {Len: records.Null}},
		Times:   []int64{5, -7, 1 << 60},
		Headers: [][]records.Header{{{Name: records.Span{Off: 10, Len: 2}, Value: records.Span{Off: 12, Len: 1}}}, nil, {{Value: records.Span{Len: records.Null}}}},
	}
	raw := appendJournal(nil, checkpoint.Range{From: 10, Until: 20}, []*records.Block{b.Slice(10, 15), b.Slice(15, 20)})
	got, err := decodeJournal(raw)
	if err != nil {
		t.Fatal(err)
	}
	show := func(b *records.Block) string {
		s := fmt.Sprint(b.First, b.Next)
		for i := range b.Len() {
			s += fmt.Sprintf("\n%d %d %q %v %q %v", b.Offset(i), b.Times[i], b.Key(i), b.Key(i) == nil, b.Value(i), b.Value(i) == nil)
			for _, h := range b.Headers[i] {
				s += fmt.Sprintf(" %q %v", b.Data[h.Name.Off:h.Name.Off+h.Name.Len], h.Value.Len == records.Null)
			}
		}
		return s
	}
	if d := cmp.Diff(show(b), show(got)); d != "" {
		t.Error(d)
	}
	for i := range raw {
		if _, err := decodeJournal(raw[:i]); err == nil {
			t.Errorf("the first %d of %d bytes are taken for a journal", i, len(raw))
		}
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte{1, 2, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'k', 1, 'v', 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeJournal(data)
		if err != nil {
			return
		}
		for i := range b.Len() {
			_, _ = b.Key(i), b.Value(i)
		}
	})
}

// brokenSource fails as it is told.
type brokenSource struct{ err error }

func (s brokenSource) Partitions(context.Context) ([]source.Partition, error) { return nil, nil }
func (s brokenSource) Close() error                                           { return nil }
func (s brokenSource) Reader(context.Context, source.Partition, int64) (source.Reader, error) {
	return nil, s.err
}

// TestOffsetGone: retention has removed what is to be read. Held says so, and a task of such a range is a fatal failure.
func TestOffsetGone(t *testing.T) {
	w := newWorld(t)
	gone := fmt.Errorf("topic x partition 0: offset 3, the log begins at 9: %w", source.ErrOffsetGone)
	w.extra = func(j *dstream.Job, _ dstream.Stream[word]) {
		dstream.From(j, source.Of[string](&source.Spec{
			Name: "x", Kind: "test", Text: "x", Decoder: func() rdd.Decoder { return fickleDecoder{} },
			Open: func(context.Context, source.Env) (source.Connector, error) { return brokenSource{gone}, nil },
		})).To(w.store.sink("raw"))
	}
	f := newFleet(w)
	f.layout.Lanes["raw"] = 1
	n := f.local("a")
	a := f.assignment(true, nil)
	a.Sources = append(a.Sources, SourceAssign{Source: "x", Partition: checkpoint.Partition{Source: "x", Key: "0"}, From: 3, Executor: "a"})
	f.send(n, a)
	expect[*Assigned](f, n)
	expectThat(f, n, func(h *Held) bool {
		return slices.ContainsFunc(h.Parts, func(p HeldPart) bool { return p.Source == "x" && strings.Contains(p.Err, "the log begins at 9") })
	})
	p := f.cut(0)
	p.Ranges = []checkpoint.Range{{Source: "x", From: 3, Until: 5}}
	f.launch(p)
	if e := expect[*TaskFailed](f, n); !e.Fatal || e.User {
		t.Errorf("%+v", e)
	}
	if !errors.Is(gone, source.ErrOffsetGone) {
		t.Error("the test's own error is wrong")
	}
}

// named is the place of a deferred block of so many bytes.
type named int64

func (w named) Load() (*records.Block, error) { return nil, errors.New("not read") }
func (w named) Size() int64                   { return int64(w) }
func (w named) Close()                        {}

// TestDeferredBlocksCountLess: of blocks that are only named there is room for so many more.
func TestDeferredBlocksCountLess(t *testing.T) {
	block := func(i int64, deferred bool) *records.Block {
		if deferred {
			return records.Defer(i, i+1, named(1200))
		}
		return &records.Block{First: i, Next: i + 1, Data: make([]byte, 1192), Values: make([]records.Span, 1)}
	}
	for _, deferred := range []bool{false, true} {
		p := &pool{stats: &Stats{}}
		p.share(24_000, 1, 1) // 12,000 before any batch has them
		r := &reader{pool: p, dirty: make(chan struct{}, 1), room: make(chan struct{}, 1)}
		n := int64(0)
		for ; r.hasRoom(); n++ {
			r.add(block(n, deferred), n+1)
		}
		if want := map[bool]int64{false: 10, true: 10 * namedShare}[deferred]; n != want {
			t.Errorf("deferred %v: room for %d blocks, want %d", deferred, n, want)
		}
		r.plan(n)
		for ; r.hasRoom(); n++ {
			r.add(block(n, deferred), n+1)
		}
		if want := map[bool]int64{false: 20, true: 20 * namedShare}[deferred]; n != want {
			t.Errorf("deferred %v: room for %d blocks with those in batches, want %d", deferred, n, want)
		}
		r.drop(n)
		if r.bytes != 0 || r.fresh.bytes != 0 || p.held.Load() != 0 {
			t.Errorf("deferred %v: %d bytes, %d fresh, %d in the pool are left", deferred, r.bytes, r.fresh.bytes, p.held.Load())
		}
	}
}
