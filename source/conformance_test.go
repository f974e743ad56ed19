package source_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/source"
	"github.com/millrace/millrace/source/sourcetest"
)

func TestMemoryConforms(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Fixture {
		return sourcetest.Fixture{Spec: source.MemoryOf([][]string{{"a", "b"}, {"c"}, nil, {"d", "e", "f"}, {"g"}}, source.Partitions(2)).Spec()}
	})
}

func TestFeedConforms(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Fixture {
		f := source.NewFeed[int](3)
		n := 0
		return sourcetest.Fixture{Spec: f.Source("numbers").Spec(), Feed: func(k int) {
			for range k {
				f.Push(n%3, n)
				n++
			}
		}}
	})
}

func TestRateConforms(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Fixture {
		c := clock.NewManual(time.Unix(1_700_000_000, 0))
		spec := *source.Rate(1000, source.Partitions(3)).Spec()
		open := spec.Open
		spec.Open = func(ctx context.Context, env source.Env) (source.Connector, error) {
			conn, err := open(ctx, env)
			if err == nil {
				_, err = conn.Partitions(ctx) // fixes the start
				c.Advance(100 * time.Millisecond)
			}
			return conn, err
		}
		return sourcetest.Fixture{Spec: &spec, Env: source.Env{Clock: c}}
	})
}

// filesFixture feeds n lines as one new file each time.
func filesFixture(packed bool, make func(dir string, opts ...source.Option) *source.Spec, header string) func(t *testing.T) sourcetest.Fixture {
	return func(t *testing.T) sourcetest.Fixture {
		dir := t.TempDir()
		files, lines := 0, 0
		return sourcetest.Fixture{Spec: make(dir, source.Settle(0)), Feed: func(n int) {
			text := header
			for range n {
				text += fmt.Sprintf("line,%d\r\n", lines)
				lines++
			}
			files++
			name := filepath.Join(dir, fmt.Sprintf("%04d.csv", files))
			if packed {
				name += ".gz"
			}
			writeFile(t, name, text, packed)
		}}
	}
}

func writeFile(t testing.TB, name, text string, packed bool) {
	t.Helper()
	f, err := os.Create(name + ".tmp")
	if err != nil {
		t.Fatal(err)
	}
	if packed {
		z := gzip.NewWriter(f)
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	} else if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".tmp", name); err != nil {
		t.Fatal(err)
	}
}

func TestFilesConform(t *testing.T) {
	text := func(dir string, opts ...source.Option) *source.Spec { return source.FilesText(dir, opts...).Spec() }
	type row struct {
		Name   string
		Number int
	}
	table := func(dir string, opts ...source.Option) *source.Spec {
		return source.FilesCSV[row](dir, append(opts, source.Header())...).Spec()
	}
	t.Run("text", func(t *testing.T) { sourcetest.Run(t, filesFixture(false, text, "")) })
	t.Run("gzip", func(t *testing.T) { sourcetest.Run(t, filesFixture(true, text, "")) })
	t.Run("header", func(t *testing.T) { sourcetest.Run(t, filesFixture(false, table, "name,number\n")) })
	t.Run("gzip header", func(t *testing.T) { sourcetest.Run(t, filesFixture(true, table, "name,number\n")) })
}

func TestLogConforms(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Fixture {
		dir := t.TempDir()
		l, err := commitlog.Create(dir, commitlog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		topic, err := l.Ensure("lines", commitlog.Settings{Partitions: 3})
		if err != nil {
			t.Fatal(err)
		}
		var writers []*commitlog.Writer
		for p := range 3 {
			w, err := topic.Writer(p)
			if err != nil {
				t.Fatal(err)
			}
			writers = append(writers, w)
		}
		t.Cleanup(func() {
			for _, w := range writers {
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
		lines := 0
		return sourcetest.Fixture{Spec: source.LogText("lines").Spec(), Env: source.Env{LogDir: dir}, Feed: func(n int) {
			for range n {
				if err := writers[lines%3].Add([]byte("key"), fmt.Appendf(nil, "line %d", lines), int64(lines)); err != nil {
					t.Fatal(err)
				}
				lines++
			}
			for _, w := range writers {
				if err := w.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}}
	})
}
