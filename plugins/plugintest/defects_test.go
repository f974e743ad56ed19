package plugintest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/plugintest"
)

type (
	number struct{ N int64 }
	labels struct {
		N    int64
		Text string
	}
	sums  struct{ Size, Sum int64 }
	piece struct {
		Word string
		At   int64
	}
	value struct {
		N int64
		X float64
	}
	partial struct {
		N    int64
		X    float64
		Rows int64
	}
	final struct {
		N    int64
		X    float64
		Rows int64
		Mean *float64
	}
	counts struct{ Count, Sum int64 }
	event  struct {
		What       string
		Count, Sum int64
	}
)

// defects are operators that break one sentence of README.md each, under the part of the suite that must notice.
var defects = map[string]plugins.Operator{
	"maps/even of zero":    plugins.Filter("even", func(r number) bool { return r.N%2 == 0 && r.N != 0 }),
	"maps/with overflow":   plugins.With("with", func(r labels) sums { return sums{int64(len(r.Text)), max(r.N, r.N+int64(len(r.Text)))} }),
	"maps/with characters": plugins.With("with", func(r labels) sums { n := int64(len([]rune(r.Text))); return sums{n, r.N + n} }),
	"maps/words cut everywhere": plugins.FlatRows("words", func(r struct{ Text string }, emit func(piece)) {
		for _, w := range strings.Fields(r.Text) {
			emit(piece{w, int64(strings.Index(r.Text, w))})
		}
	}),
	"maps/nullable as zero": plugins.With("nullable", func(r struct{ Text *string }) struct{ Length *int64 } {
		n := int64(0)
		if r.Text != nil {
			n = int64(len(*r.Text))
		}
		return struct{ Length *int64 }{&n}
	}),
	"maps/batch of the first": plugins.With("batch", func(number) struct{ Number, Time, Partition int64 } {
		return struct{ Number, Time, Partition int64 }{7, 1_700_000_000_123_456, 3}
	}),
	"maps/double that knows the record batch": {Name: "double", Map: func([]byte) (plugins.Map, error) { return doubling{}, nil }},
	"failures/fail that goes on":              plugins.Filter("fail", func(r number) bool { return r.N >= 0 }),
	"failures/fail for ever":                  failsForEver(),
	"refusals/even that reads nothing":        plugins.Filter("even", func(struct{ Text string }) bool { return true }),
	"scalars/label of null": plugins.Func2("label", func(s *string, n int64) string {
		if s == nil {
			return ""
		}
		return *s
	}),
	"aggregate/sum without the first row": plugins.Aggregated("sum", partial{}, func(p partial, v value) partial {
		return partial{p.N + v.N, p.X + v.X, p.Rows + min(1, p.N*p.N+1)}
	}, func(a, b partial) partial { return partial{a.N + b.N, b.X + a.X, a.Rows + b.Rows} }, func(p partial) final { return final{p.N, p.X, p.Rows, &p.X} }),
	"keyed/count without timers": plugins.Stateful("count", func(_ struct{}, rows []number, st *plugins.State[counts]) []event {
		c := st.Get()
		for _, r := range rows {
			c.Count, c.Sum = c.Count+1, c.Sum+r.N
		}
		st.Set(c)
		return []event{{"counted", c.Count, c.Sum}}
	}),
	"keyed/count without the timers that run": {Name: "count", Keyed: func(config []byte) (plugins.Keyed, error) {
		k, err := plugintest.CompiledIn(nil, plugintest.Plugin())("count").Keyed(config)
		return timeless{k}, err
	}},
	"source/counting without gaps": {Name: "counting", Source: func([]byte) (plugins.Source, error) {
		return plugins.SourceOf("", plugins.ListSource[number]{{{1}}}).Source(nil)
	}},
	"sink/lines without fencing": {Name: "lines", Sink: func(config []byte) (plugins.Sink, error) {
		op := plugintest.CompiledIn(nil, plugintest.Plugin())("lines")
		s, err := op.Sink(config)
		return unfenced{s}, err
	}},
	"owners/lines without IDs": {Name: "lines", Sink: func(config []byte) (plugins.Sink, error) {
		op := plugintest.CompiledIn(nil, plugintest.Plugin())("lines")
		s, err := op.Sink(config)
		return nameless{s}, err
	}},
}

// doubling gives a record batch twice, in place of each row.
type doubling struct{}

func (doubling) Declare(in *arrow.Schema) (plugins.Declaration, error) {
	d := plugins.Declaration{Output: in, Reads: []int{}, Keeps: make([]int, in.NumFields())}
	for i := range d.Keeps {
		d.Keeps[i] = i
	}
	return d, nil
}

func (doubling) Process(_ context.Context, _ plugins.Batch, in arrow.Record) (plugins.Result, error) {
	n := int32(in.NumRows())
	from := make([]int32, 0, 2*n)
	for i := range 2 * n {
		from = append(from, i%n)
	}
	return plugins.Result{N: len(from), From: from}, nil
}

func failsForEver() plugins.Operator {
	failed := false
	return plugins.TryFilter("fail", func(r number) (bool, error) {
		if failed = failed || r.N < 0; failed {
			return false, errors.New("negative n: -5")
		}
		return true, nil
	})
}

// timeless does not look at the timers that keys have.
type timeless struct{ plugins.Keyed }

func (k timeless) Update(ctx context.Context, b plugins.Batch, in plugins.KeyedInput) (plugins.KeyedOutput, error) {
	in.Timers = make([]int64, len(in.Timers))
	return k.Keyed.Update(ctx, b, in)
}

// unfenced knows no epochs.
type unfenced struct{ plugins.Sink }

func (s unfenced) Lane(ctx context.Context, n, lanes int, o plugins.Owner) (plugins.Lane, error) {
	o.Epoch = 1
	return s.Sink.Lane(ctx, n, lanes, o)
}

// nameless takes epochs of all owners for those of one.
type nameless struct{ plugins.Sink }

func (s nameless) Lane(ctx context.Context, n, lanes int, o plugins.Owner) (plugins.Lane, error) {
	o.ID = "any"
	return s.Sink.Lane(ctx, n, lanes, o)
}

const defectEnv = "MILLRACE_TEST_DEFECT"

// TestDefective is run by TestSuiteNoticesDefects, in a process of its own.
func TestDefective(t *testing.T) {
	op, ok := defects[os.Getenv(defectEnv)]
	if !ok {
		t.Skip("only by TestSuiteNoticesDefects")
	}
	good := plugintest.CompiledIn(t, plugintest.Plugin())
	plugintest.Suite(t, func(name string) plugins.Operator {
		if name == op.Name {
			return op
		}
		return good(name)
	})
}

// TestSuiteNoticesDefects has the suite fail for each defect.
func TestSuiteNoticesDefects(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, op := range defects {
		t.Run(name, func(t *testing.T) {
			part, _, _ := strings.Cut(name, "/")
			cmd := exec.Command(exe, "-test.run=^TestDefective$/^"+part+"$")
			cmd.Env = append(os.Environ(), defectEnv+"="+name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !strings.Contains(string(out), "--- FAIL: TestDefective") {
				t.Errorf("%s passes: %v\n%s", op.Name, err, out)
			}
		})
	}
}
