package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/plugins"
)

var ctx = context.Background()

// ways are how a plugin may be called.
var ways = map[string][]func(*plugins.Settings){"memory": nil, "portable": {portable}, "per slot": {perSlot}}

func eachWay(t *testing.T, f func(t *testing.T, p *Pool, ref func(operator string) plugins.Ref)) {
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			p, _ := pool(t)
			f(t, p, func(operator string) plugins.Ref { return ref(t, "honest", operator, change...) })
		})
	}
}

// own is the operator in this process.
func own(t *testing.T, name string) plugins.Operator {
	t.Helper()
	op, err := choose(honest(), name)
	if err != nil {
		t.Fatal(err)
	}
	return op
}

func resolve(t *testing.T, p *Pool, r plugins.Ref) plugins.Operator {
	t.Helper()
	all, op, err := p.Resolve(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	if all.Name != "honest" || all.Version != "1.0" || op.Name != r.Operator {
		t.Errorf("plugin %s %s operator %s", all.Name, all.Version, op.Name)
	}
	return op
}

func TestMapGivesWhatItGivesHere(t *testing.T) {
	eachWay(t, func(t *testing.T, p *Pool, ref func(string) plugins.Ref) {
		for _, name := range []string{"double", "odd", "times"} {
			for _, in := range []arrow.Record{rows(0, 0, 1), rows(0, 1, 1), rows(5, 100, 10), rows(0, 20_000, 100), rows(0, 5, 700_000), rows(0, 9_000, 20).NewSlice(100, 8_900)} {
				r := ref(name).With([]byte("3"))
				m, d := mapOf(t, p, r)
				twin, _ := own(t, name).Map(r.Config)
				want, _ := twin.Declare(rowsSchema)
				if !reflect.DeepEqual(d.Keeps, want.Keeps) || !reflect.DeepEqual(d.Reads, want.Reads) || !d.Output.Equal(want.Output) {
					t.Errorf("%s declares %+v, want %+v", name, d, want)
				}
				in := in
				if d.Reads != nil {
					in = array.NewRecord(d.Input(rowsSchema), in.Columns()[:1], in.NumRows())
				}
				got, err := m.Process(ctx, plugins.Batch{Number: 1}, in)
				if err != nil {
					t.Fatalf("%s of %d rows: %v", name, in.NumRows(), err)
				}
				sameResult(t, fmt.Sprintf("%s of %d rows", name, in.NumRows()), twin, in, got)
			}
		}
	})
}

// sameResult compares a result with that of twin.
func sameResult(t *testing.T, what string, twin plugins.Map, in arrow.Record, got plugins.Result) {
	t.Helper()
	want, err := twin.Process(ctx, plugins.Batch{Number: 1}, in)
	if err != nil {
		t.Fatal(err)
	}
	if got.N != want.N || want.From != nil && len(got.From) != got.N {
		t.Fatalf("%s: %d rows (from %d), want %d (from %d)", what, got.N, len(got.From), want.N, len(want.From))
	}
	for i := range want.From {
		if got.From[i] != want.From[i] {
			t.Fatalf("%s: row %d comes from %d, want %d", what, i, got.From[i], want.From[i])
		}
	}
	if want.Rec != nil && want.N > 0 && !array.RecordEqual(got.Rec, want.Rec) {
		t.Errorf("%s: other rows than here", what)
	}
}

func TestPipeline(t *testing.T) {
	eachWay(t, func(t *testing.T, p *Pool, ref func(string) plugins.Ref) {
		m, d := mapOf(t, p, ref("double"))
		twin, _ := own(t, "double").Map(nil)
		var ins []arrow.Record
		for i := range 10 {
			rec := rows(i, i+i*i*200, 1) // some take several requests
			ins = append(ins, array.NewRecord(d.Input(rowsSchema), rec.Columns()[:1], rec.NumRows()))
		}
		for i, next := 0, 0; i < len(ins); i++ {
			for next < len(ins) && next-i < m.Window() {
				if err := m.Send(ctx, plugins.Batch{Number: 1}, ins[next]); err != nil {
					t.Fatal(err)
				}
				next++
			}
			got, err := m.Receive(ctx)
			if err != nil {
				t.Fatal(err)
			}
			sameResult(t, fmt.Sprintf("record batch %d", i), twin, ins[i], got)
		}
		if _, err := m.Receive(ctx); err == nil {
			t.Error("an answer without a question")
		}
		for range 3 {
			if err := m.Send(ctx, plugins.Batch{}, ins[9]); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Close(); err != nil { // gives up what is out
			t.Error(err)
		}
		got, err := m.Process(ctx, plugins.Batch{}, ins[2])
		if err != nil {
			t.Fatal(err)
		}
		sameResult(t, "behind Close", twin, ins[2], got)
	})
}

func TestScalar(t *testing.T) {
	eachWay(t, func(t *testing.T, p *Pool, ref func(string) plugins.Ref) {
		f, _ := resolve(t, p, ref("plus")).Scalar(nil)
		n := arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int64}
		if _, err := f.Declare([]arrow.Field{n}); err == nil {
			t.Error("one argument is taken")
		} else {
			failsWith(t, err, Refused, `operator "plus": 1 arguments, want 2`)
		}
		out, err := f.Declare([]arrow.Field{n, n})
		if err != nil || out.Name != "sum" {
			t.Fatalf("%v, %v", out, err)
		}
		for _, rows := range []arrow.Record{rows(0, 0, 1), rows(0, 10, 1), rows(0, 50_000, 1)} {
			c := rows.Column(0)
			args := array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "a", Type: n.Type}, {Name: "b", Type: n.Type}}, nil), []arrow.Array{c, c}, rows.NumRows())
			got, err := f.Eval(ctx, args)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := plus{}.Eval(ctx, args)
			if !array.Equal(got, want) {
				t.Errorf("%d rows: other values than here", rows.NumRows())
			}
		}
	})
}

func TestAggregate(t *testing.T) {
	eachWay(t, func(t *testing.T, p *Pool, ref func(string) plugins.Ref) {
		a, _ := resolve(t, p, ref("sum")).Aggregate(nil)
		key := arrow.NewSchema([]arrow.Field{{Name: "k", Type: arrow.PrimitiveTypes.Int64}}, nil)
		if _, _, err := a.Schemas(key, rowsSchema); err != nil {
			t.Fatal(err)
		}
		for _, in := range []arrow.Record{rows(0, 0, 1), rows(0, 100, 1), rows(0, 30_000, 200)} { // the last is sent in several parts
			const keys = 77
			of := make([]int32, in.NumRows())
			for i := range of {
				of[i] = int32(i * i % keys)
			}
			got, err := a.Partial(ctx, plugins.Batch{Number: 3}, in, of, keys)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := sum{}.Partial(ctx, plugins.Batch{}, in, of, keys)
			if !array.RecordEqual(got, want) {
				t.Errorf("%d rows: other sums than here", in.NumRows())
			}
			merged, err := a.Merge(ctx, plugins.Batch{Number: 3}, got, make([]int32, keys), 1)
			if err != nil {
				t.Fatal(err)
			}
			if w, _ := (sum{}).Merge(ctx, plugins.Batch{}, want, make([]int32, keys), 1); !array.RecordEqual(merged, w) {
				t.Errorf("%d rows: another total than here", in.NumRows())
			}
		}
	})
}

func TestKeyed(t *testing.T) {
	eachWay(t, func(t *testing.T, p *Pool, ref func(string) plugins.Ref) {
		k, _ := resolve(t, p, ref("last")).Keyed(nil)
		key := arrow.NewSchema(rowsSchema.Fields()[:1], nil)
		if _, _, err := k.Schemas(key, rowsSchema); err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{1, 400} { // the second is sent in several parts
			in := keyedInput(key, 10_000, 500, size)
			got, err := k.Update(ctx, plugins.Batch{Time: 5}, in)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := last{}.Update(ctx, plugins.Batch{Time: 5}, in)
			if !reflect.DeepEqual(got.Actions, want.Actions) || !reflect.DeepEqual(got.Timers, want.Timers) || !array.RecordEqual(got.State, want.State) {
				t.Errorf("size %d: other states than here", size)
			}
			if g, w := byKey(got, 500), byKey(want, 500); !reflect.DeepEqual(g, w) {
				t.Errorf("size %d: other rows of keys than here", size)
			}
		}
		got, err := k.Update(ctx, plugins.Batch{}, plugins.KeyedInput{Keys: keyedInput(key, 1, 1, 1).Keys, State: keyedInput(key, 1, 1, 1).State, Exists: []bool{true}, Due: []bool{true}, Timers: []int64{0}})
		if err != nil || got.Actions[0] != plugins.Delete || got.Out != nil {
			t.Errorf("a timer alone: %+v, %v", got, err)
		}
	})
}

func keyedInput(key *arrow.Schema, n, keys, size int) plugins.KeyedInput {
	in := plugins.KeyedInput{Rows: rows(0, n, size), Keys: array.NewRecord(key, rows(0, keys, 1).Columns()[:1], int64(keys)), Exists: make([]bool, keys), Due: make([]bool, keys), Timers: make([]int64, keys)}
	in.State = array.NewRecord(sumSchema, rows(0, keys, 1).Columns()[:1], int64(keys))
	for i := range n {
		in.Of = append(in.Of, int32(i*31%keys))
	}
	for k := range keys {
		in.Exists[k], in.Due[k], in.Timers[k] = k%3 == 0, k%5 == 0, int64(k%7)
	}
	return in
}

// byKey are the numbers of each key's output rows.
func byKey(o plugins.KeyedOutput, keys int) [][]int64 {
	out := make([][]int64, keys)
	for i, k := range o.OutOf {
		out[k] = append(out[k], o.Out.Column(0).(*array.Int64).Value(i))
	}
	return out
}

func TestSource(t *testing.T) {
	eachWay(t, func(t *testing.T, p *Pool, ref func(string) plugins.Ref) {
		file := t.TempDir() + "/given-up"
		s, _ := resolve(t, p, ref("count")).Source([]byte(file))
		schema, err := s.Schema()
		if err != nil || !schema.Equal(rowsSchema) {
			t.Fatalf("schema %v, %v", schema, err)
		}
		parts, err := s.Partitions(ctx)
		if want, _ := (counting{}).Partitions(ctx); err != nil || len(parts) != 2 || parts[0].Key != want[0].Key || string(parts[0].Meta) != "x" || parts[0].End != 10_000 || parts[1].End != -1 {
			t.Fatalf("partitions %v, %v", parts, err)
		}
		waiting, cancel := context.WithCancel(ctx)
		var g sync.WaitGroup
		g.Go(func() { // one that waits does not keep others waiting
			if _, err := s.Read(waiting, parts[1], 0, 1000); !errors.Is(err, context.Canceled) {
				t.Errorf("a read that was given up: %v", err)
			}
		})
		read := int64(0)
		for {
			r, err := s.Read(ctx, parts[0], read, 6<<20)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := rows(int(read), int(r.Next), 1000); !array.RecordEqual(r.Rec, want) || r.End != 10_000 {
				t.Errorf("rows from %d on: other ones than here", read)
			}
			read = r.Next
		}
		if read != 10_000 {
			t.Errorf("read up to %d", read)
		}
		exists := func(name string) func() string {
			return func() string {
				if _, err := os.Stat(name); err != nil {
					return err.Error()
				}
				return ""
			}
		}
		eventually(t, "the read waits", exists(file+".began"))
		cancel()
		g.Wait()
		if p.list()[0].shared() { // otherwise the process ends
			eventually(t, "the plugin is told", exists(file))
		}
		p.Close() // before the folder is removed
	})
}

func TestSink(t *testing.T) {
	eachWay(t, func(t *testing.T, p *Pool, ref func(string) plugins.Ref) {
		dir := t.TempDir()
		s, _ := resolve(t, p, ref("keep")).Sink([]byte(dir))
		if err := s.Check(rowsSchema, 2); err == nil || !strings.Contains(err.Error(), "2 key columns, want 1") {
			t.Errorf("two key columns: %v", err)
		}
		if err := s.Check(rowsSchema, 1); err != nil {
			t.Fatal(err)
		}
		l, err := s.Lane(ctx, 0, 1, plugins.Owner{ID: "a", Epoch: 1})
		if err != nil || l.Marker() != nil {
			t.Fatalf("a fresh lane: marker %q, %v", l.Marker(), err)
		}
		for b := range int64(3) {
			batch := plugins.Batch{Number: b}
			for range 2 {
				if err := l.Stage(ctx, batch, []arrow.Record{rows(0, 100, 1), rows(0, 5, 1)}); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Publish(ctx, batch, fmt.Appendf(nil, "marker %d", b)); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Flush(ctx); err != nil {
			t.Error(err)
		}
		if b, _ := os.ReadFile(dir + "/lane0.out"); string(b) != "marker 2\n2: 105 rows" {
			t.Errorf("published %q", b)
		}
		last := plugins.Batch{Number: 3}
		if err := l.Stage(ctx, last, []arrow.Record{rows(0, 10, 1), rows(0, 30_000, 300), rows(0, 7, 1)}); err != nil { // in several requests
			t.Fatal(err)
		}
		if err := l.Publish(ctx, last, []byte("marker 3")); err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(dir + "/lane0.out"); string(b) != "marker 3\n3: 30017 rows" {
			t.Errorf("published %q", b)
		}
		other, err := s.Lane(ctx, 0, 1, plugins.Owner{ID: "b", Epoch: 2})
		if err != nil || string(other.Marker()) != "marker 3" {
			t.Fatalf("marker %q, %v", other.Marker(), err)
		}
		err = l.Stage(ctx, plugins.Batch{Number: 9}, nil)
		failsWith(t, err, Fenced, "batch 9", "b/2 owns the lane, and this is a/1")
		if !plugins.IsFenced(err) {
			t.Error("IsFenced does not know it")
		}
		if err := l.Flush(ctx); !plugins.IsFenced(err) {
			t.Errorf("a fenced lane goes on: %v", err)
		}
		for _, l := range []plugins.Lane{l, other} {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		eventually(t, "lanes end with their channel", func() string {
			if _, err := os.Stat(dir + "/lane0.closed"); err != nil {
				return err.Error()
			}
			return ""
		})
		p.Close() // before the folder is removed
	})
}

// Answers that are larger than what lies between the processes do not stop whoever sends before it receives.
func TestLargeAnswersInAPipeline(t *testing.T) {
	p, _ := pool(t)
	m, _ := mapOf(t, p, ref(t, "honest", "times", portable).With([]byte("400")))
	in := rows(0, 8000, 100) // 3.2 million rows, 40 MB and more
	for range m.Window() {
		if err := m.Send(ctx, plugins.Batch{}, in); err != nil {
			t.Fatal(err)
		}
	}
	for range m.Window() {
		got, err := m.Receive(ctx)
		if err != nil || got.N != 400*8000 {
			t.Fatalf("%d rows, %v", got.N, err)
		}
	}
	if b := m.(*mapper).d.biggest.Load(); b < 20<<20 {
		t.Errorf("answers of %d bytes at most", b)
	}
}

func TestRoom(t *testing.T) {
	d := &declaration{}
	for _, c := range []struct {
		answered int64
		out      int
		bytes    int64
		want     bool
	}{
		{0, 0, 100 << 20, true}, {0, 1, 1, false}, {1, 1, 1, true}, {1, 3, pieceBytes, true}, {1, 4, 1, false}, {1, 1, pieceBytes + 1, false},
		{10 << 20, 1, 1, true}, {5, 2, 1, true}, {11 << 20, 2, 1, false}, {mostOut, 1, 1, false}, {1, 0, 1, true},
	} {
		if c.answered > 0 {
			d.answered(c.answered)
		}
		if got := d.room(c.out, c.bytes); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// Everybody at once, and one process for all, or one for each at most.
func TestSideBySide(t *testing.T) {
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			p, _ := pool(t)
			var g sync.WaitGroup
			for i := range 8 {
				m, _ := mapOf(t, p, ref(t, "honest", "times", change...).With([]byte("2")))
				twin, _ := own(t, "times").Map([]byte("2"))
				g.Go(func() {
					for b := range 5 {
						in := rows(i, i+2000*b, 5)
						got, err := m.Process(ctx, plugins.Batch{Number: 1}, in)
						if err != nil {
							t.Error(err)
							return
						}
						sameResult(t, "side by side", twin, in, got)
					}
				})
			}
			g.Wait()
			n := len(p.list()[0].running())
			if name != "per slot" && n != 1 || n > 8 {
				t.Errorf("%d processes", n)
			}
		})
	}
}

// A lane ends with its process: what was staged is gone, and another lane finds what was published.
func TestLaneEndsWithItsProcess(t *testing.T) {
	p, _ := pool(t)
	dir := t.TempDir()
	s, _ := resolve(t, p, ref(t, "honest", "keep")).Sink([]byte(dir))
	if err := s.Check(rowsSchema, 1); err != nil {
		t.Fatal(err)
	}
	l, err := s.Lane(ctx, 0, 1, plugins.Owner{ID: "a", Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := plugins.Batch{Number: 1}
	if err := errors.Join(l.Stage(ctx, b, []arrow.Record{rows(0, 3, 1)}), l.Publish(ctx, b, []byte("one"))); err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(p.list()[0].running()[0].group(), syscall.SIGKILL)
	b.Number++
	err = l.Stage(ctx, b, []arrow.Record{rows(0, 3, 1)})
	failsWith(t, err, Crash, `operator "keep", batch 2 partition 0: its process ended (signal: killed, from outside: the kernel does so where memory is short) before it answered`)
	if again := l.Publish(ctx, b, []byte("two")); again != err {
		t.Errorf("a lane whose process has ended goes on: %v", again)
	}
	other, err := s.Lane(ctx, 0, 1, plugins.Owner{ID: "b", Epoch: 2})
	if err != nil || string(other.Marker()) != "one" {
		t.Fatalf("marker %q, %v", other.Marker(), err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	p.Close() // before the folder is removed
}
