package executor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/internal/transport"
	"github.com/millrace/millrace/rdd"
)

// TestAccumulatorsOfAttempts lets tasks fail behind part of their rows, in front of a shuffle and behind it: what they report in the end is what the attempt
// that was accepted added, once a row (P17).
func TestAccumulatorsOfAttempts(t *testing.T) {
	w := newWorld(t)
	pushed(w)
	var fail atomic.Bool
	w.wrap = func(job *dstream.Job, s dstream.Stream[word]) dstream.Stream[word] {
		rows := dstream.Accumulator[int64](job, "rows")
		return s.MapTask(func(t dstream.Task, x word) word {
			rows.Add(t, 1)
			if x.N == 15 && fail.Load() {
				panic("bad luck")
			}
			return x
		})
	}
	w.extra = func(job *dstream.Job, s dstream.Stream[word]) {
		keys := dstream.Accumulator[int64](job, "keys")
		s.KeyBy(func(x word) string { return x.Word }).CountByKey().MapValuesTask(func(t dstream.Task, k string, n int64) int64 {
			keys.Add(t, n)
			if k == "w5" && fail.Load() {
				panic("no w5")
			}
			return n
		}).To(w.store.sink("other"))
	}
	f := newFleet(w)
	f.layout.Lanes["other"] = 1
	n := f.local("a")
	f.assign(true, nil)
	fail.Store(true)
	p := f.cut(20)
	f.launch(p)
	failed := expect[*TaskFailed](f, n)
	fail.Store(false)
	for i := 1; ; i++ {
		f.send(n, &Retry{Batch: p.Batch, Attempt: i, Tasks: []rdd.TaskID{failed.Task}})
		if s := expectAny(f, n, &failed); s != nil {
			var got [2]int64
			for _, d := range s.Tasks {
				for _, a := range d.Added {
					got[a.ID] += a.Amount.Int
				}
			}
			if want := [2]int64{20 * feedParts, 20 * feedParts}; got != want {
				t.Fatalf("tasks added %v, want %v", got, want)
			}
			return
		}
	}
}

// badge is a broadcast's value that counts how often it is decoded.
type badge struct {
	Name string
	Fill []byte
}

var decoded atomic.Int64

func (b *badge) UnmarshalCBOR(data []byte) error {
	decoded.Add(1)
	type plain badge
	return cbor.Unmarshal(data, (*plain)(b))
}

func badgeOf(t testing.TB, name string, fill int) *rdd.Version {
	data, err := cbor.Marshal(badge{name, make([]byte, fill)})
	if err != nil {
		t.Fatal(err)
	}
	return rdd.NewVersion("badge", data)
}

// badged marks each word with the version that its task saw.
func badged(w *world) {
	w.wrap = func(job *dstream.Job, s dstream.Stream[word]) dstream.Stream[word] {
		b := dstream.Broadcast(job, "badge", func(context.Context) (badge, error) { panic("executors load nothing") })
		return s.MapTask(func(t dstream.Task, x word) word { return word{x.Word + b.Get(t).Name, x.N} })
	}
}

func pin(p *checkpoint.Plan, v *rdd.Version) *checkpoint.Plan {
	p.Broadcasts = []checkpoint.Pin{{Name: v.Name, Version: 1, Hash: v.Hash[:]}}
	return p
}

// marks are the versions that the rows in the sink were marked with.
func marks(w *world) string {
	seen := map[string]bool{}
	for line := range strings.Lines(w.store.text()) {
		for _, f := range strings.FieldsFunc(line, func(r rune) bool { return !(r >= 'A' && r <= 'Z') }) {
			seen[f] = true
		}
	}
	var list []string
	for m := range seen {
		list = append(list, m)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// TestVersions has two batches in flight that were planned with different versions of a broadcast. Each sees its own, in an executor that joins in their
// middle too, and a version is decoded once in a process.
func TestVersions(t *testing.T) {
	for _, kind := range []string{"local", "process"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			pushed(w)
			badged(w)
			f := newFleet(w)
			start := func(name string) *node {
				if kind == "local" {
					return f.local(name)
				}
				return f.process(name)
			}
			a, b := badgeOf(t, "AA", 3*Piece), badgeOf(t, "BB", 0)
			give := func(n *node, v *rdd.Version) {
				if kind == "local" { // in one process the object itself travels
					v = rdd.NewVersion(v.Name, v.Data)
				}
				f.send(n, &Share{v})
			}
			decoded.Store(0)
			n := start("one")
			give(n, a)
			f.assign(true, nil)
			p := pin(f.cut(10), a)
			f.launch(p)
			f.staged(p.Batch)
			give(n, b)
			q := pin(f.cut(10), b)
			f.launch(q)
			f.staged(q.Batch)
			if got := decoded.Load(); got != 2 {
				t.Errorf("two versions were decoded %d times", got)
			}
			f.lose("one")
			n = start("two")
			give(n, a)
			give(n, b)
			f.assign(false, nil)
			f.finish(p)
			if got := marks(w); got != "AA" {
				t.Errorf("the first batch saw %q", got)
			}
			f.finish(q)
			if got := marks(w); got != "AA BB" {
				t.Errorf("both batches saw %q", got)
			}
			f.send(n, &Forget{q.Broadcasts})
			r := pin(f.cut(10), b)
			f.launch(r)
			if failed := expect[*TaskFailed](f, n); !strings.Contains(failed.Message, `broadcast "badge": there is no version of it`) {
				t.Errorf("a version that was forgotten: %s", failed.Message)
			}
		})
	}
}

// TestVersionsOfNewDriver gives an executor that waited for a driver the version that it has: it is not decoded again.
func TestVersionsOfNewDriver(t *testing.T) {
	w := newWorld(t)
	pushed(w)
	badged(w)
	f := newFleet(w)
	n := f.process("a")
	v := badgeOf(t, "AA", 0)
	decoded.Store(0)
	f.send(n, &Share{v})
	f.assign(true, nil)
	p := pin(f.cut(10), v)
	f.launch(p)
	f.finish(p)
	f.epoch++
	_ = n.conn.Close()
	again := &node{name: n.name, conn: f.dial(n.addr[strings.Index(n.addr, ":")+1:]), in: make(chan ToDriver, 1024), kill: n.kill}
	f.pump(again)
	f.welcome(again)
	f.gen = 0
	f.send(again, &Share{v})
	f.assign(true, nil)
	p = pin(f.cut(10), v)
	f.launch(p)
	f.finish(p)
	if got := decoded.Load(); got != 1 {
		t.Errorf("the version was decoded %d times", got)
	}
}

// TestPieces sends versions in pieces; what is not whole, or not what it should be, is an error and no version.
func TestPieces(t *testing.T) {
	for _, size := range []int{0, 1, Piece - 1, Piece, Piece + 1, 3*Piece + 5} {
		v := rdd.NewVersion("v", []byte(strings.Repeat("x", size)))
		var frames [][]byte
		if err := pieces(v, func(p []byte) error { frames = append(frames, p); return nil }); err != nil {
			t.Fatal(err)
		}
		if want := max((size+Piece-1)/Piece, 1); len(frames) != want {
			t.Errorf("%d bytes are %d frames, want %d", size, len(frames), want)
		}
		var a assembly
		for i, p := range frames {
			m, err := a.decode(kindShare, p)
			if err != nil || (m != nil) != (i == len(frames)-1) {
				t.Fatalf("%d bytes, frame %d: %v, %v", size, i, m, err)
			}
			if s, ok := m.(*Share); ok && (s.Version.Name != "v" || cmp.Diff(v.Data, s.Version.Data) != "" && size > 0) {
				t.Errorf("%d bytes come as %d", size, len(s.Version.Data))
			}
		}
	}
	hash := rdd.NewVersion("v", []byte("abcd")).Hash
	for name, list := range map[string][]piece{
		"gap":      {{Name: "v", Hash: hash[:], Size: 4, Data: []byte("ab")}, {Name: "v", Hash: hash[:], Size: 4, Off: 3, Data: []byte("d")}},
		"too long": {{Name: "v", Hash: hash[:], Size: 4, Data: []byte("abcde")}},
		"too big":  {{Name: "v", Hash: hash[:], Size: rdd.MaxBroadcastBytes + 1, Data: []byte("abcd")}},
		"other":    {{Name: "v", Hash: hash[:], Size: 4, Data: []byte("abce")}},
		"no hash":  {{Name: "v", Size: 4, Data: []byte("abcd")}},
	} {
		var a assembly
		var err error
		for i := range list {
			payload, eerr := transport.Encode(&list[i])
			if eerr != nil {
				t.Fatal(eerr)
			}
			var m ToExecutor
			if m, err = a.decode(kindShare, payload); m != nil {
				t.Errorf("%s: %v", name, m)
			}
		}
		if err == nil || !strings.Contains(fmt.Sprint(err), `broadcast "v"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
