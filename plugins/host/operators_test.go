package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/plugins"
)

// honest is the plugin that tests call, through a process and in this one.
func honest() plugins.Plugin {
	p := plugins.Plugin{Name: "honest", Version: "1.0", Operators: []plugins.Operator{
		{Name: "plus", Scalar: func([]byte) (plugins.Scalar, error) { return plus{}, nil }},
		{Name: "sum", Aggregate: func([]byte) (plugins.Aggregate, error) { return sum{}, nil }},
		{Name: "last", Keyed: func([]byte) (plugins.Keyed, error) { return last{}, nil }},
		{Name: "count", Source: func(config []byte) (plugins.Source, error) { return counting{string(config)}, nil }},
		{Name: "keep", Sink: func(config []byte) (plugins.Sink, error) { return keeping{string(config)}, nil }},
	}}
	for _, name := range []string{"double", "odd", "times", "fail", "panic", "exit", "hang", "slow", "print", "fork", "eat", "refuse", "env", "pid"} {
		p.Operators = append(p.Operators, plugins.Operator{Name: name, Doc: "does " + name, Map: func(config []byte) (plugins.Map, error) {
			return &mapped{do: name, config: string(config)}, nil
		}})
	}
	return p
}

// mapped is one of many Maps.
type mapped struct {
	do, config string
}

func (m *mapped) Declare(in *arrow.Schema) (plugins.Declaration, error) {
	switch m.do {
	case "refuse":
		return plugins.Declaration{}, errors.New("column \"price\" is missing")
	case "odd":
		return plugins.Declaration{Output: in, Reads: []int{0}, Keeps: []int{0, 1}}, nil
	case "double":
		return plugins.Declaration{Output: in, Reads: []int{0}, Keeps: []int{-1, 1}}, nil
	case "env", "fork", "pid":
		return plugins.Declaration{Output: arrow.NewSchema([]arrow.Field{{Name: "text", Type: arrow.BinaryTypes.String}}, nil)}, nil
	}
	return plugins.Declaration{Output: in}, nil
}

func (m *mapped) Process(ctx context.Context, b plugins.Batch, in arrow.Record) (plugins.Result, error) {
	same := plugins.Result{N: int(in.NumRows()), Rec: in}
	switch m.do {
	case "odd":
		var r plugins.Result
		for i, v := range in.Column(0).(*array.Int64).Int64Values() {
			if v%2 != 0 {
				r.From = append(r.From, int32(i))
			}
		}
		r.N = len(r.From)
		return r, nil
	case "double":
		nb := array.NewInt64Builder(memory.DefaultAllocator)
		for _, v := range in.Column(0).(*array.Int64).Int64Values() {
			nb.Append(2 * v)
		}
		s := arrow.NewSchema(in.Schema().Fields()[:1], nil)
		return plugins.Result{N: nb.Len(), Rec: array.NewRecord(s, []arrow.Array{nb.NewArray()}, in.NumRows())}, nil
	case "times":
		return m.times(in)
	case "fail":
		if b.Number%2 == 1 {
			return same, fmt.Errorf("batch %d is odd", b.Number)
		}
	case "panic":
		panic("on purpose")
	case "exit":
		if strconv.FormatInt(b.Number, 10) == m.config {
			fmt.Fprintln(os.Stderr, "giving up: no model file")
			os.Exit(3)
		}
	case "hang":
		if b.Number == 7 {
			fmt.Fprintln(os.Stderr, "it hangs")
			select {}
		}
	case "slow":
		time.Sleep(20 * time.Millisecond)
	case "print":
		fmt.Println("printed by the operator")
		fmt.Fprintln(os.Stderr, "said by the operator")
	case "eat":
		eaten = make([]byte, 400<<20)
		for i := 0; i < len(eaten); i += 4096 {
			eaten[i] = 1
		}
		select {}
	case "fork":
		c := exec.Command("sleep", "1000")
		if m.config == "away" { // leaves the process group, and holds standard error open
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			c.Stderr = os.NewFile(2, "stderr")
		}
		if err := c.Start(); err != nil {
			return same, err
		}
		return texts(strconv.Itoa(c.Process.Pid)), nil
	case "pid":
		return texts(strconv.Itoa(os.Getpid())), nil
	case "env":
		wd, _ := os.Getwd()
		return texts("dir="+wd, strings.Join(os.Environ(), "\n")), nil
	}
	return same, nil
}

var eaten []byte

func (m *mapped) times(in arrow.Record) (plugins.Result, error) {
	n, _ := strconv.Atoi(m.config)
	b := array.NewRecordBuilder(memory.DefaultAllocator, in.Schema())
	for i := range int(in.NumRows()) {
		for range n {
			b.Field(0).(*array.Int64Builder).Append(in.Column(0).(*array.Int64).Value(i))
			b.Field(1).(*array.StringBuilder).AppendNull()
		}
	}
	rec := b.NewRecord()
	return plugins.Result{N: int(rec.NumRows()), Rec: rec}, nil
}

func texts(list ...string) plugins.Result {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.AppendValues(list, nil)
	s := arrow.NewSchema([]arrow.Field{{Name: "text", Type: arrow.BinaryTypes.String}}, nil)
	return plugins.Result{N: len(list), Rec: array.NewRecord(s, []arrow.Array{b.NewArray()}, int64(len(list)))}
}

// plus adds two columns.
type plus struct{}

func (plus) Declare(args []arrow.Field) (arrow.Field, error) {
	if len(args) != 2 {
		return arrow.Field{}, fmt.Errorf("%d arguments, want 2", len(args))
	}
	return arrow.Field{Name: "sum", Type: arrow.PrimitiveTypes.Int64}, nil
}

func (plus) Eval(_ context.Context, args arrow.Record) (arrow.Array, error) {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	for i, v := range args.Column(0).(*array.Int64).Int64Values() {
		b.Append(v + args.Column(1).(*array.Int64).Value(i))
	}
	return b.NewArray(), nil
}

// sum sums the first column of each key.
type sum struct{}

var sumSchema = arrow.NewSchema([]arrow.Field{{Name: "sum", Type: arrow.PrimitiveTypes.Int64}}, nil)

func (sum) Schemas(_, _ *arrow.Schema) (partial, out *arrow.Schema, err error) {
	return sumSchema, sumSchema, nil
}

func (sum) Partial(_ context.Context, _ plugins.Batch, in arrow.Record, of []int32, keys int) (arrow.Record, error) {
	sums := make([]int64, keys)
	for i, v := range in.Column(0).(*array.Int64).Int64Values() {
		sums[of[i]] += v
	}
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues(sums, nil)
	return array.NewRecord(sumSchema, []arrow.Array{b.NewArray()}, int64(keys)), nil
}

func (s sum) Merge(ctx context.Context, b plugins.Batch, in arrow.Record, of []int32, keys int) (arrow.Record, error) {
	return s.Partial(ctx, b, in, of, keys)
}

// last keeps the last number of a key as its state, emits all rows, and forgets keys that are due.
type last struct{}

func (last) Schemas(_, in *arrow.Schema) (state, out *arrow.Schema, err error) {
	return sumSchema, in, nil
}

func (last) Update(_ context.Context, b plugins.Batch, in plugins.KeyedInput) (plugins.KeyedOutput, error) {
	n := int(in.Keys.NumRows())
	out := plugins.KeyedOutput{Actions: make([]plugins.Action, n), Timers: make([]int64, n), Out: in.Rows, OutOf: in.Of}
	states := make([]int64, n)
	for k := range n {
		if in.Exists[k] {
			states[k] = in.State.Column(0).(*array.Int64).Value(k)
		}
		if in.Due[k] {
			out.Actions[k] = plugins.Delete
		}
	}
	for i, k := range in.Of {
		states[k] += in.Rows.Column(0).(*array.Int64).Value(i)
		out.Actions[k], out.Timers[k] = plugins.Set, max(in.Timers[k], b.Time)+1
	}
	sb := array.NewInt64Builder(memory.DefaultAllocator)
	sb.AppendValues(states, nil)
	out.State = array.NewRecord(sumSchema, []arrow.Array{sb.NewArray()}, int64(n))
	return out, nil
}

// counting has partition "a" with the numbers below 10,000, and "b" that never has any. A read of it makes a file, and another when it is given up.
type counting struct{ file string }

func (counting) Schema() (*arrow.Schema, error) { return rowsSchema, nil }

func (counting) Partitions(context.Context) ([]plugins.Partition, error) {
	return []plugins.Partition{{Key: "a", Meta: []byte("x"), End: 10_000}, {Key: "b", End: -1}}, nil
}

func (s counting) Read(ctx context.Context, p plugins.Partition, from int64, limit int) (plugins.Fetched, error) {
	if p.Key == "b" {
		if err := os.WriteFile(s.file+".began", nil, 0o600); err != nil {
			return plugins.Fetched{}, err
		}
		<-ctx.Done()
		return plugins.Fetched{}, os.WriteFile(s.file, nil, 0o600)
	}
	if from >= 10_000 {
		return plugins.Fetched{}, io.EOF
	}
	to := min(from+int64(limit)/1000, 10_000)
	out := plugins.Fetched{Rec: rows(int(from), int(to), 1000), Next: to, End: 10_000}
	for o := from; o < to; o++ {
		out.Offsets = append(out.Offsets, o)
	}
	return out, nil
}

// keeping writes files in a folder: marker, and rows as a number. Who comes last has the lane.
type keeping struct{ dir string }

func (k keeping) Check(rows *arrow.Schema, keys int) error {
	if keys != 1 {
		return fmt.Errorf("%d key columns, want 1", keys)
	}
	return nil
}

func (k keeping) Lane(_ context.Context, n, _ int, o plugins.Owner) (plugins.Lane, error) {
	l := &keptLane{dir: k.dir, name: fmt.Sprintf("%s/lane%d", k.dir, n), owner: fmt.Sprintf("%s/%d", o.ID, o.Epoch)}
	return l, os.WriteFile(l.name+".owner", []byte(l.owner), 0o600)
}

type keptLane struct {
	dir, name, owner string
	staged           string
}

func (l *keptLane) fenced() error {
	if b, err := os.ReadFile(l.name + ".owner"); err != nil || string(b) != l.owner {
		return plugins.Fenced(fmt.Errorf("%s owns the lane, and this is %s", b, l.owner))
	}
	return nil
}

func (l *keptLane) Marker() []byte {
	b, err := os.ReadFile(l.name + ".out")
	if err != nil {
		return nil
	}
	marker, _, _ := strings.Cut(string(b), "\n")
	return []byte(marker)
}

func (l *keptLane) Stage(_ context.Context, b plugins.Batch, rows []arrow.Record) error {
	n := int64(0)
	for _, r := range rows {
		n += r.NumRows()
	}
	l.staged = fmt.Sprintf("%d: %d rows", b.Number, n)
	return l.fenced()
}

func (l *keptLane) Publish(_ context.Context, _ plugins.Batch, marker []byte) error {
	if err := l.fenced(); err != nil {
		return err
	}
	return os.WriteFile(l.name+".out", append(append(marker, '\n'), l.staged...), 0o600)
}

func (l *keptLane) Flush(context.Context) error { return nil }
func (l *keptLane) Close() error                { return os.WriteFile(l.name+".closed", nil, 0o600) }
