package plugins_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/internal/channel"
	"github.com/millrace/millrace/plugins/internal/wire"
)

func TestMain(m *testing.M) {
	if plugins.Started() && len(os.Args) == 3 {
		map[string]func(string){"record": record, "replay": replay}[os.Args[1]](os.Args[2])
	}
	if os.Getenv(wire.CookieKey) != "" {
		plugins.ServePlugin(plugins.Plugin{Name: "test", Version: "1", Operators: []plugins.Operator{
			{Name: "same", Map: func([]byte) (plugins.Map, error) { return identity{}, nil }},
			{Name: "odd", Map: func([]byte) (plugins.Map, error) { return odd{}, nil }},
			{Name: "panics", Map: func([]byte) (plugins.Map, error) { return panics{}, nil }},
			{Name: "many", Map: func([]byte) (plugins.Map, error) { return many{}, nil }},
		}})
	}
	os.Exit(m.Run())
}

// odd keeps the rows whose first column is odd, and all their columns.
type odd struct{}

func (odd) Declare(in *arrow.Schema) (plugins.Declaration, error) {
	d := plugins.Declaration{Output: in, Reads: []int{0}}
	for i := range in.Fields() {
		d.Keeps = append(d.Keeps, i)
	}
	return d, nil
}

func (odd) Process(_ context.Context, _ plugins.Batch, in arrow.Record) (plugins.Result, error) {
	var r plugins.Result
	for i, v := range in.Column(0).(*array.Int64).Int64Values() {
		if v%2 != 0 {
			r.From = append(r.From, int32(i))
		}
	}
	r.N = len(r.From)
	return r, nil
}

// panics does.
type panics struct{ identity }

func (panics) Process(context.Context, plugins.Batch, arrow.Record) (plugins.Result, error) {
	panic("on purpose")
}

// many gives each record batch a thousand times.
type many struct{ identity }

func (many) Process(_ context.Context, _ plugins.Batch, in arrow.Record) (plugins.Result, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, in.Schema())
	for range 1000 {
		for i := range int(in.NumRows()) {
			b.Field(0).(*array.Int64Builder).Append(in.Column(0).(*array.Int64).Value(i))
			b.Field(1).(*array.StringBuilder).Append(in.Column(1).(*array.String).Value(i))
		}
	}
	rec := b.NewRecord()
	return plugins.Result{N: int(rec.NumRows()), Rec: rec}, nil
}

// started is the test binary as a plugin.
func started(t testing.TB) wire.PluginClient {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{wire.Protocol: {wire.PluginName: &wire.GRPC{}}},
		Cmd:              exec.Command(exe), AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, AutoMTLS: true,
		Logger: hclog.NewNullLogger(), UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: t.TempDir()},
	})
	t.Cleanup(c.Kill)
	// The plugin ends when its standard input does: go-plugin hands this process's on.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin := os.Stdin
	os.Stdin = r
	p, err := c.Client()
	os.Stdin = stdin
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	v, err := p.Dispense(wire.PluginName)
	if err != nil {
		t.Fatal(err)
	}
	return v.(wire.PluginClient)
}

var rowsSchema = arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}, {Name: "s", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)

func someRows(n int) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, rowsSchema)
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		if i%7 == 3 {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("row ", i))
		}
	}
	return b.NewRecord()
}

func declare(t testing.TB, c wire.PluginClient, n uint32, op string) *wire.DeclareResponse {
	t.Helper()
	s, err := wire.EncodeSchemas(rowsSchema)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Declare(context.Background(), &wire.DeclareRequest{Declaration: n, Operator: op, Schemas: s})
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestServe(t *testing.T) {
	c := started(t)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	d, err := c.Describe(ctx, &wire.DescribeRequest{Protocol: wire.Protocol})
	if err != nil || d.Name != "test" || len(d.Offers) != 4 {
		t.Fatalf("describes itself as %v, %v", d, err)
	}
	for i, op := range []string{"same", "odd", "panics", "many"} {
		if resp := declare(t, c, uint32(i), op); resp.Refusal != "" {
			t.Fatalf("%s is refused: %s", op, resp.Refusal)
		}
	}
	if resp := declare(t, c, 9, "sme"); !strings.Contains(resp.Refusal, `did you mean "same"?`) {
		t.Errorf("an unknown operator is answered with %q", resp.Refusal)
	}
	for name, open := range channels(t, c) {
		t.Run(name, func(t *testing.T) {
			h, err := open(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			both := []*arrow.Schema{rowsSchema, wire.From}
			for round := range 3 {
				for i := range channel.Window {
					if err := h.Send(ctx, &wire.Request{Method: wire.Method_PROCESS}, []arrow.Record{someRows(round*1000 + i)}); err != nil {
						t.Fatal(err)
					}
				}
				for i := range channel.Window {
					resp, recs, err := h.Receive(ctx, both)
					if err != nil {
						t.Fatal(err)
					}
					if want := someRows(round*1000 + i); resp.Numbers[0] != want.NumRows() || !array.RecordEqual(recs[0], want) {
						t.Fatalf("answer %d of round %d differs: %v", i, round, recs[0])
					}
				}
			}
			ask := func(decl uint32, n int) (*wire.Response, []arrow.Record) {
				in := someRows(n)
				if decl == 1 {
					in = array.NewRecord(batch.Columns(rowsSchema, []int{0}), in.Columns()[:1], in.NumRows())
				}
				if err := h.Send(ctx, &wire.Request{Declaration: decl, Method: wire.Method_PROCESS}, []arrow.Record{in}); err != nil {
					t.Fatal(err)
				}
				schemas := both
				if decl == 1 {
					schemas = []*arrow.Schema{arrow.NewSchema(nil, nil), wire.From}
				}
				resp, recs, err := h.Receive(ctx, schemas)
				if err != nil {
					t.Fatal(err)
				}
				return resp, recs
			}
			resp, recs := ask(1, 5)
			if resp.Numbers[0] != 2 || recs[1].Column(0).String() != "[1 3]" {
				t.Errorf("odd rows of 5: %v %v", resp, recs)
			}
			if resp, _ := ask(2, 5); resp.Failure.GetText() != "panic: on purpose" || !strings.Contains(resp.Failure.Stack, "panics.Process") {
				t.Errorf("a panic is answered with %v", resp)
			}
			resp, recs = ask(3, 2000)
			n, pieces := recs[0].NumRows(), 1
			for resp.More {
				if resp, recs, err = h.Receive(ctx, both); err != nil {
					t.Fatal(err)
				}
				n += recs[0].NumRows()
				pieces++
			}
			if n != 2_000_000 || pieces < 2 {
				t.Errorf("2000 rows a thousand times are %d, in %d responses", n, pieces)
			}
		})
	}
}

func channels(t testing.TB, c wire.PluginClient) map[string]func(context.Context) (channel.Host, error) {
	m := map[string]func(context.Context) (channel.Host, error){
		"portable": func(ctx context.Context) (channel.Host, error) { return channel.OpenStream(ctx, c) },
	}
	if channel.HasMemory {
		dir := t.TempDir()
		m["memory"] = func(ctx context.Context) (channel.Host, error) { return channel.OpenMemory(ctx, c, dir) }
	}
	return m
}

func TestByHand(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), wire.CookieKey+"=something else")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "test 1 is a plugin of millrace") || !strings.Contains(string(out), "same") {
		t.Errorf("started by hand: %v\n%s", err, out)
	}
}

func BenchmarkChannel(b *testing.B) {
	c := started(b)
	ctx := context.Background()
	declare(b, c, 0, "same")
	for name, open := range channels(b, c) {
		b.Run(name, func(b *testing.B) {
			h, err := open(ctx)
			if err != nil {
				b.Fatal(err)
			}
			defer h.Close()
			rec := someRows(8192)
			schemas := []*arrow.Schema{rowsSchema, wire.From}
			b.ResetTimer()
			for out := 0; b.Loop(); {
				if err := h.Send(ctx, &wire.Request{Method: wire.Method_PROCESS}, []arrow.Record{rec}); err != nil {
					b.Fatal(err)
				}
				if out++; out == channel.Window {
					if _, _, err := h.Receive(ctx, schemas); err != nil {
						b.Fatal(err)
					}
					out--
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/8192, "ns/row")
		})
	}
}

// Messages that no connection holds, in both directions at once: neither side waits for the other to read.
func TestLargeBothWays(t *testing.T) {
	c := started(t)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	declare(t, c, 0, "same")
	b := array.NewRecordBuilder(memory.DefaultAllocator, rowsSchema)
	b.Field(0).(*array.Int64Builder).Append(1)
	b.Field(1).(*array.StringBuilder).Append(strings.Repeat("large", 700_000))
	rec := b.NewRecord()
	for name, open := range channels(t, c) {
		t.Run(name, func(t *testing.T) {
			h, err := open(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			for out, n := 0, 0; n < 20; out-- {
				for ; out < channel.Window; out++ {
					if err := h.Send(ctx, &wire.Request{Method: wire.Method_PROCESS}, []arrow.Record{rec}); err != nil {
						t.Fatal(err)
					}
				}
				_, recs, err := h.Receive(ctx, []*arrow.Schema{rowsSchema, wire.From})
				if err != nil {
					t.Fatal(err)
				}
				if n++; !array.RecordEqual(recs[0], rec) {
					t.Fatal("a large row comes back as another")
				}
			}
		})
	}
}

// A host that closes a channel while requests are on their way takes nothing from others: the plugin's process lives on.
func TestCloseWhileAtWork(t *testing.T) {
	c := started(t)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	declare(t, c, 0, "same")
	rec := someRows(20_000)
	for name, open := range channels(t, c) {
		t.Run(name, func(t *testing.T) {
			for i := range 150 {
				h, err := open(ctx)
				if err != nil {
					t.Fatalf("channel %d: %v", i, err)
				}
				for range 1 + i%channel.Window {
					if err := h.Send(ctx, &wire.Request{Method: wire.Method_PROCESS}, []arrow.Record{rec}); err != nil {
						t.Fatal(err)
					}
				}
				if i%3 == 0 {
					time.Sleep(time.Duration(i*7) * time.Microsecond)
				}
				h.Close()
			}
			if _, err := c.Describe(ctx, &wire.DescribeRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
}
