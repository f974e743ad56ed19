package dstream_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// session is the state of the tests below: the values so far, and how often it was called.
type session struct {
	Values []string
	Calls  int64
	Last   time.Time
}

// scripted is a Stateful function that does what the values say.
func scripted(key string, values []string, st *dstream.State[session]) []string {
	s := st.Get()
	show := fmt.Sprintf("%s@%d:%s", key, st.Time().Unix(), strings.Join(append(append([]string{}, s.Values...), values...), ","))
	if st.Expired() {
		if strings.Contains(show, "again") {
			st.Set(session{Values: []string{"kept"}})
			return []string{show + "!again"}
		}
		return []string{show + "!"}
	}
	if !st.Exists() {
		show += "*"
	}
	for _, v := range values {
		switch v {
		case "delete":
			st.Delete()
		case "reset":
			st.Delete()
			st.Set(session{Values: []string{"reset"}})
			return []string{show}
		case "never":
			st.ExpireAt(time.Time{})
		case "at20":
			st.ExpireAt(dstreamtest.At(20 * time.Second))
		case "past":
			st.ExpireAt(dstreamtest.At(time.Second))
		case "look":
			return []string{show}
		}
		if strings.HasPrefix(v, "after") {
			st.ExpireAfter(10 * time.Second)
		}
	}
	if st.Exists() || !strings.Contains(strings.Join(values, ","), "delete") {
		st.Set(session{Values: append(append([]string{}, s.Values...), values...), Calls: s.Calls + 1, Last: st.Time()})
	}
	return []string{show}
}

func statefulJob(job *dstream.Job) {
	dstream.From(job, in.Source()).
		KeyBy(func(s string) string { return s[:1] }).
		MapValues(func(s string) string { return s[1:] }).
		Stateful("sessions", scripted).
		Values().
		To(dstreamtest.Sink("out"))
}

func TestStateful(t *testing.T) {
	run(t, statefulJob, values[string], []step{
		{1, rows(in.Part(0, "a1", "b1", "a2"), in.Part(1, "a3")), "a@1:1,2,3* b@1:1*"}, // all values of a key together, in order
		{2, nil, ""},
		{3, rows(in.Part(1, "a4")), "a@3:1,2,3,4"},
		{4, rows(in.Part(1, "adelete", "blook")), "a@4:1,2,3,4,delete b@4:1,look"},
		{5, rows(in.Part(1, "a5", "breset")), "a@5:5* b@5:1,reset"},
		{6, rows(in.Part(1, "b2", "clook")), "b@6:reset,2 c@6:look*"},
		{7, rows(in.Part(1, "clook")), "c@7:look*"}, // looking makes no state
	})
}

// Timers fire once, in the first batch at or after their due time, with or without rows (P28).
func TestStatefulTimers(t *testing.T) {
	run(t, statefulJob, values[string], []step{
		{1, rows(in.Part(0, "aafter", "bat20", "cafter", "dagain", "dafter")), "a@1:after* b@1:at20* c@1:after* d@1:again,after*"},
		{5, rows(in.Part(0, "c2", "eafter")), "c@5:after,2 e@5:after*"}, // c's timer runs on
		{10, nil, ""},
		{11, nil, "a@11:after! c@11:after,2! d@11:again,after!again"}, // exactly due, in an empty batch
		{12, rows(in.Part(0, "alook", "d1")), "a@12:look* d@12:kept,1"},
		{15, rows(in.Part(0, "e1")), "e@15:1* e@15:after!"}, // due and touched: first the timer, then the values with no state
		{19, rows(in.Part(0, "bnever")), "b@19:at20,never"},
		{50, rows(in.Part(0, "fpast")), "f@50:past*"}, // a due time in the past: the next batch
		{51, nil, "f@51:past!"},
		{60, rows(in.Part(0, "bat20", "bdelete")), "b@60:at20,never,at20,delete"}, // deleted with its timer
		{99, nil, ""},
	})
}

// The earliest timer is what the driver cuts the next batch for.
func TestStatefulNextDue(t *testing.T) {
	r := runner(t, dstreamtest.Options{Reduce: 3}, statefulJob)
	batch(t, r, step{1, rows(in.Part(0, "aafter", "bat20")), ""})
	if due := r.NextDue(); due.Unix() != 11 {
		t.Errorf("next due is %v", due)
	}
	batch(t, r, step{11, nil, ""})
	if due := r.NextDue(); due.Unix() != 20 {
		t.Errorf("next due is %v", due)
	}
	batch(t, r, step{21, nil, ""})
	if due := r.NextDue(); !due.IsZero() {
		t.Errorf("next due is %v", due)
	}
}

// Calls of one partition come in a defined order: timers by (due, key), then keys by first appearance (I7).
func TestStatefulOrder(t *testing.T) {
	r := runner(t, dstreamtest.Options{}, statefulJob)
	batch(t, r, step{1, rows(in.Part(0, "zafter", "aafter", "mat20")), ""})
	b := batch(t, r, step{30, rows(in.Part(0, "q1", "b1"), in.Part(1, "b2", "a1")), ""})
	want := []string{"a@30:after!", "z@30:after!", "m@30:at20!", "q@30:1*", "b@30:1,2*", "a@30:1*"}
	if diff := cmp.Diff(want, values[string](b)); diff != "" {
		t.Error(diff)
	}
}

// Times that user code makes reach the next operator and the state as columns carry them: microseconds, UTC (P24).
func TestTimesAreNormalised(t *testing.T) {
	odd := time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.FixedZone("x", 3600))
	want := odd.Truncate(time.Microsecond).UTC().Format(time.RFC3339Nano)
	show := func(at time.Time) string { return at.Format(time.RFC3339Nano) }
	one := []step{{1, rows(in.Part(0, "a", "a"), in.Part(1, "a")), ""}}
	check := func(wants string, build func(s dstream.Stream[string])) {
		t.Helper()
		one[0].want = wants
		run(t, func(job *dstream.Job) { build(dstream.From(job, in.Source())) }, values[string], one)
	}
	stamp := func(string) time.Time { return odd }
	three := want + " " + want + " " + want
	check(three, func(s dstream.Stream[string]) { s.Map(stamp).Map(show).To(dstreamtest.Sink("out")) })
	check(three, func(s dstream.Stream[string]) {
		s.FlatMap(func(string) []time.Time { return []time.Time{odd} }).Map(show).To(dstreamtest.Sink("out"))
	})
	check(want, func(s dstream.Stream[string]) {
		s.Map(stamp).KeyBy(func(time.Time) string { return "k" }).
			ReduceByKey(func(a, b time.Time) time.Time {
				if a.Nanosecond()%1000 != 0 {
					panic("a time with nanoseconds") // f's own result came back as it was
				}
				return odd
			}).Values().Map(show).To(dstreamtest.Sink("out"))
	})
	check(want, func(s dstream.Stream[string]) {
		s.KeyBy(func(string) string { return "k" }).
			Stateful("st", func(_ string, _ []string, st *dstream.State[session]) []time.Time { return []time.Time{odd} }).
			Values().Map(show).To(dstreamtest.Sink("out"))
	})
}

// counted is the state of mapped: what was seen so far.
type counted struct{ Seen []string }

// mapped is a MapWithState function that does what the value says.
func mapped(key string, value *string, st *dstream.State[counted]) string {
	s := st.Get()
	if value == nil {
		if strings.Contains(strings.Join(s.Seen, ""), "again") {
			st.Set(counted{Seen: []string{"kept"}})
		}
		return fmt.Sprintf("%s@%d:%s!%v", key, st.Time().Unix(), strings.Join(s.Seen, ","), st.Expired())
	}
	show := fmt.Sprintf("%s@%d:%s+%s", key, st.Time().Unix(), strings.Join(s.Seen, ","), *value)
	if !st.Exists() {
		show += "*"
	}
	switch *value {
	case "delete":
		st.Delete()
		return show
	case "reset":
		st.Delete()
		s.Seen = nil
	case "look":
		return show
	}
	st.Set(counted{Seen: append(append([]string{}, s.Seen...), *value)})
	if strings.HasPrefix(*value, "after") {
		st.ExpireAfter(10 * time.Second)
	}
	return show
}

// TestMapWithState calls the function for each value, in order, with what the call before left, and once with nil when a timer fires.
func TestMapWithState(t *testing.T) {
	job := func(job *dstream.Job) {
		dstream.From(job, in.Source()).
			KeyBy(func(s string) string { return s[:1] }).
			MapValues(func(s string) string { return s[1:] }).
			MapWithState("seen", mapped, dstream.CheckpointEvery(3)).
			Values().
			To(dstreamtest.Sink("out"))
	}
	run(t, job, values[string], []step{
		{1, rows(in.Part(0, "a1", "b1", "a2"), in.Part(1, "a3")), "a@1:+1* a@1:1+2 a@1:1,2+3 b@1:+1*"},
		{2, nil, ""},
		{3, rows(in.Part(0, "adelete", "alook", "a4")), "a@3:+4* a@3:+look* a@3:1,2,3+delete"}, // removed, seen as gone, set again in one batch
		{4, rows(in.Part(0, "breset", "b2")), "b@4:1+reset b@4:reset+2"},                       // removed and set in one call
		{5, rows(in.Part(0, "aafter", "cafteragain")), "a@5:4+after c@5:+afteragain*"},
		{14, nil, ""},
		{16, rows(in.Part(0, "a5", "clook")), "a@16:+5* a@16:4,after!true c@16:afteragain!true c@16:kept+look"}, // the timer comes first; c set its state again
		{40, rows(in.Part(0, "a6", "c1")), "a@40:5+6 c@40:kept+1"},
		{41, rows(in.Part(0, "adelete"), in.Part(1, "bdelete")), "a@41:5,6+delete b@41:reset,2+delete"},
		{42, rows(in.Part(0, "alook")), "a@42:+look*"}, // a call that sets nothing leaves no state
		{43, rows(in.Part(0, "alook")), "a@43:+look*"},
	})
}

// TestMapWithStateMistakes goes through what is reported when the job is built.
func TestMapWithStateMistakes(t *testing.T) {
	_, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) {
		s := dstream.From(job, in.Source()).KeyBy(dstream.Self)
		s.MapWithState[int64, int64]("nil", nil).To(dstreamtest.Sink("a"))
		s.MapWithState("", func(string, *string, *dstream.State[int64]) int64 { return 0 }).To(dstreamtest.Sink("b"))
		s.MapWithState("x", func(string, *string, *dstream.State[int64]) int64 { return 0 }, dstream.Expire(time.Second)).To(dstreamtest.Sink("c"))
	})
	for _, want := range []string{"MapWithState needs a function", "needs a name", "use State.ExpireAfter"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s in it", err, want)
		}
	}
}
