package commitlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/records"
)

// rec is a record as the models in these tests see it.
type rec struct {
	Offset     int64
	Key, Value string // "<nil>": absent
	Time       int64
	Headers    string
}

func text(b []byte) string {
	if b == nil {
		return "<nil>"
	}
	return string(b)
}

func bytesOf(s string) []byte {
	if s == "<nil>" {
		return nil
	}
	return []byte(s)
}

// appendBlock adds a block's records to dst, and checks the block's promises.
func appendBlock(t *testing.T, dst []rec, b *records.Block) []rec {
	t.Helper()
	if cap(b.Data)-len(b.Data) < records.Padding {
		t.Fatalf("block [%d, %d): %d bytes of padding, want %d", b.First, b.Next, cap(b.Data)-len(b.Data), records.Padding)
	}
	for i := range b.Len() {
		r := rec{Offset: b.Offset(i), Key: text(b.Key(i)), Value: text(b.Value(i)), Time: b.Times[i]}
		if r.Offset < b.First || r.Offset >= b.Next {
			t.Fatalf("offset %d is outside of the block [%d, %d)", r.Offset, b.First, b.Next)
		}
		if b.Headers != nil {
			for _, h := range b.Headers[i] {
				r.Headers += fmt.Sprintf("%s=%s;", b.Data[h.Name.Off:h.Name.Off+h.Name.Len], b.Data[h.Value.Off:h.Value.Off+h.Value.Len])
			}
		}
		dst = append(dst, r)
	}
	return dst
}

// readAll reads everything durable from offset from on.
func readAll(t *testing.T, topic *Topic, part int, from int64) []rec {
	t.Helper()
	got, err := tryReadAll(t, topic, part, from)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func tryReadAll(t *testing.T, topic *Topic, part int, from int64) ([]rec, error) {
	t.Helper()
	r, err := topic.Reader(part, from)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var got []rec
	next := from
	for {
		b, err := r.Poll()
		if err != nil || b == nil {
			return got, err
		}
		if b.First != next {
			t.Fatalf("a block begins at %d, the one before ended at %d", b.First, next)
		}
		next = b.Next
		got = appendBlock(t, got, b)
	}
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newTopic is a topic "t" in a new log.
func newTopic(t *testing.T, o Options, s Settings) *Topic {
	t.Helper()
	return must[*Topic](t)(openLog(t, filepath.Join(t.TempDir(), "log"), o).Create("t", s))
}

func openLog(t *testing.T, dir string, o Options) *Log {
	t.Helper()
	l := must[*Log](t)(Create(dir, o))
	t.Cleanup(func() { check(t, l.Close()) })
	return l
}

func openWriter(t *testing.T, topic *Topic, part int) *Writer {
	t.Helper()
	return must[*Writer](t)(topic.Writer(part))
}

func TestAppendAndRead(t *testing.T) {
	ctx := context.Background()
	topic := newTopic(t, Options{}, Settings{})
	w := openWriter(t, topic, 0)
	check(t, w.Add([]byte("k"), []byte("v"), 10))
	check(t, w.Add(nil, []byte(""), 20))
	check(t, w.Add([]byte(""), nil, 5_000_000_000_000))
	var b Batch
	check(t, b.AddHeaders(nil, []byte("h"), 7, []Header{{"a", []byte("1")}, {"b", nil}}))
	check(t, b.Add(nil, []byte("x"), 8))
	first, err := w.Append(&b)
	if err != nil || first != 3 {
		t.Fatalf("Append: first %d, %v; want 3", first, err)
	}
	check(t, w.Sync(ctx))
	first, err = w.Commit(ctx, &b, []byte("m1"))
	if err != nil || first != 5 {
		t.Fatalf("Commit: first %d, %v; want 5", first, err)
	}
	want := []rec{
		{0, "k", "v", 10, ""}, {1, "<nil>", "", 20, ""}, {2, "", "<nil>", 5_000_000_000_000, ""},
		{3, "<nil>", "h", 7, "a=1;b=;"}, {4, "<nil>", "x", 8, ""}, {5, "<nil>", "h", 7, "a=1;b=;"}, {6, "<nil>", "x", 8, ""},
	}
	for from := range want {
		if d := cmp.Diff(want[from:], readAll(t, topic, 0, int64(from))); d != "" {
			t.Errorf("from %d (-want +got):\n%s", from, d)
		}
	}
	check(t, w.Close())
	w = openWriter(t, topic, 0)
	if m, err := w.Marker(); string(m) != "m1" || err != nil {
		t.Errorf("marker %q, %v; want m1", m, err)
	}
	if w.Next() != 7 || w.Recovered() != (Recovery{}) {
		t.Errorf("next %d, recovered %+v; want 7 and nothing", w.Next(), w.Recovered())
	}
	check(t, w.Close())
}

func TestReaderWaits(t *testing.T) {
	for _, polling := range []bool{false, true} {
		t.Run(fmt.Sprintf("polling=%v", polling), func(t *testing.T) {
			topic := newTopic(t, Options{}, Settings{})
			other := must[*Topic](t)(openLog(t, topic.Log().Dir(), Options{}).Topic("t")) // as another process would
			other.log.hub.failed = polling
			r := must[*Reader](t)(other.Reader(0, 0))
			defer r.Close()
			w := openWriter(t, topic, 0)
			defer w.Close()
			for i := range int64(20) {
				check(t, w.Add(nil, []byte("v"), i))
				b, err := r.Next(t.Context())
				if err != nil || b.Len() != 1 || b.Times[0] != i {
					t.Fatalf("block %+v, %v; want record %d", b, err, i)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if _, err := r.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Next at the end: %v; want the deadline", err)
			}
		})
	}
}

func TestSecondWriterIsRefused(t *testing.T) {
	topic := newTopic(t, Options{}, Settings{})
	w := openWriter(t, topic, 0)
	_, err := topic.Writer(0)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "process ") {
		t.Errorf("second writer: %v; want ErrLocked with a pid", err)
	}
	if _, err := topic.Own(0, Owner{Job: "j", Epoch: 3}); !errors.Is(err, ErrLocked) {
		t.Errorf("a job beside a producer: %v; want ErrLocked", err)
	}
	check(t, w.Close())
	check(t, openWriter(t, topic, 0).Close())
}

func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "no"), Options{}); !errors.Is(err, ErrNoLog) {
		t.Errorf("Open: %v; want ErrNoLog", err)
	}
	l := openLog(t, dir, Options{Log: slog.New(slog.DiscardHandler)})
	if _, err := l.Topic("no"); !errors.Is(err, ErrNoTopic) || !strings.Contains(err.Error(), "millrace log create") {
		t.Errorf("Topic: %v; want ErrNoTopic and how to make it", err)
	}
	topic := must[*Topic](t)(l.Create("t", Settings{Partitions: 2}))
	if _, err := l.Create("t", Settings{}); !errors.Is(err, ErrTopicExists) {
		t.Errorf("Create: %v; want ErrTopicExists", err)
	}
	if _, err := topic.Writer(2); !errors.Is(err, ErrNoPartition) {
		t.Errorf("Writer: %v; want ErrNoPartition", err)
	}
	if _, err := topic.Reader(0, 1); !errors.Is(err, ErrBeyondEnd) || !strings.Contains(err.Error(), "offset 1") {
		t.Errorf("Reader: %v; want ErrBeyondEnd", err)
	}
	for _, name := range []string{"", ".x", "a/b", "a b", strings.Repeat("x", 250)} {
		if _, err := l.Create(name, Settings{}); err == nil {
			t.Errorf("topic %q was created", name)
		}
	}
	check(t, topic.Grow(4))
	if n, err := topic.Partitions(); n != 4 || err != nil {
		t.Errorf("%d partitions, %v; want 4", n, err)
	}
	if names, err := l.Topics(); err != nil || !cmp.Equal(names, []string{"t"}) {
		t.Errorf("topics %v, %v", names, err)
	}
	var b Batch
	if err := b.Add(nil, make([]byte, MaxRecord+1), 0); !errors.Is(err, ErrTooLong) {
		t.Errorf("Add: %v; want ErrTooLong", err)
	}
}

func TestMurmur2(t *testing.T) {
	// From Kafka's UtilsTest.
	for key, want := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107} {
		if got := int32(Murmur2([]byte(key))); got != want {
			t.Errorf("Murmur2(%q) = %d, want %d", key, got, want)
		}
	}
}
