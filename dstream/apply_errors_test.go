package dstream_test

import (
	"context"
	_ "embed"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

//go:embed apply_errors_test.go
var applyErrorsSource string

// mapping is an operator of kind map that gives its input's columns, made of functions.
type mapping struct {
	declare func(in *arrow.Schema) (plugins.Declaration, error) // nil: all columns are computed
	process func(b plugins.Batch, in arrow.Record) (plugins.Result, error)
	closed  func()
}

func (m mapping) op() plugins.Operator {
	return plugins.Operator{Name: "mapping", Map: func([]byte) (plugins.Map, error) { return m, nil }}
}

func (m mapping) Declare(in *arrow.Schema) (plugins.Declaration, error) {
	if m.declare == nil {
		return plugins.Declaration{Output: in}, nil
	}
	return m.declare(in)
}

func (m mapping) Process(_ context.Context, b plugins.Batch, in arrow.Record) (plugins.Result, error) {
	return m.process(b, in)
}

func (m mapping) Close() error {
	if m.closed != nil {
		m.closed()
	}
	return nil
}

func TestMistakesOfApply(t *testing.T) {
	clicks := dstreamtest.Input[click]("clicks")
	declares := func(d plugins.Declaration) plugins.Operator {
		return mapping{declare: func(*arrow.Schema) (plugins.Declaration, error) { return d, nil }}.op()
	}
	column := func(name string, t arrow.DataType) *arrow.Schema {
		return arrow.NewSchema([]arrow.Field{{Name: name, Type: t}}, nil)
	}
	seconds, days, note := column("at", &arrow.TimestampType{}), column("day", arrow.FixedWidthTypes.Date32), column("note", arrow.BinaryTypes.String)
	_, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) {
		s := dstream.From(job, clicks.Source())
		f := s.Frame()
		f.To(dstreamtest.Sink("out"))
		all := f.Schema()
		f.Select("page").Apply(copies, copiesConfig{}.bytes()) // want: apply: operator "copies": it needs a column "note"
		// want: apply: operator "copies": and more
		f.Apply(spread)                                                                                         // want: apply: operator "spread": it is of kind aggregate; use it with GroupBy(…).Apply
		f.Apply(plugins.Operator{Name: "nothing"})                                                              // want: apply: operator "nothing": set exactly one of
		f.Apply(copies, nil, nil)                                                                               // want: 2 configurations; give one, or none
		f.Apply(declares(plugins.Declaration{}))                                                                // want: it declares no output
		f.Apply(declares(plugins.Declaration{Output: all, Reads: []int{1, 1}}))                                 // want: it declares to read columns [1 1]; give numbers of the input's 5 columns, ascending
		f.Apply(declares(plugins.Declaration{Output: all, Keeps: []int{1}}))                                    // want: it declares of 1 columns whether they are kept, and its output has 5
		f.Apply(declares(plugins.Declaration{Output: seconds}))                                                 // want: its output: column "at" is timestamp[s], which no row has; let it be timestamp[us, tz=UTC]
		f.Apply(declares(plugins.Declaration{Output: days}))                                                    // want: its output: column "day": no row holds date32
		f.Apply(declares(plugins.Declaration{Output: note, Keeps: []int{2}}))                                   // want: it declares column "note", utf8, to be column "note" of the input, which is utf8 or null
		f.Apply(declares(plugins.Declaration{Output: note, Keeps: []int{12}}))                                  // want: it declares to keep column 12, and the input has 5 columns
		s.Apply[copied](spread).Map(func(c copied) string { return c.Page })                                    // want: is of kind aggregate
		s.Apply[spreadRow](copies, copiesConfig{}.bytes())                                                      // want: As[dstream_test.spreadRow]: column 2 is
		f.Via(plugins.Command("./nowhere")).GroupBy("country").Agg(expr.Count().As("n")).Select("country", "n") // want: via: plugin ./nowhere: "./nowhere" cannot be found: give the path of an executable
		f.GroupBy("pgae").Apply(spread)                                                                         // want: group by: there is no column "pgae"; did you mean "page"?
		f.GroupBy("page").Apply(copies)                                                                         // want: it is of kind map; use it with Frame.Apply or Frame.Via
		f.Select("page").GroupBy("page").Apply(spread)                                                          // want: apply: operator "spread": it needs a column "count" of int64
		f.GroupBy(expr.Col("count").As("n")).Apply(spread)                                                      // want: its output with the keys: column "n" is there twice
		f.GroupBy("page").Running("r").Apply(sessions)                                                          // want: it needs a column "value"
		f.GroupBy("page").Running("").Apply(spread)                                                             // want: an operator that keeps state needs a name
		// want: it is of kind aggregate
		f.With("x", dstream.Func(shout)(expr.Col("count"))) // want: operator "shout": it takes one text
		f.With("x", dstream.Func(copies)(1))                // want: operator "copies": it is of kind map
	})
	wantMistakesAt(t, err)
}

// wantMistakesAt is wantMistakes for a line with several mistakes: those behind the first stand in lines of their own.
func wantMistakesAt(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no mistakes")
	}
	got, at := strings.Split(err.Error(), "\n"), 0
	for i, line := range strings.Split(applyErrorsSource, "\n") {
		code, want, ok := strings.Cut(line, "// want: ")
		if !ok || strings.Contains(line, "strings.Cut") {
			continue
		}
		if strings.TrimSpace(code) != "" {
			at = i + 1
		}
		if len(got) == 0 || !strings.HasPrefix(got[0], "apply_errors_test.go:"+itoa(at)+": ") || !strings.Contains(got[0], want) {
			t.Fatalf("mistake at line %d is %q, want %q", at, append(got, "none")[0], want)
		}
		got = got[1:]
	}
	if len(got) > 0 {
		t.Errorf("more mistakes: %q", got)
	}
}

// An answer that is not what was declared fails the task, in words.
func TestApplyChecksAnswers(t *testing.T) {
	keeps := func(in *arrow.Schema) (plugins.Declaration, error) {
		return plugins.Declaration{Output: in, Keeps: []int{0, -1, 2, 3, 4}, Reads: []int{}}, nil
	}
	for _, c := range []struct {
		m    mapping
		want string
	}{
		{mapping{process: func(_ plugins.Batch, in arrow.Record) (plugins.Result, error) {
			return plugins.Result{}, errors.New("out of paper")
		}}, `operator "mapping", record batch 0 of 3 rows: out of paper`},
		{mapping{process: func(_ plugins.Batch, in arrow.Record) (plugins.Result, error) {
			return plugins.Result{N: 2, Rec: in}, nil
		}}, "it gives a record batch of 3 rows, and says that there are 2"},
		{mapping{process: func(_ plugins.Batch, in arrow.Record) (plugins.Result, error) { return plugins.Result{N: -1}, nil }}, "it gives -1 rows"},
		{mapping{process: func(_ plugins.Batch, in arrow.Record) (plugins.Result, error) { return plugins.Result{N: 3}, nil }}, "it gives no record batch for 3 rows"},
		{mapping{declare: keeps, process: func(_ plugins.Batch, in arrow.Record) (plugins.Result, error) { return plugins.Result{N: 2}, nil }}, "it gives 2 rows and does not say which rows of the input they come from (From)"},
		{mapping{declare: keeps, process: func(_ plugins.Batch, in arrow.Record) (plugins.Result, error) {
			return plugins.Result{N: 2, From: []int32{1}}, nil
		}}, "it gives 2 rows and says of 1 where they come from"},
		{mapping{declare: keeps, process: func(_ plugins.Batch, in arrow.Record) (plugins.Result, error) {
			return plugins.Result{N: 1, From: []int32{3}}, nil
		}}, "row 0 comes from row 3 (From), and the input has rows 0 to 2"},
		{mapping{declare: keeps, process: func(_ plugins.Batch, in arrow.Record) (plugins.Result, error) {
			return plugins.Result{N: 3, Rec: in}, nil
		}}, "it gives 0 columns, and declared 1"},
		{mapping{process: func(_ plugins.Batch, in arrow.Record) (plugins.Result, error) {
			in.Column(1).Data().Buffers()[1].Bytes()[0]++
			return plugins.Result{N: 3, Rec: in}, nil
		}}, "it changed the rows that it was given"},
	} {
		closed := 0
		c.m.closed = func() { closed++ }
		clicks := dstreamtest.Input[click]("clicks")
		r, err := dstreamtest.New(dstreamtest.Options{Debug: true}, func(job *dstream.Job) {
			dstream.From(job, clicks.Source()).Frame().Apply(c.m.op()).To(dstreamtest.Sink("out"))
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Run(dstreamtest.At(0), clicks.Part(0, click{Page: "a", Count: 1}, click{Page: "b"}, click{Page: "c"}))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "apply_errors_test.go") {
			t.Errorf("%v, want %s", err, c.want)
		}
		if closed != 1 {
			t.Errorf("%s: closed %d times", c.want, closed)
		}
	}
}

// A panic is the operator's, with its stack; which record it was about is not said.
func TestApplyPanics(t *testing.T) {
	clicks := dstreamtest.Input[click]("clicks")
	r, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) {
		dstream.From(job, clicks.Source()).Frame().Apply(mapping{process: func(_ plugins.Batch, in arrow.Record) (plugins.Result, error) {
			panic(bomb("boom"))
		}}.op()).To(dstreamtest.Sink("out"))
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Run(dstreamtest.At(0), clicks.Part(0, slices.Repeat([]click{{Page: "a"}}, 9000)...))
	var e *rdd.UserError
	if !errors.As(err, &e) || e.Op != "apply" || e.Offset != -1 || !strings.Contains(e.Stack, "dstream_test.bomb\n") || strings.Contains(e.Error(), "did not happen again") {
		t.Errorf("%v", err)
	}
}

// flaky is a mapping that fails the first calls of all, and gives its input back then.
func flaky(failures int) (op plugins.Operator, calls func() int) {
	var mu sync.Mutex
	n := 0
	m := mapping{process: func(_ plugins.Batch, in arrow.Record) (plugins.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		if n++; n <= failures {
			return plugins.Result{}, errors.New("the process has died: exit status 3")
		}
		return plugins.Result{N: int(in.NumRows()), Rec: in}, nil
	}}
	return m.op(), func() int { return n }
}

// An error is tried again, and ends the job after as many attempts as the error of any task.
func TestApplyIsTriedAgain(t *testing.T) {
	run := func(build func(f dstream.Frame) dstream.Frame) ([]string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		var got []string
		err := driver.Run(ctx, func(job *dstream.Job) {
			build(dstream.From(job, source.Memory([]string{"a", "b", "c"})).Frame()).As[string]().
				ForeachBatch(func(ctx context.Context, _ dstream.Batch, rows rdd.RDD[string]) error {
					list, err := rows.Collect(ctx)
					got = append(got, list...)
					return err
				})
		}, driver.Config{Name: "flaky", Master: "local[1]", Interval: 5 * time.Millisecond})
		return got, err
	}
	op, calls := flaky(2)
	got, err := run(func(f dstream.Frame) dstream.Frame { return f.Apply(op) })
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); err != nil || diff != "" || calls() < 3 {
		t.Errorf("%v after %d calls: %s", err, calls(), diff)
	}
	op, _ = flaky(1 << 30)
	if _, err := run(func(f dstream.Frame) dstream.Frame { return f.Apply(op) }); err == nil || !strings.Contains(err.Error(), `operator "mapping", record batch 0 of 3 rows: the process has died: exit status 3`) {
		t.Errorf("%v", err)
	}
	loud := dstream.Func(shout)
	if _, err := run(func(f dstream.Frame) dstream.Frame {
		return f.Select(expr.If(loud(expr.Col("value")).Eq("C"), loud("boom"), expr.Col("value")).As("value"))
	}); err == nil || !strings.Contains(err.Error(), `func shout('boom'): operator "shout": it broke`) || !strings.Contains(err.Error(), "attempts, the last: select") {
		t.Errorf("%v", err)
	}
}

// The plan says what is computed, by whom and of what; Explain also which columns are read.
func TestApplyInPlans(t *testing.T) {
	build := func(config []byte) func(job *dstream.Job) {
		return func(job *dstream.Job) {
			f := dstream.From(job, source.LogJSON[click]("in")).Frame().Apply(copies, config)
			f.Select("twice").To(dstreamtest.Sink("out"))
		}
	}
	text := explained(t, build(copiesConfig{Keep: true, Reads: true}.bytes()))
	for _, want := range []string{"reads count, note of 5 columns", " = copies, config sha256:", "apply: {page: utf8, twice: int64?, note: utf8?, tags: list<utf8>}"} {
		if !strings.Contains(text, want) {
			t.Errorf("want %s in\n%s", want, text)
		}
	}
	if strings.Count(text, "reads count, note of 5 columns") != 2 {
		t.Errorf("the source, and the operator, read two columns:\n%s", text)
	}
	if other := explained(t, build(copiesConfig{Keep: true, Reads: true, Slice: true}.bytes())); other == text {
		t.Error("plans of two configurations are one")
	}
}
