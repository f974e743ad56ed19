package executor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// word is a row of the tests' source.
type word struct {
	Word string `arrow:"word"`
	N    int64  `arrow:"n"`
}

// world is what outlives executors: source, sink, checkpoint folder. The job counts words and joins nothing.
type world struct {
	t     testing.TB
	feed  *source.Feed[word]
	store *store
	dir   string
	wrap  func(*dstream.Job, dstream.Stream[word]) dstream.Stream[word] // a step of user code, for failures
	extra func(*dstream.Job, dstream.Stream[word])
	alter func(*rdd.Plan) // before the plan is built
	turn  rdd.Expand      // builds for each batch what the counts are made of
}

const feedParts = 3

func newWorld(t testing.TB) *world {
	w := &world{t: t, feed: source.NewFeed[word](feedParts), store: newStore(), dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(w.dir, "nonce"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) plan() *rdd.Plan {
	p, err := w.build()
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) build() (*rdd.Plan, error) {
	job := dstream.NewJob(dstream.JobOptions{Name: "test"})
	words := dstream.From(job, w.feed.Source("words"))
	if w.wrap != nil {
		words = w.wrap(job, words)
	}
	if w.extra != nil {
		w.extra(job, words)
	}
	words.KeyBy(func(x word) string { return x.Word }).RunningCount("counts").To(w.store.sink("out"))
	p, err := job.Plan()
	switch {
	case err != nil:
		return nil, err
	case w.turn != nil:
		return p, transform(p, w.turn)
	case w.alter != nil:
		w.alter(p)
		return p, p.Build()
	}
	return p, nil
}

// transform puts a transform node behind a plan's source.
func transform(p *rdd.Plan, f rdd.Expand) error {
	src := p.Sources[0]
	x := &rdd.Node{Kind: rdd.Narrow, Op: "transform", Site: "words.go:9", In: []*rdd.Node{src}, Val: src.Val, Expand: f}
	for _, n := range src.Out {
		n.In[slices.Index(n.In, src)] = x
	}
	p.Nodes = slices.Insert(p.Nodes, 1, x)
	return p.Build()
}

// push appends n words to each partition: words of batch b.
func (w *world) push(b, n int) {
	for p := range feedParts {
		var rows []word
		for i := range n {
			rows = append(rows, word{fmt.Sprintf("w%d", (b*7+p*3+i*5)%40), int64(i)})
		}
		w.feed.Push(p, rows...)
	}
}

// undisturbed is what the store has after batches of these sizes without any failure.
func undisturbed(t testing.TB, pushes func(w *world), sizes ...int64) string {
	t.Helper()
	w := newWorld(t)
	pushes(w)
	f := newFleet(w)
	f.local("only")
	f.assign(true, nil)
	for _, n := range sizes {
		f.batch(n)
	}
	return w.store.text()
}

func sameText(t testing.TB, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("line %d: got %q, want %q (%d and %d lines)", i, g[i], w[i], len(g), len(w))
		}
	}
	t.Fatalf("got %d lines, want %d", len(g), len(w))
}

func partitionOf(p int) source.Partition { return source.Partition{Key: fmt.Sprint(p)} }

func connectorOf(t *testing.T, p *rdd.Plan, node int) source.Connector {
	t.Helper()
	c, err := p.Nodes[node].Leaf.(*source.Spec).Open(t.Context(), source.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
