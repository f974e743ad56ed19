package commitlog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// model is a partition as a slice.
type model struct {
	t     *testing.T
	rng   *rand.Rand
	topic *Topic
	w     *Writer
	recs  []rec // durable or appended
	mark  string
}

func (m *model) batch(n int) *Batch {
	b := new(Batch)
	for range n {
		r := rec{Offset: int64(len(m.recs)), Key: "<nil>", Value: "<nil>", Time: m.rng.Int64N(1000)}
		if m.rng.IntN(10) == 0 {
			r.Time = m.rng.Int64() - m.rng.Int64()
		}
		if m.rng.IntN(3) > 0 {
			r.Key = fmt.Sprint("k", m.rng.IntN(20))
		}
		if m.rng.IntN(5) > 0 {
			r.Value = string(make([]byte, m.rng.IntN(60)))
		}
		var headers []Header
		for range m.rng.IntN(8) / 6 {
			headers = append(headers, Header{fmt.Sprint("h", m.rng.IntN(9)), []byte("x")})
			r.Headers += fmt.Sprintf("%s=x;", headers[len(headers)-1].Name)
		}
		check(m.t, b.AddHeaders(bytesOf(r.Key), bytesOf(r.Value), r.Time, headers))
		m.recs = append(m.recs, r)
	}
	return b
}

func (m *model) step() {
	t, ctx := m.t, context.Background()
	switch m.rng.IntN(8) {
	case 0, 1:
		r := rec{Offset: int64(len(m.recs)), Key: "k", Value: fmt.Sprint("v", len(m.recs)), Time: m.rng.Int64N(1000)}
		check(t, m.w.Add([]byte(r.Key), []byte(r.Value), r.Time))
		m.recs = append(m.recs, r)
	case 2, 3:
		first, err := m.w.Append(m.batch(m.rng.IntN(20)))
		check(t, err)
		if first > int64(len(m.recs)) {
			t.Fatalf("Append: first offset %d of %d", first, len(m.recs))
		}
	case 4:
		m.mark = fmt.Sprint("mark", len(m.recs))
		_, err := m.w.Commit(ctx, m.batch(m.rng.IntN(20)), []byte(m.mark))
		check(t, err)
	case 5:
		check(t, m.w.Sync(ctx))
		m.compare()
	case 6:
		check(t, m.w.Close())
		m.w = openWriter(t, m.topic, 0)
		got := must[[]byte](t)(m.w.Marker())
		if string(got) != m.mark {
			t.Fatalf("marker %q, want %q", got, m.mark)
		}
	case 7:
		check(t, m.w.Sync(ctx))
		m.seekTime(m.rng.Int64N(1100))
	}
}

func (m *model) compare() {
	m.t.Helper()
	from := m.rng.IntN(len(m.recs) + 1)
	if d := cmp.Diff(m.recs[from:], readAll(m.t, m.topic, 0, int64(from)), cmp.Transformer("empty", func(r []rec) []rec {
		if len(r) == 0 {
			return nil
		}
		return r
	})); d != "" {
		m.t.Fatalf("from %d (-want +got):\n%s", from, d)
	}
}

func (m *model) seekTime(micros int64) {
	want := int64(len(m.recs))
	for _, r := range m.recs {
		if r.Time >= micros {
			want = r.Offset
			break
		}
	}
	if got, err := m.topic.OffsetAt(0, micros); got != want || err != nil {
		m.t.Fatalf("OffsetAt(%d) = %d, %v; want %d", micros, got, err, want)
	}
}

func TestModel(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			topic := must[*Topic](t)(openLog(t, fastDir(t), Options{}).Create("t", Settings{SegmentBytes: 4000}))
			m := &model{t: t, rng: rand.New(rand.NewPCG(seed, 1)), topic: topic, w: openWriter(t, topic, 0)}
			for range 150 {
				m.step()
			}
			check(t, m.w.Close())
			m.compare()
		})
	}
}

// A commit of several frames, one of them with a record larger than a frame, is read back in blocks of about a megabyte.
func TestLargeCommits(t *testing.T) {
	topic := newTopic(t, Options{}, Settings{SegmentBytes: 8 << 20})
	w := openWriter(t, topic, 0)
	defer w.Close()
	var b Batch
	sizes := map[int64]int{}
	for i := range int64(3000) {
		size := 2000
		if i == 1000 {
			size = 5 << 20
		}
		sizes[i] = size
		check(t, b.Add(nil, make([]byte, size), i))
	}
	for range 3 {
		_, err := w.Commit(context.Background(), &b, []byte("m"))
		check(t, err)
	}
	r := must[*Reader](t)(topic.Reader(0, 0))
	defer r.Close()
	next := int64(0)
	for next < 9000 {
		blk, err := r.Poll()
		if err != nil || blk == nil || blk.First != next {
			t.Fatalf("block %v, %v at %d", blk, err, next)
		}
		if len(blk.Data) > blockBytes && blk.Len() > 1 {
			t.Errorf("a block of %d bytes with %d records", len(blk.Data), blk.Len())
		}
		for i := range blk.Len() {
			if got := len(blk.Value(i)); got != sizes[blk.Offset(i)%3000] {
				t.Fatalf("offset %d: %d bytes, want %d", blk.Offset(i), got, sizes[blk.Offset(i)%3000])
			}
		}
		next = blk.Next
	}
	if b, err := r.Poll(); b != nil || err != nil {
		t.Errorf("behind the end: %v, %v", b, err)
	}
}

// Many goroutines append to one writer while many read: nobody sees a gap, and all that was synced is there.
func TestConcurrent(t *testing.T) {
	topic := newTopic(t, Options{}, Settings{SegmentBytes: 20_000})
	w := openWriter(t, topic, 0)
	const writers, each = 4, 500
	errs := make(chan error, writers+3)
	for g := range writers {
		go func() {
			for i := range each {
				if err := w.Add([]byte{byte(g)}, []byte(fmt.Sprint(i)), int64(i)); err != nil {
					errs <- err
					return
				}
				if i%50 == 0 {
					if err := w.Sync(context.Background()); err != nil {
						errs <- err
						return
					}
				}
			}
			errs <- w.Sync(context.Background())
		}()
	}
	for range 3 {
		go func() { errs <- readCounts(t, topic, writers, each) }()
	}
	for range writers + 3 {
		check(t, <-errs)
	}
	check(t, w.Close())
}

// readCounts reads until each writer's records have come, and checks their order.
func readCounts(t *testing.T, topic *Topic, writers, each int) error {
	r, err := topic.Reader(0, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	seen := make([]int, writers)
	next := int64(0)
	for next < int64(writers*each) {
		b, err := r.Next(t.Context())
		if err != nil {
			return err
		}
		if b.First != next {
			return fmt.Errorf("block from %d, want %d", b.First, next)
		}
		for i := range b.Len() {
			g := b.Key(i)[0]
			if got := string(b.Value(i)); got != fmt.Sprint(seen[g]) {
				return fmt.Errorf("writer %d: record %s, want %d", g, got, seen[g])
			}
			seen[g]++
		}
		next = b.Next
	}
	return nil
}

func TestClosed(t *testing.T) {
	topic := newTopic(t, Options{}, Settings{})
	w := openWriter(t, topic, 0)
	r := must[*Reader](t)(topic.Reader(0, 0))
	check(t, errors.Join(w.Close(), w.Close(), r.Close(), r.Close()))
	_, err := w.Commit(context.Background(), new(Batch), nil)
	_, err2 := w.Append(new(Batch))
	_, err3 := r.Poll()
	for i, err := range []error{w.Add(nil, nil, 0), w.Sync(context.Background()), err, err2, err3} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("call %d after Close: %v", i, err)
		}
	}
}
