package source_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/source"
	"github.com/millrace/millrace/source/sourcetest"
)

func TestLogSource(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Fixture {
		dir := t.TempDir()
		p := producer(t, dir, "t", commitlog.Settings{Partitions: 3})
		n := 0
		return sourcetest.Fixture{
			Spec: source.LogText("t").Spec(),
			Env:  logEnv(dir),
			Feed: func(k int) {
				for range k {
					n++
					if err := p.Send([]byte(fmt.Sprint(n)), []byte(fmt.Sprint("line ", n)), int64(n)*1000); err != nil {
						t.Fatal(err)
					}
				}
				if err := p.Sync(context.Background()); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func logEnv(dir string) source.Env {
	return source.Env{Job: "test", LogDir: dir, Log: slog.New(slog.DiscardHandler), Clock: clock.System{}}
}

// producer writes to a topic, made with s, until the test ends.
func producer(t *testing.T, dir, topic string, s commitlog.Settings) *commitlog.Producer {
	t.Helper()
	l, err := commitlog.Create(dir, commitlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tp, err := l.Ensure(topic, s)
	if err != nil {
		t.Fatal(err)
	}
	p, err := tp.Producer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.Close(), l.Close()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func openSource(t *testing.T, s *source.Spec, env source.Env) source.Connector {
	t.Helper()
	c, err := s.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t *testing.T, p *commitlog.Producer, from, until int) {
	t.Helper()
	for i := from; i < until; i++ {
		if err := p.Send(nil, []byte(strings.Repeat("x", 100)), int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestLogStart(t *testing.T) {
	dir := t.TempDir()
	p := producer(t, dir, "t", commitlog.Settings{})
	send(t, p, 0, 100)
	for _, c := range []struct {
		name  string
		start source.Start
		want  int64
	}{
		{"earliest", source.Earliest, 0},
		{"latest", source.Latest, 100},
		{"time", source.At(time.UnixMicro(40)), 40},
		{"time before all", source.At(time.UnixMicro(-1)), 0},
		{"time behind all", source.At(time.UnixMicro(1000)), 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := openSource(t, source.LogText("t", source.From(c.start)).Spec(), logEnv(dir))
			parts, err := conn.Partitions(t.Context())
			if err != nil || len(parts) != 1 || parts[0].Start != c.want || parts[0].End != 100 {
				t.Errorf("partitions %+v, %v; want start %d, end 100", parts, err, c.want)
			}
		})
	}
}

// A partition that is added while the job runs is read from its beginning, also with Latest.
func TestLogNewPartition(t *testing.T) {
	dir := t.TempDir()
	p := producer(t, dir, "t", commitlog.Settings{})
	send(t, p, 0, 10)
	conn := openSource(t, source.LogText("t", source.From(source.Latest)).Spec(), logEnv(dir))
	if _, err := conn.Partitions(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := commitlog.Open(dir, commitlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	topic, err := l.Topic("t")
	if err != nil {
		t.Fatal(err)
	}
	if err := topic.Grow(2); err != nil {
		t.Fatal(err)
	}
	w, err := topic.Writer(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Add(nil, []byte("new"), 1), w.Close()); err != nil {
		t.Fatal(err)
	}
	parts, err := conn.Partitions(t.Context())
	if err != nil || len(parts) != 2 || parts[0].Start != 10 || parts[1].Start != 0 || parts[1].End != 1 {
		t.Errorf("partitions %+v, %v", parts, err)
	}
}

func TestLogMissing(t *testing.T) {
	dir := t.TempDir()
	if _, err := source.LogText("t").Spec().Open(t.Context(), logEnv(dir+"/no")); !errors.Is(err, commitlog.ErrNoLog) {
		t.Errorf("no log: %v", err)
	}
	_, err := source.LogText("t").Spec().Open(t.Context(), logEnv(dir))
	if !errors.Is(err, commitlog.ErrNoTopic) || !strings.Contains(err.Error(), "millrace log create") {
		t.Errorf("no topic: %v; want how to create it", err)
	}
}

// What retention removed is an error with both offsets, or a reset where the user chose so.
func TestLogOffsetGone(t *testing.T) {
	dir := t.TempDir()
	p := producer(t, dir, "t", commitlog.Settings{SegmentBytes: 1000, RetainBytes: 3000})
	for i := range 100 {
		send(t, p, i, i+1)
	}
	for _, reset := range []bool{false, true} {
		env := logEnv(dir)
		env.Reset = reset
		conn := openSource(t, source.LogText("t").Spec(), env)
		parts, err := conn.Partitions(t.Context())
		if err != nil || parts[0].Start == 0 {
			t.Fatalf("partitions %+v, %v; want a start behind 0", parts, err)
		}
		r, err := conn.Reader(t.Context(), parts[0], 0)
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Next(t.Context())
		switch {
		case !reset && (!errors.Is(err, source.ErrOffsetGone) || !strings.Contains(err.Error(), fmt.Sprint("earliest is ", parts[0].Start))):
			t.Errorf("reading offset 0: %v; want ErrOffsetGone and the earliest, %d", err, parts[0].Start)
		case reset && (err != nil || b.First != parts[0].Start):
			t.Errorf("reset: block %+v, %v; want one from %d", b, err, parts[0].Start)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
