package plugins_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/plugins"
	hosting "github.com/millrace/millrace/plugins/host"
	"github.com/millrace/millrace/plugins/internal/channel"
	"github.com/millrace/millrace/plugins/plugintest"
)

// recording is what a plugin of version 1 of the protocol was asked and said, byte by byte. It is never made anew for a version that has been released: hosts must get along with it for ever.
//
//	MILLRACE_UPDATE=1 go test ./plugins -run TestOldPlugin    for a new version
const recording = "testdata/protocol-1.json"

// recorded is a recording.
type recorded struct {
	Handshake string            // SOCKET stands for the path
	Describe  []byte            // DescribeResponse
	Declare   map[string][]byte // DeclareResponse, by operator
	Calls     []recordedCall
}

// recordedCall is a request and its answer. Requests are told apart by channel, operator and method, and by their order among equal ones.
type recordedCall struct {
	Channel  string // portable or memory
	Operator string
	Method   int32
	Request  []byte   // portable: a Request; memory: the same, with its parts' bytes in place of places
	Answers  [][]byte // Responses, the same way
}

// A plugin that was built with the first version of the protocol works with this host: one that says nothing but what is recorded, with no code of this module's channels.
func TestOldPlugin(t *testing.T) {
	dir := t.TempDir()
	for _, portable := range []bool{true, false} {
		t.Run(map[bool]string{true: "portable", false: "memory"}[portable], func(t *testing.T) {
			if !portable && !channel.HasMemory {
				t.Skip("this system has no channels in memory")
			}
			mode := "replay"
			if os.Getenv("MILLRACE_UPDATE") != "" {
				mode = "record"
			}
			path, err := filepath.Abs(recording)
			if err != nil {
				t.Fatal(err)
			}
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			pool := hosting.New(hosting.Options{})
			ref := plugins.Command(exe, mode, path).Set(plugins.Settings{Portable: portable})
			got := exercise(t, func(name string) plugins.Operator {
				_, op, err := pool.Resolve(t.Context(), ref.Op(name))
				if err != nil {
					t.Fatal(err)
				}
				return op
			}, filepath.Join(dir, "old"))
			if err := pool.Close(); err != nil {
				t.Error(err)
			}
			want := exercise(t, plugintest.CompiledIn(t, plugintest.Plugin()), filepath.Join(dir, "now"))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("compiled in (-) and with the old plugin (+):\n%s", diff)
			}
		})
	}
}

// exercise calls one operator of each kind with fixed arguments, and tells what came of it.
func exercise(t *testing.T, get func(string) plugins.Operator, dir string) string {
	t.Helper()
	var out strings.Builder
	ctx := t.Context()
	b := plugins.Batch{Number: 7, Time: 1_700_000_000_000_000, Partition: 2, Final: true}
	rec, err := plugins.RecordOf([]reading{{1, 0.5, "a b"}, {2, 1.5, ""}, {-4, 2.5, "c"}})
	if err != nil {
		t.Fatal(err)
	}
	tell := func(what string, v any, err error) {
		t.Helper()
		fmt.Fprintf(&out, "%s: %v %v\n", what, v, err)
	}
	for _, name := range []string{"identity", "even", "with", "words", "batch", "fail"} {
		m := given(get(name).Map(nil))(t)
		d := given(m.Declare(rec.Schema()))(t)
		in := rec
		if d.Reads != nil {
			in = chosen(rec, d.Reads)
		}
		res, err := m.Process(ctx, b, in)
		if err != nil {
			err = fmt.Errorf("%s", lastOf(err.Error()))
		}
		tell(name, fmt.Sprint(d.Output, d.Reads, d.Keeps, res.N, res.From, shown(res.Rec)), err)
	}
	half := given(get("half").Scalar(nil))(t)
	f := given(half.Declare(rec.Schema().Fields()[1:2]))(t)
	v, err := half.Eval(ctx, chosen(rec, []int{1}))
	tell("half", fmt.Sprint(f.Type, v), err)

	key := given(plugins.RecordOf([]string{"x", "y"}))(t)
	sum := given(get("sum").Aggregate(nil))(t)
	if _, _, err := sum.Schemas(key.Schema(), rec.Schema()); err != nil {
		t.Fatal(err)
	}
	partial, err := sum.Partial(ctx, b, rec, []int32{0, 1, 0}, 2)
	tell("partial", shown(partial), err)
	total, err := sum.Merge(ctx, b, partial, []int32{0, 0}, 1)
	tell("merge", shown(total), err)

	count := given(get("count").Keyed(nil))(t)
	state, _, err := count.Schemas(key.Schema(), rec.Schema())
	if err != nil {
		t.Fatal(err)
	}
	counted, err := count.Update(ctx, b, plugins.KeyedInput{
		Keys: key, Rows: rec, Of: []int32{1, 1, 0}, Exists: []bool{true, false}, Due: []bool{true, false}, Timers: []int64{0, 1_700_000_001_000_000}, State: zeros(state, 2),
	})
	tell("update", fmt.Sprint(counted.Actions, shown(counted.State), counted.Timers, shown(counted.Out), counted.OutOf), err)

	src := given(get("counting").Source([]byte(`{"partitions": 2, "rows": 5, "gap": 3}`)))(t)
	tell("schema", given(src.Schema())(t), nil)
	parts, err := src.Partitions(ctx)
	tell("partitions", parts, err)
	rows, err := src.Read(ctx, parts[1], 4, 1000)
	tell("read", fmt.Sprint(shown(rows.Rec), rows.Offsets, rows.Next, rows.End), err)

	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	lines := given(plugins.RecordOf([]line{{1, "one"}, {2, "two"}}))(t)
	// The folder's name would be in the recording; lanes of the old plugin are what it said.
	out.WriteString(sunk(t, get("lines"), dir, lines, b))
	return out.String()
}

type reading struct {
	N    int64
	X    float64
	Text string
}

type line struct {
	N    int64
	Text string
}

func sunk(t *testing.T, op plugins.Operator, dir string, rows arrow.Record, b plugins.Batch) string {
	t.Helper()
	config, err := json.Marshal(map[string]string{"dir": dir})
	if err != nil {
		t.Fatal(err)
	}
	s := given(op.Sink(config))(t)
	if err := s.Check(rows.Schema(), 0); err != nil {
		t.Fatal(err)
	}
	l, err := s.Lane(t.Context(), 1, 4, plugins.Owner{ID: "5f1c/1", Epoch: 3})
	if err != nil {
		t.Fatal(err)
	}
	err = l.Stage(t.Context(), b, []arrow.Record{rows})
	told := fmt.Sprintln("lane:", l.Marker(), err, l.Publish(t.Context(), b, []byte{1, 2, 3}), l.Flush(t.Context()))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return told
}

func given[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// lastOf is the end of a message: what the operator said.
func lastOf(text string) string {
	if i := strings.Index(text, "negative n"); i >= 0 {
		text, _, _ = strings.Cut(text[i:], "\n")
	}
	return text
}

func chosen(rec arrow.Record, columns []int) arrow.Record {
	fields, cols := make([]arrow.Field, len(columns)), make([]arrow.Array, len(columns))
	for i, c := range columns {
		fields[i], cols[i] = rec.Schema().Field(c), rec.Column(c)
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), cols, rec.NumRows())
}

func zeros(s *arrow.Schema, n int) arrow.Record {
	cols := make([]arrow.Array, s.NumFields())
	for i, f := range s.Fields() {
		cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, f.Type, n)
		cols[i] = array.MakeFromData(array.NewData(f.Type, n, append(cols[i].Data().Buffers()[:0:0], nil, cols[i].Data().Buffers()[1]), nil, 0, 0))
	}
	return array.NewRecord(s, cols, int64(n))
}

func shown(rec arrow.Record) string {
	if rec == nil {
		return "none"
	}
	var b bytes.Buffer
	for i, c := range rec.Columns() {
		fmt.Fprintf(&b, "%s=%v ", rec.ColumnName(i), c)
	}
	return b.String()
}
