package executor

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/internal/transport"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
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
	return job.Plan()
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

// fleet is the tests' driver: it knows what a driver knows and does as it is told by the test.
type fleet struct {
	t        testing.TB
	w        *world
	nodes    map[string]*node
	epoch    int64
	gen      int64
	base     int64
	hash     []byte
	next     []int64 // offsets, by partition
	layout   rdd.Layout
	every    int
	plain    bool              // no deltas, no checkpoint
	away     map[string]string // executors that see this path in the checkpoint's place: on other machines (P23)
	deltas   []checkpoint.DeltaRef
	plans    map[int64]*checkpoint.Plan
	flight   []int64
	pending  map[int64]map[string]*checkpoint.DeltaRef
	settings Settings
}

// node is an executor as the test sees it.
type node struct {
	name  string
	conn  Conn
	stats *Stats
	addr  string
	in    chan ToDriver // what it reported; closed at its end
	kill  context.CancelFunc
	ended chan error
	seen  []ToDriver    // what waits for another expect
	keeps *Keeper       // for one on another machine
	mute  atomic.Bool   // its driver does not answer
	asked chan struct{} // it wanted an answer then
	until [feedParts]int64
}

func newFleet(w *world) *fleet {
	return &fleet{
		t: w.t, w: w, nodes: map[string]*node{}, epoch: 1, next: make([]int64, feedParts), plans: map[int64]*checkpoint.Plan{},
		layout: rdd.Layout{Reduce: 4, Lanes: map[string]int{"out": 2}}, pending: map[int64]map[string]*checkpoint.DeltaRef{},
		settings: Settings{HeartbeatMillis: 500}, away: map[string]string{},
	}
}

var testLog = slog.New(slog.DiscardHandler)

func (f *fleet) config(name string) (Config, *node) {
	n := &node{name: name, stats: &Stats{}, in: make(chan ToDriver, 1024), ended: make(chan error, 1)}
	return Config{Name: name, Slots: 2, Log: testLog, Stats: n.stats, Debug: true}, n
}

// local adds an in-process executor.
func (f *fleet) local(name string, how ...func(*Config)) *node {
	cfg, n := f.config(name)
	cfg.Plan = f.w.plan()
	for _, h := range how {
		h(&cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	conn, err := Local(ctx, cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	n.conn, n.kill = conn, cancel
	f.t.Cleanup(func() { cancel(); _ = conn.Close() })
	f.pump(n)
	f.welcome(n)
	return n
}

var testToken = []byte("a shared secret")

// process adds an executor behind a unix socket, as a child process would be.
func (f *fleet) process(name string, how ...func(*Config)) *node {
	cfg, n := f.config(name)
	cfg.Build = func(*Welcome) (*rdd.Plan, error) { return f.w.build() }
	for _, h := range how {
		h(&cfg)
	}
	sock := filepath.Join(f.t.(interface{ TempDir() string }).TempDir(), "s")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.ended <- ServeSocket(ctx, sock, testToken, cfg, 10*time.Second)
	}()
	f.t.Cleanup(func() { cancel(); <-done })
	n.kill, n.addr = cancel, sock
	n.conn = f.dial(sock)
	f.pump(n)
	f.welcome(n)
	return n
}

func (f *fleet) dial(sock string) Conn {
	f.t.Helper()
	for range 2000 {
		c, err := Dial(context.Background(), "unix", sock, transport.Security{Token: testToken})
		if err == nil {
			f.t.Cleanup(func() { _ = c.Close() })
			return c
		}
		if !errors.Is(err, os.ErrNotExist) && !strings.Contains(err.Error(), "refused") {
			f.t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // the socket is made by another goroutine; nothing tells us when
	}
	f.t.Fatal("no socket")
	return nil
}

func (f *fleet) pump(n *node) {
	conn, in := n.conn, n.in
	if f.away[n.name] != "" {
		dir, err := checkpoint.OpenState(f.w.dir)
		if err != nil {
			f.t.Fatal(err)
		}
		n.keeps, n.asked = NewKeeper(dir, n.name, f.epoch), make(chan struct{}, 1024)
	}
	go func() {
		defer close(in)
		for {
			m, err := conn.Recv()
			if err != nil {
				return
			}
			switch m.(type) {
			case *Heartbeat:
				continue
			case *Deposit, *Fetch:
				if n.mute.Load() {
					n.asked <- struct{}{}
					continue
				}
				if n.keeps == nil || conn.Send(n.keeps.Handle(m)) != nil {
					return
				}
				continue
			}
			in <- m
		}
	}()
}

func (f *fleet) send(n *node, m ToExecutor) {
	f.t.Helper()
	if err := n.conn.Send(m); err != nil {
		f.t.Fatalf("%s: %v", n.name, err)
	}
}

func (f *fleet) welcome(n *node) *Join {
	f.t.Helper()
	w := &Welcome{Epoch: f.epoch, Executor: n.name, Job: "test", UUID: "u", Timeline: 1, PlanText: f.w.plan().Text, Settings: f.settings}
	if !f.plain {
		w.Checkpoint, w.Nonce, w.Settings.Deltas, w.Settings.CheckpointEvery = f.w.dir, "nonce", true, f.every
		if dir := f.away[n.name]; dir != "" {
			w.Checkpoint = dir
		}
	}
	f.send(n, w)
	j := expect[*Join](f, n)
	if j.Refusal != "" {
		f.t.Fatalf("%s refuses: %s", n.name, j.Refusal)
	}
	n.addr = j.Addr
	f.nodes[n.name] = n
	return j
}

// testWait is how long a report may take: a test that is to go red need not wait long.
var testWait = func() time.Duration {
	if os.Getenv("MILLRACE_FAULT") != "" {
		return 3 * time.Second
	}
	return 20 * time.Second
}()

// expect is the node's next report of that type; others wait in seen.
func expect[M ToDriver](f *fleet, n *node) M {
	f.t.Helper()
	return expectThat(f, n, func(M) bool { return true })
}

func expectThat[M ToDriver](f *fleet, n *node, ok func(M) bool) M {
	f.t.Helper()
	for i, m := range n.seen {
		if got, is := m.(M); is && ok(got) {
			n.seen = slices.Delete(n.seen, i, i+1)
			return got
		}
	}
	limit := time.After(testWait)
	for {
		select {
		case m, open := <-n.in:
			if !open {
				f.t.Fatalf("%s ended, want %T", n.name, *new(M))
			}
			if h, is := m.(*Held); is {
				for _, p := range h.Parts {
					if p.Source == "words" {
						n.until[p.Partition] = p.Until
					}
				}
			}
			if got, is := m.(M); is && ok(got) {
				return got
			}
			if _, is := m.(*Held); is {
				continue
			}
			if failed, is := m.(*TaskFailed); is {
				if _, want := any(*new(M)).(*TaskFailed); !want {
					f.t.Fatalf("%s: batch %d task %v failed: %s", n.name, failed.Batch, failed.Task, failed.Message)
				}
			}
			n.seen = append(n.seen, m)
		case <-limit:
			f.t.Fatalf("%s does not say %T; it said %s", n.name, *new(M), describe(n.seen))
		}
	}
}

func describe(list []ToDriver) string {
	var b strings.Builder
	for _, m := range list {
		if _, ok := m.(*Held); !ok {
			fmt.Fprintf(&b, "%T%+v ", m, m)
		}
	}
	return b.String()
}

func (f *fleet) names() []string {
	var names []string
	for n := range f.nodes {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// assignment shares everything evenly over the executors, in turn.
func (f *fleet) assignment(rollback bool, owner func(kind string, i int) string) *Assign {
	f.gen++
	names := f.names()
	if owner == nil {
		owner = func(_ string, i int) string { return names[i%len(names)] }
	}
	a := &Assign{
		Generation: f.gen, Base: f.base, BaseHash: f.hash, Rollback: rollback, Layout: f.layout, Lanes: map[string][]string{}, Peers: map[string]string{},
		Deltas: slices.Clone(f.deltas), Owner: sink.Owner{UUID: "u", Timeline: 1, Epoch: f.epoch},
	}
	for p := range feedParts {
		a.Sources = append(a.Sources, SourceAssign{
			Source: "words", Partition: checkpoint.Partition{Source: "words", Partition: p, Key: fmt.Sprint(p)}, From: f.next[p], Executor: owner("source", p),
		})
	}
	for p := range f.layout.Reduce {
		a.Reduce = append(a.Reduce, owner("reduce", p))
	}
	for name, n := range f.layout.Lanes {
		for i := range n {
			a.Lanes[name] = append(a.Lanes[name], owner("lane", i))
		}
	}
	for _, n := range names {
		a.Peers[n] = f.nodes[n].addr
	}
	for _, b := range f.flight {
		if !rollback {
			a.InFlight = append(a.InFlight, *f.plans[b])
		}
	}
	return a
}

// assign sends an assignment to all and waits until it is prepared.
func (f *fleet) assign(rollback bool, owner func(kind string, i int) string) *Assign {
	f.t.Helper()
	a := f.assignment(rollback, owner)
	for _, n := range f.names() {
		f.send(f.nodes[n], a)
	}
	for _, n := range f.names() {
		d := expectThat(f, f.nodes[n], func(d *Assigned) bool { return d.Generation == a.Generation })
		if d.Err != "" {
			f.t.Fatalf("%s: %s", n, d.Err)
		}
	}
	return a
}

// cut plans the next batch: n rows of each partition.
func (f *fleet) cut(n int64) *checkpoint.Plan {
	b := f.base + int64(len(f.flight)) + 1
	p := &checkpoint.Plan{Batch: b, Time: 1_000_000 * b, Layout: f.layout}
	for i := range f.next {
		if n > 0 {
			p.Ranges = append(p.Ranges, checkpoint.Range{Source: "words", Partition: i, From: f.next[i], Until: f.next[i] + n})
		}
		f.next[i] += n
	}
	h := sha256.Sum256(binary.LittleEndian.AppendUint64([]byte(fmt.Sprint(p.Ranges)), uint64(b)))
	p.Hash = h[:16]
	f.plans[b] = p
	return p
}

func (f *fleet) launch(p *checkpoint.Plan) {
	f.t.Helper()
	f.flight = append(f.flight, p.Batch)
	for _, n := range f.names() {
		f.send(f.nodes[n], &Launch{Plan: *p})
	}
}

// staged waits until all have staged a batch under the current generation.
func (f *fleet) staged(b int64) map[string]*Staged {
	f.t.Helper()
	out := map[string]*Staged{}
	f.pending[b] = map[string]*checkpoint.DeltaRef{}
	for _, n := range f.names() {
		s := expectThat(f, f.nodes[n], func(s *Staged) bool { return s.Batch == b && s.Generation == f.gen })
		out[n] = s
		if s.Delta != nil {
			f.pending[b][n] = s.Delta
		}
	}
	return out
}

func (f *fleet) publish(b int64) {
	f.t.Helper()
	for _, n := range f.names() {
		f.send(f.nodes[n], &Publish{Batch: b})
	}
	for _, n := range f.names() {
		expectThat(f, f.nodes[n], func(p *Published) bool { return p.Batch == b && p.Generation == f.gen })
	}
}

func (f *fleet) commit(b int64) {
	f.record(b)
	for _, n := range f.names() {
		f.send(f.nodes[n], &Committed{Batch: b})
	}
}

// record is a commit that nobody hears of.
func (f *fleet) record(b int64) {
	for _, n := range f.names() {
		if d := f.pending[b][n]; d != nil {
			f.deltas = append(f.deltas, *d)
		}
	}
	f.base, f.hash = b, f.plans[b].Hash
	f.flight = slices.DeleteFunc(f.flight, func(x int64) bool { return x <= b })
}

// batch runs one batch from cut to commit.
func (f *fleet) batch(n int64) map[string]*Staged {
	f.t.Helper()
	p := f.cut(n)
	f.launch(p)
	s := f.staged(p.Batch)
	f.publish(p.Batch)
	f.commit(p.Batch)
	return s
}

// lose ends an executor without a word, with all its memory.
func (f *fleet) lose(name string) {
	n := f.nodes[name]
	n.kill()
	_ = n.conn.Close()
	delete(f.nodes, name)
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
