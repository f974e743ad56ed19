package dstream_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// visits is a state: how often it was visited, and all values.
type visits struct {
	Calls  int64
	Values []string
}

func (v visits) String() string { return fmt.Sprintf("%d:%s", v.Calls, strings.Join(v.Values, ",")) }

// visit counts calls; the value "gone" removes the state, an idle key goes at its fourth call.
func visit(_ string, values []string, s *visits) *visits {
	if s == nil {
		s = &visits{}
	}
	s.Calls++
	for _, v := range values {
		if strings.HasSuffix(v, "gone") {
			return nil
		}
		s.Values = append(s.Values, v)
	}
	if s.Calls > 3 && len(values) == 0 {
		return nil
	}
	return s
}

// Every key is visited in every batch, empty ones included; nil removes it (P28).
func TestUpdateStateByKey(t *testing.T) {
	run(t, func(job *dstream.Job) { byFirst(job, in).UpdateStateByKey("visits", visit).To(out) }, pairs[string, visits], []step{
		{1, rows(in.Part(0, "b1", "a1"), in.Part(1, "a2", "cgone")), "a=1:a1,a2 b=1:b1"},
		{2, nil, "a=2:a1,a2 b=2:b1"},
		{3, rows(in.Part(2, "bgone", "c1")), "a=3:a1,a2 c=1:c1"},
		{4, rows(in.Part(0, "b2")), "b=1:b2 c=2:c1"}, // a goes; b is back, from nothing
		{5, nil, "b=2:b2 c=3:c1"},
	})
}

// Known keys come in order of their encodings, then new ones in order of first appearance (I7).
func TestUpdateStateByKeyOrder(t *testing.T) {
	r := runner(t, dstreamtest.Options{}, func(job *dstream.Job) {
		byFirst(job, in).UpdateStateByKey("n", func(_ string, _ []string, s *int64) *int64 { return new(int64) }).Keys().To(out)
	})
	for i, want := range []string{"m c x", "c m x z a", "a c m x z"} {
		b := batch(t, r, step{i, rows([][]dstreamtest.Rows{{in.Part(0, "m", "c"), in.Part(1, "x")}, {in.Part(0, "z", "a", "x")}, nil}[i]...), ""})
		if got := strings.Join(values[string](b), " "); got != want {
			t.Errorf("batch %d: %s, want %s", i+1, got, want)
		}
	}
}

// A state that stays the same is not written: a batch's delta has the keys that changed.
func TestUpdateStateWritesChanges(t *testing.T) {
	r := runner(t, dstreamtest.Options{}, func(job *dstream.Job) {
		byFirst(job, in).UpdateStateByKey("n", func(_ string, vs []string, s *int64) *int64 {
			if s == nil {
				s = new(int64)
			}
			*s += int64(len(vs))
			return s
		}).To(out)
	})
	for i, want := range []int64{3, 1, 0} {
		input := [][]dstreamtest.Rows{{in.Part(0, "a", "b", "c")}, {in.Part(0, "b")}, nil}[i]
		batch(t, r, step{i, input, ""})
		if got := r.Changed("n"); got != want {
			t.Errorf("batch %d changed %d states, want %d", i+1, got, want)
		}
	}
}

var begin = dstreamtest.Input[string]("begin")

// startOf reads states to begin with, "key=value".
func startOf(job *dstream.Job) dstream.Keyed[string, string] {
	return dstream.From(job, begin.Source()).KeyBy(func(s string) string { return s[:1] }).MapValues(func(s string) string { return s[2:] })
}

func TestInitialState(t *testing.T) {
	number := func(s string) int64 { return int64(len(s)) }
	start := rows(begin.Part(0, "a=xxx", "b=y", "a=z"), begin.Part(1, "c=ww", "b=vvvv"))
	both := append(rows(in.Part(0, "b1", "d1")), start...)
	run(t, func(job *dstream.Job) {
		byFirst(job, in).RunningCount("n", dstream.InitialState(startOf(job).MapValues(number)), dstream.Expire(10*time.Second)).To(out)
	}, pairs[string, int64], []step{
		{1, both, "b=2 d=1"}, // states first, then rows: of b's two the first counts
		{2, rows(in.Part(0, "a1", "c1", "a2")), "a=5 c=3"},
		{3, rows(begin.Part(0, "a=longer", "e=12345")), ""}, // a has a state
		{4, rows(in.Part(0, "a1", "e1")), "a=6 e=6"},
		{11, rows(in.Part(0, "b1")), "b=1"}, // states expire that rows did not renew
	})
	run(t, func(job *dstream.Job) {
		byFirst(job, in).RunningReduce("s", func(a, b string) string { return a + b }, dstream.InitialState(startOf(job))).To(out)
	}, pairs[string, string], []step{
		{1, start, ""},
		{2, rows(in.Part(0, "a1", "d1")), "a=xxxa1 d=d1"},
	})
	run(t, func(job *dstream.Job) {
		byFirst(job, in).Stateful("s", func(k string, vs []string, st *dstream.State[string]) []string {
			if st.Exists() && len(vs) > 1 {
				st.Delete()
				return []string{"gone"}
			}
			return []string{st.Get() + vs[0]}
		}, dstream.InitialState(startOf(job))).To(out)
	}, pairs[string, string], []step{
		{1, both, "b=yb1 d=d1"},
		{2, rows(in.Part(0, "b1", "b2")), "b=gone"},
		{3, rows(in.Part(0, "b1", "a1")), "a=xxxa1 b=b1"}, // a state that was removed stays so
	})
	run(t, func(job *dstream.Job) {
		byFirst(job, in).UpdateStateByKey("u", func(_ string, vs []string, s *string) *string {
			all := opt(s) + strings.Join(vs, "")
			return &all
		}, dstream.InitialState(startOf(job))).To(out)
	}, pairs[string, string], []step{
		{1, both, "a=xxx b=yb1 c=ww d=-d1"},
		{2, nil, "a=xxx b=yb1 c=ww d=-d1"},
	})
}

// The sources of states to begin with are read first (P32).
func TestInitialStateIsLoadedFirst(t *testing.T) {
	r := runner(t, dstreamtest.Options{}, func(job *dstream.Job) {
		byFirst(job, in).RunningReduce("s", func(a, b string) string { return b }, dstream.InitialState(startOf(job))).To(out)
	})
	if diff := gocmp.Diff(map[string][]string{"in": {"begin"}}, r.Plan.Gates); diff != "" {
		t.Error(diff)
	}
}

// Snapshots are all live states in each batch, empty ones included.
func TestSnapshots(t *testing.T) {
	steps := []step{
		{1, rows(in.Part(0, "a1", "b1", "a2")), "a=2 b=1"},
		{2, nil, "a=2 b=1"},
		{3, rows(in.Part(1, "c1")), "a=2 b=1 c=1"},
		{11, nil, "c=1"}, // a and b expire
		{13, nil, ""},
	}
	run(t, func(job *dstream.Job) {
		byFirst(job, in).RunningCount("n", dstream.Expire(10*time.Second)).Snapshots[int64]().To(out)
	}, pairs[string, int64], steps)
	run(t, func(job *dstream.Job) {
		byFirst(job, in).Stateful("n", func(_ string, vs []string, st *dstream.State[int64]) []string {
			st.Set(st.Get() + int64(len(vs)))
			st.ExpireAfter(10 * time.Second)
			if st.Expired() {
				st.Delete()
			}
			return nil
		}).Snapshots[int64]().To(out)
	}, pairs[string, int64], steps)
	run(t, func(job *dstream.Job) { byFirst(job, in).Latest("t").All().To(out) }, pairs[string, string], []step{
		{1, rows(in.Part(0, "a1", "b1", "a2")), "a=a2 b=b1"}, {2, nil, "a=a2 b=b1"}, {3, rows(in.Part(0, "b3")), "a=a2 b=b3"},
	})
}
