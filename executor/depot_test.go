package executor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/checkpoint"
)

// elsewhere adds an executor on a machine that does not see the checkpoint.
func (f *fleet) elsewhere(name string) *node {
	f.away[name] = filepath.Join(f.t.(interface{ TempDir() string }).TempDir(), "checkpoint")
	n := f.process(name)
	if n.keeps == nil {
		f.t.Fatal("no keeper")
	}
	return n
}

// TestElsewhere moves state between executors that see the checkpoint and such that do not, by way of the driver, each time after the one that has it
// was lost (P23). The output is that of an undisturbed run, and nothing is left on the other machines.
func TestElsewhere(t *testing.T) {
	for _, every := range []int{1, 2} {
		t.Run(fmt.Sprintf("every %d", every), func(t *testing.T) {
			sizes := []int64{10, 10, 25, 7, 40, 3, 10, 12}
			want := undisturbed(t, pushed, sizes...)
			w := newWorld(t)
			pushed(w)
			f := newFleet(w)
			f.every = every
			near := f.process("near")
			far := f.elsewhere("far1")
			first := map[string]bool{}
			for _, n := range []*node{near, far} {
				first[n.name] = f.welcome(n).Shared
			}
			if d := cmp.Diff(map[string]bool{"near": true, "far1": false}, first); d != "" {
				t.Errorf("who sees the checkpoint: %s", d)
			}
			f.assign(true, nil)
			f.batch(sizes[0])
			f.batch(sizes[1])
			moves := []struct {
				lose, join string
				far        bool
			}{{"near", "far2", true}, {"far1", "far3", true}, {"far2", "near2", false}}
			for i, m := range moves {
				f.lose(m.lose)
				n := (*node)(nil)
				if m.far {
					n = f.elsewhere(m.join)
				} else {
					n = f.process(m.join)
				}
				f.assign(false, nil)
				if len(n.stats.Restored()) == 0 {
					t.Errorf("%s has restored nothing", n.name)
				}
				f.batch(sizes[2+2*i])
				f.batch(sizes[3+2*i])
			}
			sameText(t, w.store.text(), want)
			for name, dir := range f.away {
				if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s has files of its own in %s: %v", name, dir, err)
				}
			}
		})
	}
}

// TestElsewhereDamage restores from a state file that was changed on the disk: the checksum of the commit record tells (P15).
func TestElsewhereDamage(t *testing.T) {
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	f.elsewhere("far1")
	f.assign(true, nil)
	f.batch(20)
	file := filepath.Join(w.dir, "state", f.deltas[0].File)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := f.deltas[0].Sections[0]
	data[s.Off+s.Len/2] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f.lose("far1")
	n := f.elsewhere("far2")
	f.send(n, f.assignment(false, nil))
	if a := expect[*Assigned](f, n); !strings.Contains(a.Err, "checksum") {
		t.Errorf("assigned: %q", a.Err)
	}
}

// TestElsewhereNewDriver lets a driver vanish while it has pieces of a state file that it has not answered: the next one takes over.
func TestElsewhereNewDriver(t *testing.T) {
	want := undisturbed(t, pushed, 10, 20, 30)
	w := newWorld(t)
	pushed(w)
	f := newFleet(w)
	a := f.elsewhere("far1")
	sock := strings.TrimPrefix(a.addr, "unix:")
	f.assign(true, nil)
	f.batch(10)
	a.mute.Store(true)
	p := f.cut(20)
	f.launch(p)
	<-a.asked
	f.epoch = 2
	n := &node{name: "far2", stats: a.stats, in: make(chan ToDriver, 1024), conn: f.dial(sock), kill: a.kill}
	f.away["far2"] = f.away["far1"]
	f.pump(n)
	delete(f.nodes, "far1")
	f.welcome(n)
	f.gen, f.flight = 0, nil
	f.assign(true, nil)
	f.launch(p)
	f.finish(p)
	f.lose("far2")
	f.elsewhere("far3")
	f.assign(false, nil)
	f.batch(30)
	sameText(t, w.store.text(), want)
}

// kept is a courier whose driver answers at once, through a Keeper.
func kept(t *testing.T) (*courier, *Keeper, *checkpoint.StateDir) {
	dir, err := checkpoint.OpenState(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := newLink(false)
	c, k := newCourier(l), NewKeeper(dir, "x", 3)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case m := <-l.out:
				c.take(k.Handle(m))
			case <-l.down:
				return
			}
		}
	}()
	t.Cleanup(func() { l.close(); <-done })
	return c, k, dir
}

func numbers(n int) arrow.Record {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	for i := range n {
		b.Append(int64(i) * 7)
	}
	return array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil), []arrow.Array{b.NewArray()}, int64(n))
}

// TestCourierPieces sends files of many pieces there and back.
func TestCourierPieces(t *testing.T) {
	c, _, dir := kept(t)
	big, small := numbers(400_000), numbers(3)
	work := &deltaWork{run: &run{key: runKey{batch: 5}}, since: 4, attempt: 1}
	ref, err := c.write(t.Context(), work, []checkpoint.SectionData{
		{Operator: "big", Until: 128, Full: true, Rec: big}, {Operator: "none", Until: 128, Full: true}, {Operator: "small", Until: 1, Rec: small},
	})
	if err != nil {
		t.Fatal(err)
	}
	if ref.Bytes < 10*Piece || ref.Batch != 5 || ref.Since != 4 || !strings.HasPrefix(ref.File, "000000000005-x-e3-a1") {
		t.Errorf("file %s of %d bytes, batches %d to %d", ref.File, ref.Bytes, ref.Since, ref.Batch)
	}
	if err := dir.Check(ref); err != nil {
		t.Error(err)
	}
	for i, want := range []arrow.Record{big, nil, small} {
		there, err := dir.Load(ref, ref.Sections[i])
		if err != nil {
			t.Fatal(err)
		}
		here, err := c.load(t.Context(), ref, ref.Sections[i])
		if err != nil {
			t.Fatal(err)
		}
		if want == nil != (here == nil) || want != nil && (!array.RecordEqual(want, here) || !array.RecordEqual(want, there)) {
			t.Errorf("section %d: other rows", i)
		}
	}
	for _, n := range []int{0, 1, Piece - 1, Piece, 3*Piece + 5} {
		journal := bytes.Repeat([]byte{byte(n), 7}, n)[:n]
		batch := int64(n) + 1
		if _, ok, err := c.readJournal(t.Context(), batch, "s", 2); ok || err != nil {
			t.Fatalf("journal of nothing: %v, %v", ok, err)
		}
		for range 2 { // the same again is no mistake
			if err := c.writeJournal(t.Context(), batch, "s", 2, journal); err != nil {
				t.Fatal(err)
			}
		}
		got, ok, err := c.readJournal(t.Context(), batch, "s", 2)
		if err != nil || !ok || !bytes.Equal(got, journal) {
			t.Errorf("journal of %d bytes: %d, %v, %v", n, len(got), ok, err)
		}
		if err := c.writeJournal(t.Context(), batch, "s", 2, append(journal, 1)); err == nil || !strings.Contains(err.Error(), "another journal") {
			t.Errorf("another journal: %v", err)
		}
	}
}

// TestCourierWithoutDriver: what waits for a driver that is gone ends.
func TestCourierWithoutDriver(t *testing.T) {
	l := newLink(false)
	c := newCourier(l)
	failed := make(chan error, 2*maxAsks)
	for range 2 * maxAsks {
		go func() {
			_, _, err := c.readJournal(context.Background(), 1, "s", 0)
			failed <- err
		}()
	}
	<-l.out
	l.close()
	for range 2 * maxAsks {
		if err := <-failed; !errors.Is(err, errNoDriver) {
			t.Errorf("got %v", err)
		}
	}
}

// TestKeeper refuses what no executor sends, and keeps nothing of it.
func TestKeeper(t *testing.T) {
	place := t.TempDir()
	dir, err := checkpoint.OpenState(place)
	if err != nil {
		t.Fatal(err)
	}
	k := NewKeeper(dir, "x", 3)
	data := []byte("abc")
	for _, c := range []struct {
		name string
		m    []ToDriver
		want string
	}{
		{"without a beginning", []ToDriver{&Deposit{ID: 1, Batch: 1, Off: 3, Data: data}}, "from byte 3 on"},
		{"with a gap", []ToDriver{&Deposit{ID: 1, Batch: 1, Data: data}, &Deposit{ID: 2, Batch: 1, Off: 4, Data: data}}, "3 bytes of batch 1 have come"},
		{"of another batch", []ToDriver{&Deposit{ID: 1, Batch: 1, Data: data}, &Deposit{ID: 2, Batch: 2, Off: 3, Data: data}}, "sends batch 2"},
		{"too long", []ToDriver{&Deposit{ID: 1, Batch: 1, Data: make([]byte, Piece+1)}}, "the limit is"},
		{"damaged", []ToDriver{&Deposit{ID: 1, Batch: 1, Data: data, Last: true, Sum: 5}}, "damaged on the way"},
		{"damaged journal", []ToDriver{&Deposit{ID: 1, Batch: 1, Source: "s", Data: data, Last: true, Sum: 5}}, "damaged on the way"},
		{"not a request", []ToDriver{&Heartbeat{}}, "asks for nothing"},
		{"outside", []ToDriver{&Fetch{ID: 1, File: "../log/x", Len: 1}}, "not the name of a state file"},
		{"missing", []ToDriver{&Fetch{ID: 1, File: "x.state", Len: 1}}, "file is missing"},
		{"much", []ToDriver{&Fetch{ID: 1, File: "x.state", Len: Piece + 1}}, "the limit is"},
		{"a journal's middle", []ToDriver{&Fetch{ID: 1, Batch: 1, Source: "s", Off: 1, Len: 1}}, "without its beginning"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var a *Answer
			for _, m := range c.m {
				a = k.Handle(m)
			}
			if !strings.Contains(a.Err, c.want) {
				t.Errorf("answer %q, want %q", a.Err, c.want)
			}
		})
	}
	k.Handle(&Deposit{ID: 1, Batch: 1, Data: data})
	k.Close()
	if _, ok, err := dir.ReadJournal(1, "s", 0); ok || err != nil {
		t.Errorf("journal: %v, %v", ok, err)
	}
	if files, err := filepath.Glob(filepath.Join(place, "*", "*")); err != nil || len(files) > 0 {
		t.Errorf("left: %v, %v", files, err)
	}
}

// TestReachable: a driver's own lanes are where its executors reach the driver, if it listens on every address.
func TestReachable(t *testing.T) {
	e := newCore(Config{})
	e.driverHost = "10.0.0.7"
	for addr, want := range map[string]string{
		"tcp:0.0.0.0:81": "tcp:10.0.0.7:81", "tcp::81": "tcp:10.0.0.7:81", "tcp:[::]:81": "tcp:10.0.0.7:81",
		"tcp:10.0.0.9:81": "tcp:10.0.0.9:81", "tcp:node:81": "tcp:node:81", "unix:/x": "unix:/x", "": "",
	} {
		if got := e.reachable(addr); got != want {
			t.Errorf("%s is reached at %s, want %s", addr, got, want)
		}
	}
}
