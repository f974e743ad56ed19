package executor

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/transport"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// TestJoinDriver has executors connect to a driver that listens on loopback, and go when they are told to.
func TestJoinDriver(t *testing.T) {
	want := undisturbed(t, pushed, 10, 20)
	w := newWorld(t)
	pushed(w)
	sec := transport.Security{Token: testToken}
	l, err := ListenForExecutors("127.0.0.1:0", sec)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f := newFleet(w)
	var ended []chan error
	for _, name := range []string{"a", "b"} {
		cfg, n := f.config(name)
		cfg.Build = func(*Welcome) (*rdd.Plan, error) { return w.build() }
		end := make(chan error, 1)
		ended = append(ended, end)
		go func() { end <- JoinDriver(context.Background(), l.Addr(), sec, cfg) }()
		if n.conn, err = l.Accept(); err != nil {
			t.Fatal(err)
		}
		f.pump(n)
		if j := f.welcome(n); !strings.HasPrefix(j.Addr, "tcp:127.0.0.1:") || strings.HasSuffix(j.Addr, ":0") {
			t.Errorf("peers are to reach %s at %q", name, j.Addr)
		}
	}
	f.assign(true, nil)
	f.batch(10)
	f.batch(20)
	sameText(t, w.store.text(), want)
	for _, n := range f.nodes {
		f.send(n, &Stop{Reason: "test"})
	}
	for _, end := range ended {
		if err := <-end; err != nil {
			t.Error(err)
		}
	}
}

// TestRefusals are drivers that an executor does not follow, each with what it says.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	text := w.plan().Text
	for _, c := range []struct {
		name string
		w    Welcome
		want string
	}{
		{"plan", Welcome{PlanText: text + "extra line\n"}, "driver:   extra line"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, _ := newFleet(w).config("a")
			cfg.Plan = w.plan()
			conn, err := Local(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.Send(&c.w); err != nil {
				t.Fatal(err)
			}
			m, err := conn.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if j, ok := m.(*Join); !ok || !strings.Contains(j.Refusal, c.want) {
				t.Errorf("%+v", m)
			}
		})
	}
}

// TestOrphan waits for a driver that does not come.
func TestOrphan(t *testing.T) {
	w := newWorld(t)
	cfg, _ := newFleet(w).config("a")
	cfg.Plan = w.plan()
	err := ServeSocket(t.Context(), filepath.Join(t.TempDir(), "s"), testToken, cfg, 10*time.Millisecond)
	if !errors.Is(err, ErrOrphaned) {
		t.Errorf("%v", err)
	}
}

// TestStopWithoutWelcome is how a driver of another program sends children away (P20).
func TestStopWithoutWelcome(t *testing.T) {
	w := newWorld(t)
	f := newFleet(w)
	n := f.process("a")
	c := f.dial(strings.TrimPrefix(n.addr, "unix:"))
	if err := c.Send(&Stop{Reason: "another program"}); err != nil {
		t.Fatal(err)
	}
	if err := <-n.ended; err != nil {
		t.Error(err)
	}
	n.ended <- nil
}

// TestCloseSendsStop closes the connection right behind Stop: the executor hears it.
func TestCloseSendsStop(t *testing.T) {
	for range 20 {
		f := newFleet(newWorld(t))
		n := f.process("a")
		f.send(n, &Stop{Reason: "test"})
		_ = n.conn.Close()
		if err := <-n.ended; err != nil {
			t.Fatal(err)
		}
		n.ended <- nil
	}
}

// TestMessages sends every message through its wire form.
func TestMessages(t *testing.T) {
	plan := checkpoint.Plan{Batch: 3, Time: 4, Ranges: []checkpoint.Range{{Source: "s", Partition: 1, From: 2, Until: 9}}, Layout: rdd.Layout{Reduce: 2, Lanes: map[string]int{"o": 1}}, Hash: []byte{1}}
	ref := &checkpoint.DeltaRef{File: "f", Bytes: 1, Sum: 1 << 63, Batch: 3, Since: 2, Sections: []checkpoint.Section{{Operator: "x", Until: 128, Full: true}}}
	for _, m := range []any{
		&Welcome{Epoch: 1, Args: []string{"a"}, Values: []rdd.Value{{Name: "v", Data: []byte{1}}}, Settings: Settings{PrefetchBytes: 7, Deltas: true}},
		&Assign{
			Generation: 1, Rollback: true, Sources: []SourceAssign{{Source: "s", Partition: checkpoint.Partition{Source: "s", Key: "k", Meta: []byte{2}}}},
			Lanes: map[string][]string{"o": {"a"}}, Peers: map[string]string{"a": "unix:/x"}, Deltas: []checkpoint.DeltaRef{*ref}, Owner: sink.Owner{UUID: "u"}, InFlight: []checkpoint.Plan{plan},
		},
		&Launch{Plan: plan, Skip: []LaneID{{"o", 1}}}, &Retry{Batch: 1, Tasks: []rdd.TaskID{{Node: 1, Part: 2}, DeltaTask}}, &Publish{1}, &Committed{2}, &Flush{}, &Stop{"why"},
		&Answer{ID: 1, File: "f", Data: []byte{1}, Size: NoJournal, Sum: 1 << 63, Err: "e"},
		&Deposit{ID: 1, Batch: 2, Attempt: 1, Source: "s", Partition: 3, Off: 1 << 40, Data: []byte{1}, Last: true, Sum: 1 << 63}, &Fetch{ID: 1, File: "f", Off: 7, Len: Piece},
		&Join{Executor: "a", Slots: 2, Addr: "unix:/x"}, &Assigned{Markers: []LaneMarker{{Sink: "o", OK: true, Marker: sink.Marker{UUID: "u", PlanHash: []byte{1}}}}},
		&Held{Parts: []HeldPart{{Source: "s", End: -1}}}, &TaskDone{Batch: 1, Sums: []uint64{1 << 63}, Added: []rdd.Delta{{ID: 1, Amount: rdd.Amount{Float: math.Inf(-1), Set: true}}}},
		&Forget{[]checkpoint.Pin{{Name: "b", Hash: []byte{1}}}}, &Staged{Batch: 1, Delta: ref, Tasks: []TaskDone{{Batch: 1}}},
		&Published{Batch: 1, Lanes: []LaneID{{"o", 0}}}, &TaskFailed{Message: "m", Fatal: true}, &Flushed{"e"}, &Heartbeat{3},
	} {
		kind, b, err := encodeMessage(m)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if _, ok := toExecutor[kind]; ok {
			got, err = decodeMessage(toExecutor, kind, b)
		} else {
			got, err = decodeMessage(toDriver, kind, b)
		}
		if err != nil {
			t.Fatalf("%T: %v", m, err)
		}
		if d := cmp.Diff(m, got); d != "" {
			t.Errorf("%T: %s", m, d)
		}
	}
	if _, _, err := encodeMessage(&Lost{}); err == nil {
		t.Error("Lost is sent")
	}
	if _, err := decodeMessage(toDriver, 1, nil); err == nil {
		t.Error("a driver takes a Welcome")
	}
}

func FuzzMessages(f *testing.F) {
	for _, m := range []any{&Launch{Plan: checkpoint.Plan{Batch: 1}}, &Staged{Batch: 1}} {
		kind, b, err := encodeMessage(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(kind, b)
	}
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		_, _ = decodeMessage(toDriver, kind, b)
		_, _ = new(assembly).decode(kind, b)
	})
}

func FuzzBlocks(f *testing.F) {
	w := newWorld(f)
	plan := w.plan()
	o := outgoing{runKey{7, "hash"}, rdd.TaskID{Node: 0, Part: 1}, nil, []rdd.Block{{Edge: plan.Edges(plan.Sources[0])[0], Part: 1}}, false}
	var b []byte
	for _, p := range o.marshal() {
		b = append(b, p...)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := unmarshal(plan, b)
		if err == nil && len(in.blocks) > len(b) {
			t.Errorf("%d blocks in %d bytes", len(in.blocks), len(b))
		}
	})
}

// BenchmarkBatch is the cost of one batch from Launch to the answer to Publish.
func BenchmarkBatch(b *testing.B) {
	for _, c := range []struct {
		name  string
		n     int64
		plain bool
		procs bool
	}{{"empty local", 0, false, false}, {"empty local plain", 0, true, false}, {"100 rows local", 100, false, false}, {"empty process", 0, false, true}} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b)
			f := newFleet(w)
			f.plain = c.plain
			f.layout.Reduce = 2
			for i := range 200 {
				w.push(i, 50)
			}
			if c.procs {
				f.process("a", func(c *Config) { c.Debug, c.Stats = false, nil })
			} else {
				f.local("a", func(c *Config) { c.Debug, c.Stats = false, nil })
			}
			f.assign(true, nil)
			for range 10 {
				f.batch(3)
			}
			left := int64(9900)
			for b.Loop() {
				n := c.n
				if left -= n; left < 0 {
					n = 0
				}
				f.batch(n)
				for _, n := range f.nodes {
					n.seen = nil
				}
			}
		})
	}
}
