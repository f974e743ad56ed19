package dstream_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/rdd"
)

// bomb panics at the row "boom".
func bomb(s string) string {
	if strings.HasPrefix(s, "boom") {
		panic("a bomb went off")
	}
	return s
}

// A panic names the operator, its line, the source record where it can be known, the key where it cannot, and the user's frames.
func TestPanicsSayWhere(t *testing.T) {
	out := dstreamtest.Sink("out")
	join := func(s string, _ string) string { return bomb(s) }
	keyed := func(job *dstream.Job) dstream.Keyed[string, string] {
		return dstream.From(job, in.Source()).KeyBy(dstream.Self)
	}
	for _, c := range []struct {
		op    string
		build func(*dstream.Job)
		mark  string // of the operator's line
		key   bool   // found behind a shuffle
	}{
		{"map", func(j *dstream.Job) {
			dstream.From(j, in.Source()).Map(bomb).To(out) // panic map
		}, "panic map", false},
		{"filter", func(j *dstream.Job) {
			dstream.From(j, in.Source()).Filter(func(s string) bool { return bomb(s) != "" }).To(out) // panic filter
		}, "panic filter", false},
		{"flatMap", func(j *dstream.Job) {
			dstream.From(j, in.Source()).FlatMap(func(s string) []string { return strings.Fields(bomb(s)) }).To(out) // panic flatMap
		}, "panic flatMap", false},
		{"keyBy", func(j *dstream.Job) {
			dstream.From(j, in.Source()).KeyBy(bomb).CountByKey().To(out) // panic keyBy
		}, "panic keyBy", false},
		{"mapValues", func(j *dstream.Job) {
			s := keyed(j)
			s.Union(s.MapValues(bomb)).To(out) // panic mapValues
		}, "panic mapValues", false},
		{"map", func(j *dstream.Job) {
			s := dstream.From(j, in.Source())
			s.Union(s).Map(bomb).To(out) // panic behind union
		}, "panic behind union", false},
		{"reduceByKey", func(j *dstream.Job) {
			keyed(j).Filter(func(s string) bool { return s == "boom" }).
				ReduceByKey(func(a, b string) string { return bomb(a) }).To(out) // panic reduce, map side
		}, "panic reduce, map side", false},
		{"latest", func(j *dstream.Job) {
			t := dstream.From(j, in.Source()).LatestBy("t", func(s string) (string, string, bool) { return bomb(s), s, true }) // panic latest
			t.Changes().To(out)
		}, "panic latest", false},
		{"runningReduce", func(j *dstream.Job) {
			keyed(j).RunningReduce("r", func(a, b string) string { return bomb(b) }).To(out) // panic running
		}, "panic running", true},
		{"stateful", func(j *dstream.Job) {
			keyed(j).Stateful("s", func(k string, vs []string, _ *dstream.State[int64]) []string { return []string{bomb(k)} }).To(out) // panic stateful
		}, "panic stateful", true},
		{"joinTable", func(j *dstream.Job) {
			s := keyed(j)
			s.JoinTable(s.Latest("t"), join).To(out) // panic join
		}, "panic join", true},
	} {
		t.Run(c.mark, func(t *testing.T) { checkPanic(t, c.op, c.build, lineIn(t, panicTestSource, c.mark), c.key) })
	}
}

func checkPanic(t *testing.T, op string, build func(*dstream.Job), line int, key bool) {
	r := runnerOf(t, build)
	first := dstreamtest.At(time.Second)
	if _, err := r.Run(first, in.Part(2, "a", "b", "c")); err != nil {
		t.Fatal(err)
	}
	parts := rows(in.Part(2, "d", "boom", "boom", "e"), in.Part(3, "boom"))
	if key {
		parts = rows(in.Part(2, "d", "boom", "e"), in.Part(3, "boom")) // once a task: nothing to combine before the shuffle
	}
	_, err := r.Run(dstreamtest.At(2*time.Second), parts...)
	var e *rdd.UserError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a UserError", err)
	}
	if e.Op != op || e.Site != "panic_test.go:"+itoa(line) || e.Batch != 2 || !strings.Contains(e.Cause, "a bomb went off") {
		t.Errorf("operator %s at %s, batch %d, cause %s; want %s at line %d", e.Op, e.Site, e.Batch, e.Cause, op, line)
	}
	if !strings.Contains(e.Stack, "dstream_test.bomb\n") || strings.Contains(e.Stack, "millrace/rdd.") || strings.Contains(e.Stack, "runtime.gopanic") {
		t.Errorf("stack is not the user's:\n%s", e.Stack)
	}
	if key && e.Key != "boom" {
		t.Errorf("key is %q", e.Key)
	}
	reduce := op == "reduceByKey" // the second of the two is where values are first combined
	if want := int64(4); !key && (e.Source != "in" || e.Partition != 2 || e.Offset != want && !(reduce && e.Offset == 5)) {
		t.Errorf("source %s partition %d offset %d, want offset %d", e.Source, e.Partition, e.Offset, want)
	}
	if _, err := r.Run(dstreamtest.At(3*time.Second), in.Part(2, "fine")); err != nil {
		t.Errorf("after the failed batch: %v", err) // its state was undone
	}
}

// A panic that does not happen again one record at a time names the range.
func TestPanicThatDependsOnTheRun(t *testing.T) {
	calls := 0
	r := runnerOf(t, func(j *dstream.Job) {
		dstream.From(j, in.Source()).Map(func(s string) string {
			if calls++; calls == 2 {
				panic("sometimes")
			}
			return s
		}).To(dstreamtest.Sink("out"))
	})
	_, err := r.Run(dstreamtest.At(0), in.Part(0, "a", "b", "c"))
	if err == nil || !strings.Contains(err.Error(), "offsets 0 to 2; it did not happen again one record at a time") {
		t.Errorf("got %v", err)
	}
}

// An operator that changes the rows it was given is found by test runs with Debug (P24).
func TestMutationIsFound(t *testing.T) {
	type box struct{ Names []string }
	boxes := dstreamtest.Input[box]("boxes")
	r, err := dstreamtest.New(dstreamtest.Options{Debug: true}, func(j *dstream.Job) {
		dstream.From(j, boxes.Source()).Map(func(b box) int64 {
			b.Names[0] = "changed"
			return 1
		}).To(dstreamtest.Sink("out"))
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Run(dstreamtest.At(0), boxes.Part(0, box{[]string{"x"}}))
	if err == nil || !strings.Contains(err.Error(), "changed the rows that it was given") {
		t.Errorf("got %v", err)
	}
}

func runnerOf(t *testing.T, build func(*dstream.Job)) *dstreamtest.Runner {
	t.Helper()
	return runner(t, dstreamtest.Options{Reduce: 2}, build)
}
