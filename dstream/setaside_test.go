package dstream_test

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

type entry struct{ Key, Text string }

type keyed struct {
	Key string
	N   *int64
}

// A row that an expression does not accept is a dead letter, once, whatever happens.
func TestProofCastIsSetAside(t *testing.T) {
	n := expr.Col("text").Cast(expr.Int64)
	in := [][]entry{{{"a", "1"}, {"b", "x"}, {"a", "2"}}, {}, {{"b", "3"}, {"c", "y"}, {"a", "z"}}}
	one, two, three := new(int64(1)), new(int64(2)), new(int64(3))
	rows := [][]keyed{{{"a", one}, {"a", two}}, {}, {{"b", three}}}
	for name, c := range map[string]struct {
		op   func(dstream.Frame) dstream.Frame
		want [][]keyed
	}{
		"select": {func(f dstream.Frame) dstream.Frame { return f.Select("key", n.As("n")) }, rows},
		"where": {func(f dstream.Frame) dstream.Frame {
			return f.Where(n.Gt(1)).Select("key", expr.Col("text").TryCast(expr.Int64).As("n"))
		}, [][]keyed{{{"a", two}}, {}, {{"b", three}}}},
		"aggregate": {func(f dstream.Frame) dstream.Frame { return f.GroupBy("key").Agg(expr.Sum(n).As("n")) },
			[][]keyed{{{"a", three}}, {}, {{"b", three}}}},
		"running": {func(f dstream.Frame) dstream.Frame {
			return f.GroupBy("key").Running("sums").Agg(expr.Sum(n).As("n"))
		},
			[][]keyed{{{"a", three}}, {}, {{"b", three}}}},
		"distinct":         {func(f dstream.Frame) dstream.Frame { return f.Distinct("key", n).Select("key", n.As("n")) }, rows},
		"behind a shuffle": {func(f dstream.Frame) dstream.Frame { return f.Distinct().Select("key", n.As("n")) }, rows},
		"behind rows":      {func(f dstream.Frame) dstream.Frame { return f.As[entry]().Frame().Select("key", n.As("n")) }, rows},
	} {
		t.Run(name, func(t *testing.T) {
			dstreamtest.Check(t, func(s dstream.Stream[entry]) dstream.Stream[keyed] { return c.op(s.Frame()).As[keyed]() },
				in, c.want, dstreamtest.Aside(1, 0, 2))
		})
	}
}

// aside is a job's dead letters of one batch of entries, as "partition offset: reason".
func aside(t *testing.T, in dstreamtest.In[entry], op func(dstream.Frame) dstream.Frame, rows ...dstreamtest.Rows) []string {
	t.Helper()
	var texts [2][]string
	for i, debug := range []bool{false, true} {
		o := dstreamtest.Options{Debug: debug, Job: dstream.JobOptions{DeadLetter: func(string) *sink.Spec { return dstreamtest.Collect("dead") }}}
		r := runner(t, o, func(job *dstream.Job) { op(dstream.From(job, in.Source()).Frame()).To(dstreamtest.Sink("out")) })
		b := batch(t, r, step{at: 1, rows: rows})
		for _, d := range b.DeadLetters("in") {
			before, _, _ := strings.Cut(d.Reason, " (") // places in the program
			texts[i] = append(texts[i], fmt.Sprintf("%s %d %d: %s", d.Source, d.Partition, d.Offset, before))
		}
		if b.Counters.Bad != int64(len(texts[i])) {
			t.Errorf("counted %d", b.Counters.Bad)
		}
	}
	if d := cmp.Diff(texts[0], texts[1]); d != "" {
		t.Errorf("rows through columns: %s", d)
	}
	return texts[0]
}

// A dead letter tells the record, and what was not accepted: through filters, unions of one task and operators on rows.
func TestSetAsideTellsRecord(t *testing.T) {
	in := dstreamtest.Input[entry]("in")
	text := expr.Col("text")
	number := func(f dstream.Frame) dstream.Frame { return f.Select(text.Cast(expr.Int8).As("n")) }
	why := func(text string) string { return `cast(text as int8): "` + text + `" is no int8, in select` }
	for name, c := range map[string]struct {
		op   func(dstream.Frame) dstream.Frame
		want []string
	}{
		"direct":          {number, []string{"in 0 1: " + why("x"), "in 0 3: " + why("300"), "in 2 0: " + why("y")}},
		"behind a filter": {func(f dstream.Frame) dstream.Frame { return number(f.Where(expr.Col("key").Ne("a"))) }, []string{"in 0 3: " + why("300"), "in 2 0: " + why("y")}},
		"behind functions": {func(f dstream.Frame) dstream.Frame {
			return number(f.As[entry]().FlatMap(func(e entry) []entry { return []entry{{e.Key, "1"}, e} }).Frame())
		}, []string{"in 0 1: " + why("x"), "in 0 3: " + why("300"), "in 2 0: " + why("y")}},
		"of both sides of a union": {func(f dstream.Frame) dstream.Frame {
			return number(f.Where(expr.Col("key").Eq("b")).Union(f.Where(expr.Col("key").Eq("a")).As[entry]().Filter(func(entry) bool { return true }).Frame()))
		}, []string{"in 0 3: " + why("300"), "in 0 1: " + why("x"), "in 2 0: " + why("y")}},
	} {
		t.Run(name, func(t *testing.T) {
			rows := []dstreamtest.Rows{in.Part(0, entry{"a", "1"}, entry{"a", "x"}, entry{"b", "2"}, entry{"b", "300"}), in.Part(2, entry{"b", "y"})}
			if d := cmp.Diff(c.want, aside(t, in, c.op, rows...)); d != "" {
				t.Error(d)
			}
		})
	}
	got := aside(t, in, func(f dstream.Frame) dstream.Frame { return number(f.Distinct()) }, in.Part(3, entry{"a", "1"}, entry{"b", "x"}))
	if d := cmp.Diff([]string{"in 0 -1: " + why("x")}, got); d != "" {
		t.Error(d)
	}
}

// The values of aggregates with a condition are asked only where it is true.
func TestSetAsideUnderCondition(t *testing.T) {
	in := dstreamtest.Input[entry]("in")
	got := aside(t, in, func(f dstream.Frame) dstream.Frame {
		return f.GroupBy().Agg(expr.Sum(expr.Col("text").Cast(expr.Int64)).Where(expr.Col("key").Eq("a")).As("n"), expr.Count())
	}, in.Part(0, entry{"b", "x"}, entry{"a", "y"}, entry{"a", "1"}))
	if len(got) != 1 || !strings.Contains(got[0], `in 0 1: cast(text as int64): "y" is no int64, in accept`) {
		t.Errorf("%q", got)
	}
}

// A condition of a join has a pair before it, and no record that could be set aside.
func TestSetAsideJoin(t *testing.T) {
	type row struct{ Key, Text string }
	_, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) {
		f := dstream.From(job, dstreamtest.Input[row]("a").Source()).Frame()
		o := dstream.From(job, dstreamtest.Input[row]("b").Source()).Frame()
		f.Join(o, dstream.On("key"), dstream.Suffix("2"), dstream.If(expr.Col("text").Cast(expr.Int64).Gt(1))).To(dstreamtest.Sink("out"))
	})
	if err == nil || !strings.Contains(err.Error(), "may refuse a pair of rows") || !strings.Contains(err.Error(), "setaside_test.go:") {
		t.Errorf("mistakes: %v", err)
	}
}

// A window sets rows aside before they are put into it, with the record.
func TestSetAsideWindow(t *testing.T) {
	type seen struct {
		At   time.Time
		Text string
	}
	in := dstreamtest.Input[seen]("in")
	j := dstreamtest.Run(t, func(job *dstream.Job) {
		f := dstream.From(job, in.Source()).Frame().EventTime("at", 0)
		f.Window(dstream.Tumbling(time.Minute)).Agg("sums", expr.Sum(expr.Col("text").Cast(expr.Int64)).As("n")).To(dstreamtest.Sink("out"))
	})
	at := dstreamtest.At(time.Second)
	b := j.Batch(in.Part(1, seen{at, "1"}, seen{at, "x"}))
	if d := b.DeadLetters("in"); len(d) != 1 || d[0].Offset != 1 || d[0].Partition != 1 {
		t.Errorf("dead letters %+v", d)
	}
}

// Where bad records stop a job, rows that are not accepted do.
func TestSetAsideStops(t *testing.T) {
	job := func(job *dstream.Job) {
		f := dstream.From(job, source.Memory([]entry{{"a", "1"}, {"b", "x"}}).Named("in")).Frame()
		f.Select(expr.Col("text").Cast(expr.Int64)).To(sink.Console(sink.ConsoleTo(io.Discard)))
	}
	err := driver.Run(t.Context(), job, driver.Config{Name: "stop", Master: "local[1]", UntilCaughtUp: true, OnBadRecord: "stop", Log: slog.New(slog.DiscardHandler), Args: []string{}})
	if err == nil || !strings.Contains(err.Error(), `source in partition 0 offset 1: bad record: cast(text as int64): "x" is no int64, in select (setaside_test.go:`) {
		t.Errorf("error %v", err)
	}
}
