package dstream_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/host"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink/sinktest"
	"github.com/millrace/millrace/source"
)

// viaEnv makes the test binary a plugin that offers the operators of the tests.
const viaEnv = "MILLRACE_DSTREAM_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(viaEnv) != "" {
		ticks := newTicker(400)
		ticks.ended = true
		plugins.ServePlugin(plugins.Plugin{Name: "tests", Version: "7", Operators: []plugins.Operator{copies, spread, sessions, shout, ticks.op(), dying, same(false), sameKeeping, placeByName, placedByName}})
		os.Exit(0)
	}
	host.SetDefaultLog(slog.New(slog.DiscardHandler))
	code := m.Run()
	if err := host.CloseDefault(); err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// dying ends its process in the first call of all, for which its configuration names a file, and in each call if it names none.
var dying = plugins.Operator{Name: "dying", Map: func(path []byte) (plugins.Map, error) {
	return mapping{process: func(_ plugins.Batch, in arrow.Record) (plugins.Result, error) {
		if _, err := os.Stat(string(path)); err != nil {
			_ = os.WriteFile(string(path), nil, 0o600)
			os.Exit(3)
		}
		return plugins.Result{N: int(in.NumRows()), Rec: in}, nil
	}}, nil
}}

// placeByName and placedByName are a sink and a source of the same places, by their configuration.
var (
	placesByName sync.Map
	placeByName  = plugins.Operator{Name: "place", Sink: func(name []byte) (plugins.Sink, error) { return placeNamed(name), nil }}
	placedByName = plugins.Operator{Name: "placed", Source: func(name []byte) (plugins.Source, error) { return placedRows{placeNamed(name)}, nil }}
)

func placeNamed(name []byte) *place {
	p, _ := placesByName.LoadOrStore(string(name), &place{})
	return p.(*place)
}

// placedRows reads what is in a place, of the rows of sinktest.
type placedRows struct{ *place }

func (placedRows) Schema() (*arrow.Schema, error) { return sinktest.Schema.Arrow, nil }

func (p placedRows) Partitions(context.Context) ([]plugins.Partition, error) {
	n := int64(0)
	for _, rec := range p.all() {
		n += rec.NumRows()
	}
	return []plugins.Partition{{Key: "all", End: n}}, nil
}

func (p placedRows) Read(_ context.Context, _ plugins.Partition, from int64, _ int) (plugins.Fetched, error) {
	first := int64(0) // of the record
	for _, rec := range p.all() {
		if first == from && rec.NumRows() > 0 {
			rows := plugins.Fetched{Rec: rec, Next: from + rec.NumRows(), End: -1}
			for i := range rec.NumRows() {
				rows.Offsets = append(rows.Offsets, from+i)
			}
			return rows, nil
		}
		first += rec.NumRows()
	}
	return plugins.Fetched{}, io.EOF
}

// TestSinkViaConforms writes to a sink in a process, and reads back what is there through a source in the same.
func TestSinkViaConforms(t *testing.T) {
	sinktest.Run(t, func(t testing.TB, dir string) sinktest.Subject {
		return sinktest.Subject{Spec: dstream.SinkVia(inTests(t, "place").With([]byte(dir))).Spec(), EpochsRefused: true, Read: func() (rows []sinktest.Row, err error) {
			_, op, err := host.Default().Resolve(t.Context(), inTests(t, "placed"))
			if err != nil {
				return nil, err
			}
			s, err := op.Source([]byte(dir))
			if err != nil {
				return nil, err
			}
			if _, err := s.Schema(); err != nil {
				return nil, err
			}
			parts, err := s.Partitions(t.Context())
			for at := int64(0); err == nil && at < parts[0].End; {
				var got plugins.Fetched
				if got, err = s.Read(t.Context(), parts[0], at, 1<<20); err != nil {
					return nil, err
				}
				for i := range int(got.Rec.NumRows()) {
					rows = append(rows, sinktest.Row{Key: got.Rec.Column(0).(*array.String).Value(i), Value: got.Rec.Column(1).(*array.Int64).Value(i)})
				}
				at = got.Next
			}
			return rows, err
		}}
	})
}

// inTests is an operator in a process of this binary.
func inTests(t testing.TB, op string) plugins.Ref {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return plugins.Command(path).Op(op).Set(plugins.Settings{Env: map[string]string{viaEnv: "1"}})
}

// TestProofVia: operators in a process give what they give in this one, however the job runs.
func TestProofVia(t *testing.T) {
	t.Parallel()
	in := [][]click{
		{{Page: "a", Count: 1, Note: new("x")}, {Page: "b", Count: 2, Tags: []string{"t", "u"}}, {Page: "c", Count: 3}},
		{},
		{{Page: "d", Count: 5, Note: new("y")}, {Page: "-", Count: 1}, {Page: "e", Count: 4}},
	}
	want := make([][]copied, len(in))
	for i, rows := range in {
		for _, r := range rows {
			want[i] = append(want[i], copiesOf(r)...)
		}
	}
	for name, how := range map[string]copiesConfig{"all": {}, "keeps": {Keep: true, Reads: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dstreamtest.Check(t, func(s dstream.Stream[click]) dstream.Stream[copied] {
				return s.Via[copied](inTests(t, "copies").With(how.bytes()))
			}, in, want, dstreamtest.Ordered())
		})
	}
	row := func(page string, n, low, high, last int64) spreadRow { return spreadRow{page, n, &low, &high, &last} }
	t.Run("aggregate and scalar", func(t *testing.T) {
		t.Parallel()
		loud := dstream.FuncVia(inTests(t, "shout").With([]byte("!")))
		dstreamtest.Check(t, func(s dstream.Stream[click]) dstream.Stream[spreadRow] {
			return s.Frame().GroupBy(loud(expr.Col("page")).As("page")).Via(inTests(t, "spread")).As[spreadRow]()
		}, [][]click{{{Page: "a", Count: 3}, {Page: "b", Count: 1}, {Page: "a", Count: 2}}, {}}, [][]spreadRow{{row("A!", 2, 2, 3, 2), row("B!", 1, 1, 1, 1)}, {}}, dstreamtest.Sources(1))
	})
	t.Run("keyed", func(t *testing.T) {
		t.Parallel()
		dstreamtest.Check(t, func(s dstream.Stream[string]) dstream.Stream[sessionRow] {
			return s.Frame().GroupBy(expr.Col("value").Left(1).As("k")).Running("sessions").Via(inTests(t, "sessions")).As[sessionRow]()
		}, [][]string{{"a1", "b1"}, {"a2"}, {}, {"c forget"}}, [][]sessionRow{
			{{"a", "has 1", nil}, {"b", "has 1", nil}}, {{"a", "has 2", nil}}, {{"b", "closed after 1", []string{"b1"}}}, {{"a", "closed after 2", []string{"a1", "a2"}}},
		})
	})
}

// TestViaEqualsApply sends more rows than one record batch has through a process, several record batches at a time.
func TestViaEqualsApply(t *testing.T) {
	how := copiesConfig{Keep: true, Reads: true}
	j := dstreamtest.Run(t, func(job *dstream.Job) {
		f := dstream.From(job, source.LogJSON[click]("in")).Frame()
		f.Apply(copies, how.bytes()).To(dstreamtest.Sink("apply"))
		f.Via(inTests(t, "copies").With(how.bytes())).To(dstreamtest.Sink("via"))
	})
	for _, n := range []int{70_000, 5, 9000} {
		values := make([]string, n)
		for i := range values {
			values[i] = fmt.Sprintf(`{"page":"p%d","count":%d,"note":%s,"score":1,"tags":["t"]}`, i, i%5, []string{"null", `"x"`}[i%2])
		}
		b := j.Batch(dstreamtest.Records("log:in", 0, values...))
		if diff := cmp.Diff(strings.Split(b.JSON("apply"), "\n"), strings.Split(b.JSON("via"), "\n")); diff != "" {
			t.Fatalf("%d rows: %s", n, diff)
		}
	}
}

func runVia(t *testing.T, ref plugins.Ref) ([]string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
	defer cancel()
	var got []string
	err := driver.Run(ctx, func(job *dstream.Job) {
		dstream.From(job, source.Memory([]string{"a", "b", "c"})).Via[string](ref).ForeachBatch(func(ctx context.Context, _ dstream.Batch, rows rdd.RDD[string]) error {
			list, err := rows.Collect(ctx)
			got = append(got, list...)
			return err
		})
	}, driver.Config{Name: "dying", Master: "local[1]", Interval: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	return got, err
}

// A process that dies is started again and its task tried again; one that dies each time ends the job, with what became of it.
func TestViaProcessDies(t *testing.T) {
	got, err := runVia(t, inTests(t, "dying").With([]byte(filepath.Join(t.TempDir(), "died"))))
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
	_, err = runVia(t, inTests(t, "dying").With([]byte("/nowhere/at/all")))
	for _, want := range []string{"5 attempts, the last: via", "via_test.go", "record batch 0 of 3 rows: plugin tests 7", `operator "dying"`, "exit status 3"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s in\n%v", want, err)
		}
	}
}

func TestViaMistakes(t *testing.T) {
	job := dstream.NewJob(dstream.JobOptions{})
	job.Describe(func(job *dstream.Job) {
		f := dstream.From(job, source.LogJSON[click]("in")).Frame()
		f.Via(inTests(t, "copeis")).Select("page").GroupBy("page").Via(inTests(t, "copies"))
		f.Select("page").Via(inTests(t, "copies").With(copiesConfig{}.bytes())).Name("x")
		f.With("y", dstream.FuncVia(inTests(t, "shout"))(1))
		f.GroupBy("page").Running("r").Via(inTests(t, "sessions"))
	})
	_, err := job.Plan()
	for _, want := range []string{
		`via: plugin tests 7`, `it has no operator "copeis"; did you mean "copies"?`, `via: plugin tests 7, operator "copies": it is of kind map; use it with Frame.Apply`,
		`operator "copies": it needs a column "note"`, `operator "shout": it takes one text`, `operator "sessions": it needs a column "value"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s in\n%v", want, err)
		}
	}
}

// Plans know a plugin's name and version, and neither its path nor its settings.
func TestViaInPlans(t *testing.T) {
	text := explained(t, func(job *dstream.Job) {
		ref := inTests(t, "copies").With(copiesConfig{Keep: true, Reads: true}.bytes())
		dstream.From(job, source.LogJSON[click]("in")).Frame().Via(ref).To(dstreamtest.Sink("out"))
	})
	if !strings.Contains(text, " = copies of plugin tests 7, config sha256:") || strings.Contains(text, os.Args[0]) || strings.Contains(text, viaEnv) {
		t.Error(text)
	}
}

// A source in a process.
func TestSourceVia(t *testing.T) {
	var got []int64
	err := driver.RunBatch(t.Context(), driver.Config{Name: "ticks", Master: "local[2]", Log: slog.New(slog.DiscardHandler)}, func(ctx context.Context) error {
		rows, err := source.Read(dstream.SourceVia[tick](inTests(t, "ticks"))).Map(func(t tick) int64 { return t.N }).Collect(ctx)
		got = rows
		return err
	})
	slices.Sort(got)
	if err != nil || len(got) != 400 || got[0] != 1 || got[399] != 399 {
		t.Errorf("%d rows, %v", len(got), err)
	}
}
