package dstream_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

type spot struct {
	Page  string
	Count int64
}

// TestKeyedFrameAs takes columns to keys and values and on to an operator of keyed rows.
func TestKeyedFrameAs(t *testing.T) {
	dstreamtest.CheckKeyed(t, func(s dstream.Stream[click]) dstream.Keyed[string, int64] {
		return s.Frame().Select("count", "page").KeyBy("page").As[string, int64]().ReduceByKey(func(a, b int64) int64 { return a + b })
	}, [][]click{{{Page: "a", Count: 1}, {Page: "b", Count: 2}, {Page: "a", Count: 3}}, {}},
		[][]dstream.Pair[string, int64]{{{Key: "a", Value: 4}, {Key: "b", Value: 2}}, {}})
	dstreamtest.CheckKeyed(t, func(s dstream.Stream[click]) dstream.Keyed[spot, *string] {
		return s.Frame().Select("note", "page", "count").Where(expr.Col("count").Gt(int64(1))).KeyBy("page", "count").As[spot, *string]()
	}, [][]click{{{Page: "a", Count: 1}, {Page: "b", Count: 2}}}, [][]dstream.Pair[spot, *string]{{{Key: spot{"b", 2}}}})
}

// TestKeyedFrameTo writes what a sink would make keys and values of.
func TestKeyedFrameTo(t *testing.T) {
	j := dstreamtest.Run(t, func(job *dstream.Job) {
		f := dstream.From(job, source.LogJSON[click]("in")).Frame()
		f.Select("page", "count").KeyBy("page").To(sink.LogJSON("one"))
		f.Select("page", "count", "score", "note").KeyBy("note", "page").To(sink.LogJSON("several"))
	})
	b := j.Batch(dstreamtest.Records("log:in", 0, `{"page":"a","count":1,"score":0.5}`, `{"page":"b","count":2,"score":1,"note":"x"}`))
	if got := dstreamtest.Pairs[string, int64](b, "log:one"); len(got) != 2 || got[1] != (dstream.Pair[string, int64]{Key: "b", Value: 2}) {
		t.Errorf("%v", got)
	}
	want := `{"count":1,"key.note":null,"key.page":"a","score":0.5}` + "\n" + `{"count":2,"key.note":"x","key.page":"b","score":1}` + "\n"
	if got := b.JSON("log:several"); got != want {
		t.Errorf("%s", got)
	}
}

func TestKeyedFrameMistakes(t *testing.T) {
	job := dstream.NewJob(dstream.JobOptions{})
	job.Describe(func(job *dstream.Job) {
		f := dstream.From(job, source.LogJSON[click]("in")).Frame().Select("page", "count")
		f.KeyBy("pgae").To(sink.LogJSON("a"))
		f.KeyBy("page", "count").To(sink.LogJSON("b"))
		f.KeyBy().To(sink.LogJSON("c"))
		f.KeyBy("page").As[int64, int64]().To(sink.LogJSON("d"))
		f.KeyBy("count").As[int64, spot]().To(sink.LogJSON("e"))
	})
	_, err := job.Plan()
	for _, want := range []string{`keyBy: there is no column "pgae"; did you mean "page"?`, "keyBy([page count]): keys and values need a column each",
		"keyBy([]): keys and values need a column each", "As: key int64: column 1 is", `As: value dstream_test.spot: column "count" is missing`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s in\n%v", want, err)
		}
	}
}
