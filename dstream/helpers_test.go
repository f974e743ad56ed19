package dstream_test

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// The text of test files, to find lines in.
var (
	//go:embed job_test.go
	jobTestSource string
	//go:embed shared_test.go
	sharedTestSource string
	//go:embed panic_test.go
	panicTestSource string
)

// lineIn is the line of source that ends in the comment mark.
func lineIn(t *testing.T, source, mark string) int {
	t.Helper()
	for i, l := range strings.Split(source, "\n") {
		if strings.HasSuffix(l, "// "+mark) {
			return i + 1
		}
	}
	t.Fatalf("no line is marked %q", mark)
	return 0
}

// wantMistakes wants a mistake for each line of a test file that ends in a comment "want: TEXT", in order, with that text, and no others.
func wantMistakes(t *testing.T, file, source string, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no mistakes")
	}
	got := strings.Split(err.Error(), "\n")
	for i, line := range strings.Split(source, "\n") {
		_, want, ok := strings.Cut(line, "// want: ")
		if !ok {
			continue
		}
		if len(got) == 0 || !strings.HasPrefix(got[0], file+":"+itoa(i+1)+": ") || !strings.Contains(got[0], want) {
			t.Fatalf("mistake at line %d is %q, want %q", i+1, append(got, "none")[0], want)
		}
		got = got[1:]
	}
	if len(got) > 0 {
		t.Errorf("more mistakes: %q", got)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

// Profile is a row of a table.
type Profile struct {
	ID   int64
	Name string
}

// step is one batch of a test: its time in seconds, its rows, and what must reach the sink "out", as text, sorted.
type step struct {
	at   int
	rows []dstreamtest.Rows
	want string
}

// layouts under which every job of a test runs.
var layouts = []dstreamtest.Options{
	{Reduce: 1}, {Reduce: 2, Lanes: 2}, {Reduce: 3, Block: 1}, {Reduce: 5, Lanes: 3, Block: 2}, {Reduce: 2, Debug: true},
}

// run runs a job under each layout, without and with a restart (into the next layout) after each batch, and compares what
// reaches "out". Two runs of one layout must give equal blocks (I2).
func run(t *testing.T, build func(*dstream.Job), show func(*dstreamtest.Batch) []string, steps []step) {
	t.Helper()
	for _, o := range layouts {
		for _, restart := range []bool{false, true} {
			name := fmt.Sprintf("reduce %d lanes %d block %d debug %v restart %v", o.Reduce, o.Lanes, o.Block, o.Debug, restart)
			a, b := runner(t, o, build), runner(t, o, build)
			for i, s := range steps {
				got, again := batch(t, a, s), batch(t, b, s)
				if diff := cmp.Diff(sums(got), sums(again)); diff != "" {
					t.Fatalf("%s: batch %d: two runs differ: %s", name, i+1, diff)
				}
				rows := show(got)
				slices.Sort(rows)
				if text := strings.Join(rows, " "); text != s.want {
					t.Fatalf("%s: batch %d: got %q, want %q", name, i+1, text, s.want)
				}
				if restart {
					for _, r := range []*dstreamtest.Runner{a, b} {
						if err := r.Restart(i%4 + 1); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		}
	}
}

func runner(t *testing.T, o dstreamtest.Options, build func(*dstream.Job)) *dstreamtest.Runner {
	t.Helper()
	r, err := dstreamtest.New(o, build)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func batch(t *testing.T, r *dstreamtest.Runner, s step) *dstreamtest.Batch {
	t.Helper()
	b, err := r.Run(dstreamtest.At(time.Duration(s.at)*time.Second), s.rows...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sums(b *dstreamtest.Batch) []uint64 {
	var all []uint64
	for _, block := range b.Blocks {
		all = append(all, block.Sum)
	}
	return all
}

// values shows the rows of a stream.
func values[T any](b *dstreamtest.Batch) []string {
	var out []string
	for _, v := range dstreamtest.Values[T](b, "out") {
		out = append(out, fmt.Sprintf("%v", v))
	}
	return out
}

// pairs shows the rows of a keyed stream.
func pairs[K, V any](b *dstreamtest.Batch) []string {
	var out []string
	for _, p := range dstreamtest.Pairs[K, V](b, "out") {
		out = append(out, fmt.Sprintf("%v=%v", p.Key, p.Value))
	}
	return out
}
