package executor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/transport"
	"github.com/millrace/millrace/rdd"
)

var testLog = slog.New(slog.DiscardHandler)

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
