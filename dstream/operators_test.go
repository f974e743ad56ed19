package dstream_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

var in = dstreamtest.Input[string]("in")

func rows(rows ...dstreamtest.Rows) []dstreamtest.Rows { return rows }

func TestMapFilterFlatMap(t *testing.T) {
	run(t, func(job *dstream.Job) {
		dstream.From(job, in.Source()).
			FlatMap(strings.Fields).
			Map(strings.ToUpper).
			Filter(func(s string) bool { return s != "B" }).
			To(dstreamtest.Sink("out"))
	}, values[string], []step{
		{1, rows(in.Part(0, "a b c", "", "b"), in.Part(2, "d")), "A C D"},
		{2, nil, ""},
		{3, rows(in.Part(1, "b b b")), ""},
		{4, rows(in.Part(1, "a a")), "A A"},
	})
}

func TestUnion(t *testing.T) {
	other := dstreamtest.Input[string]("other")
	run(t, func(job *dstream.Job) {
		s := dstream.From(job, in.Source())
		up := s.Map(strings.ToUpper)
		s.Union(up, dstream.From(job, other.Source()), s).To(dstreamtest.Sink("out"))
	}, values[string], []step{
		{1, rows(in.Part(0, "a", "b"), other.Part(0, "x")), "A B a a b b x"},
		{2, rows(other.Part(1, "y")), "y"},
		{3, nil, ""},
	})
}

// The rows of a union within a task come input by input, however the records were cut into blocks (I7).
func TestUnionOrder(t *testing.T) {
	for _, block := range []int{0, 1, 2} {
		r := runner(t, dstreamtest.Options{Block: block}, func(job *dstream.Job) {
			s := dstream.From(job, in.Source())
			up := s.Map(strings.ToUpper)
			up.Union(s).Union(up).To(dstreamtest.Sink("out"))
		})
		b := batch(t, r, step{1, rows(in.Part(0, "a", "b", "c")), ""})
		if got := strings.Join(values[string](b), ""); got != "ABCabcABC" {
			t.Errorf("block %d: order is %s", block, got)
		}
	}
}

func TestReduceAndCountByKey(t *testing.T) {
	byFirst := func(job *dstream.Job) dstream.Keyed[string, string] {
		return dstream.From(job, in.Source()).KeyBy(func(s string) string { return s[:1] })
	}
	longest := func(a, b string) string { return a + "," + b }
	steps := []step{
		{1, rows(in.Part(0, "a1", "b1", "a2"), in.Part(1, "a3", "c1"), in.Part(2, "a4")), "a=a1,a2,a3,a4 b=b1 c=c1"},
		{2, nil, ""},
		{3, rows(in.Part(2, "a1")), "a=a1"},
	}
	run(t, func(job *dstream.Job) { byFirst(job).ReduceByKey(longest).To(dstreamtest.Sink("out")) }, pairs[string, string], steps)
	counts := []step{{1, steps[0].rows, "a=4 b=1 c=1"}, {2, nil, ""}, {3, steps[2].rows, "a=1"}}
	run(t, func(job *dstream.Job) { byFirst(job).CountByKey().To(dstreamtest.Sink("out")) }, pairs[string, int64], counts)
	byValue := []step{{1, rows(in.Part(0, "a", "b", "a"), in.Part(1, "a")), "a=3 b=1"}}
	run(t, func(job *dstream.Job) { dstream.From(job, in.Source()).CountByValue().To(dstreamtest.Sink("out")) }, pairs[string, int64], byValue)
}

type pageKey struct {
	Page string
	Hour int64
}

func TestStructKeys(t *testing.T) {
	run(t, func(job *dstream.Job) {
		dstream.From(job, in.Source()).
			KeyBy(func(s string) pageKey { return pageKey{s[:1], int64(len(s))} }).
			RunningCount("pages").
			Map(func(k pageKey, n int64) string { return fmt.Sprintf("%s%d=%d", k.Page, k.Hour, n) }).
			To(dstreamtest.Sink("out"))
	}, values[string], []step{
		{1, rows(in.Part(0, "a1", "a2", "a10"), in.Part(1, "b1", "a3")), "a2=3 a3=1 b2=1"},
		{2, rows(in.Part(0, "a9")), "a2=4"},
	})
}

func TestKeyedViews(t *testing.T) {
	keyed := func(job *dstream.Job) dstream.Keyed[string, string] {
		return dstream.From(job, in.Source()).KeyBy(func(s string) string { return s[:1] })
	}
	input := rows(in.Part(0, "a1", "b2"))
	check := func(build func(*dstream.Job), show func(*dstreamtest.Batch) []string, want string) {
		t.Helper()
		run(t, build, show, []step{{1, input, want}})
	}
	check(func(j *dstream.Job) { keyed(j).Values().To(dstreamtest.Sink("out")) }, values[string], "a1 b2")
	check(func(j *dstream.Job) { keyed(j).Keys().To(dstreamtest.Sink("out")) }, values[string], "a b")
	check(func(j *dstream.Job) { keyed(j).Pairs().To(dstreamtest.Sink("out")) }, values[dstream.Pair[string, string]], "{a a1} {b b2}")
	check(func(j *dstream.Job) { keyed(j).MapValues(strings.ToUpper).To(dstreamtest.Sink("out")) }, pairs[string, string], "a=A1 b=B2")
	check(func(j *dstream.Job) {
		keyed(j).Filter(func(s string) bool { return s == "b2" }).To(dstreamtest.Sink("out"))
	}, pairs[string, string], "b=b2")
	check(func(j *dstream.Job) { k := keyed(j); k.Union(k).CountByKey().To(dstreamtest.Sink("out")) }, pairs[string, int64], "a=2 b=2")
}

func TestRunningCount(t *testing.T) {
	run(t, func(job *dstream.Job) {
		dstream.From(job, in.Source()).KeyBy(dstream.Self).RunningCount("words").To(dstreamtest.Sink("out"))
	}, pairs[string, int64], []step{
		{1, rows(in.Part(0, "a", "b", "a"), in.Part(1, "a")), "a=3 b=1"},
		{2, nil, ""},
		{3, rows(in.Part(1, "b", "c")), "b=2 c=1"},
		{4, rows(in.Part(0, "a")), "a=4"},
	})
}

// A key that was idle for 10 s is forgotten in the first batch at or after that time, and begins anew.
func TestRunningCountExpires(t *testing.T) {
	run(t, func(job *dstream.Job) {
		dstream.From(job, in.Source()).KeyBy(dstream.Self).RunningCount("words", dstream.Expire(10*time.Second)).To(dstreamtest.Sink("out"))
	}, pairs[string, int64], []step{
		{1, rows(in.Part(0, "a", "b")), "a=1 b=1"},
		{10, rows(in.Part(0, "a")), "a=2"},          // a: due at 20; b: due at 11
		{11, nil, ""},                               // b goes, silently
		{12, rows(in.Part(0, "b")), "b=1"},          // b is new: due at 22
		{19, rows(in.Part(0, "a")), "a=3"},          // one before its time: due at 29
		{22, rows(in.Part(0, "b", "a")), "a=4 b=1"}, // b is due in this very batch
		{100, nil, ""},
		{101, rows(in.Part(0, "a", "b")), "a=1 b=1"},
	})
}

func TestRunningReduce(t *testing.T) {
	run(t, func(job *dstream.Job) {
		dstream.From(job, in.Source()).
			KeyBy(func(s string) string { return s[:1] }).
			RunningReduce("joined", func(a, b string) string { return a + "," + b }, dstream.Expire(5*time.Second)).
			To(dstreamtest.Sink("out"))
	}, pairs[string, string], []step{
		{1, rows(in.Part(0, "a1", "a2", "b1"), in.Part(1, "a3")), "a=a1,a2,a3 b=b1"},
		{3, rows(in.Part(0, "a4")), "a=a1,a2,a3,a4"},
		{6, rows(in.Part(0, "b2")), "b=b2"}, // b was due at 6
		{8, rows(in.Part(0, "a5")), "a=a5"},
	})
}

func TestLatestAndJoins(t *testing.T) {
	changes := dstreamtest.Input[source.Change[Profile]]("changes")
	set := func(k, name string) source.Change[Profile] {
		return source.Change[Profile]{Key: k, Value: Profile{Name: name}}
	}
	gone := func(k string) source.Change[Profile] { return source.Change[Profile]{Key: k, Deleted: true} }
	steps := func(wants ...string) []step {
		return []step{
			{1, rows(in.Part(0, "a", "b")), wants[0]},
			{2, rows(changes.Part(0, set("a", "Ann"), set("b", "Bob"), set("a", "Anna"))), wants[1]},
			{3, rows(in.Part(0, "a", "b", "c"), changes.Part(0, set("c", "Cy"))), wants[2]},
			{4, rows(in.Part(1, "a", "b"), changes.Part(0, gone("a"), gone("x"), set("b", "Bo"))), wants[3]},
			{5, rows(in.Part(1, "a"), changes.Part(0, set("y", "Y"), gone("y"), gone("b"), set("b", "B"))), wants[4]},
			{6, rows(in.Part(1, "b", "y", "c")), wants[5]},
		}
	}
	inner := func(v string, p Profile) string { return v + ":" + p.Name }
	left := func(v string, p *Profile) string {
		if p == nil {
			return v + ":nobody"
		}
		return v + ":" + p.Name
	}
	build := func(use func(dstream.Keyed[string, string], dstream.Table[string, Profile])) func(*dstream.Job) {
		return func(job *dstream.Job) {
			table := dstream.Latest("profiles", dstream.From(job, changes.Source()))
			use(dstream.From(job, in.Source()).KeyBy(dstream.Self), table)
		}
	}
	run(t, build(func(s dstream.Keyed[string, string], p dstream.Table[string, Profile]) {
		s.JoinTable(p, inner).Values().To(dstreamtest.Sink("out"))
	}), values[string], steps("", "", "a:Anna b:Bob c:Cy", "b:Bo", "", "b:B c:Cy"))
	run(t, build(func(s dstream.Keyed[string, string], p dstream.Table[string, Profile]) {
		s.LeftJoinTable(p, left).Values().To(dstreamtest.Sink("out"))
	}), values[string], steps("a:nobody b:nobody", "", "a:Anna b:Bob c:Cy", "a:nobody b:Bo", "a:nobody", "b:B c:Cy y:nobody"))
	run(t, build(func(_ dstream.Keyed[string, string], p dstream.Table[string, Profile]) {
		p.Changes().To(dstreamtest.Sink("out"))
	}), pairs[string, Profile], steps("", "a={0 Anna} b={0 Bob}", "c={0 Cy}", "b={0 Bo}", "b={0 B}", ""))
}

func TestKeyedLatestAndLatestBy(t *testing.T) {
	profiles := dstreamtest.Input[Profile]("profiles")
	steps := []step{
		{1, rows(profiles.Part(0, Profile{1, "Ann"}, Profile{2, "Bob"}), in.Part(0, "x")), "x:Ann"},
		{2, rows(profiles.Part(0, Profile{1, ""})), ""},
		{3, rows(in.Part(0, "y")), "y:"},
	}
	run(t, func(job *dstream.Job) {
		table := dstream.From(job, profiles.Source()).KeyBy(func(p Profile) int64 { return p.ID }).Latest("t")
		dstream.From(job, in.Source()).KeyBy(func(string) int64 { return 1 }).
			JoinTable(table, func(s string, p Profile) string { return s + ":" + p.Name }).Values().To(dstreamtest.Sink("out"))
	}, values[string], steps)
	steps[2].want = "" // an empty name removes the key
	run(t, func(job *dstream.Job) {
		table := dstream.From(job, profiles.Source()).LatestBy("t", func(p Profile) (int64, string, bool) { return p.ID, p.Name, p.Name != "" })
		dstream.From(job, in.Source()).KeyBy(func(string) int64 { return 1 }).
			JoinTable(table, func(s, name string) string { return s + ":" + name }).Values().To(dstreamtest.Sink("out"))
	}, values[string], steps)
}

func TestForeachBatch(t *testing.T) {
	var got []string
	r := runner(t, dstreamtest.Options{Reduce: 2}, func(job *dstream.Job) {
		s := dstream.From(job, in.Source())
		s.ForeachBatch(func(ctx context.Context, b dstream.Batch, r rdd.RDD[string]) error {
			rows, err := r.Collect(ctx)
			if err != nil {
				return err
			}
			got = append(got, fmt.Sprintf("%d@%d%v", b.Number, b.Time.Unix(), rows))
			return nil
		})
		s.KeyBy(dstream.Self).CountByKey().ForeachBatch(func(ctx context.Context, b dstream.Batch, rows rdd.Keyed[string, int64]) error {
			seq, err := rows.Rows(ctx)
			if err != nil {
				return err
			}
			for k, n := range seq {
				got = append(got, fmt.Sprintf("%s=%d", k, n))
			}
			return nil
		})
	})
	batch(t, r, step{1, rows(in.Part(0, "a", "a")), ""})
	batch(t, r, step{2, nil, ""})
	if text := strings.Join(got, " "); text != "1@1[a a] a=2 2@2[]" {
		t.Errorf("callbacks saw %s", text)
	}
}

// What a callback is given can be computed with, as any bounded data.
func TestForeachBatchComputes(t *testing.T) {
	var got []string
	var o dstreamtest.Options
	r := runner(t, o, func(job *dstream.Job) {
		dstream.From(job, in.Source()).ForeachBatch(func(ctx context.Context, b dstream.Batch, r rdd.RDD[string]) error {
			counts, err := rdd.CollectMap(ctx, r.KeyBy(rdd.Self).CountByKey())
			if err != nil {
				return err
			}
			n, err := r.NumRows(ctx)
			got = append(got, fmt.Sprintf("%d of %v", n, counts))
			return err
		})
	})
	batch(t, r, step{1, rows(in.Part(0, "a", "b", "a")), ""})
	batch(t, r, step{2, nil, ""})
	if text := strings.Join(got, ", "); text != "3 of map[a:2 b:1], 0 of map[]" {
		t.Errorf("callbacks saw %s", text)
	}
}

func TestDeadLetters(t *testing.T) {
	r := runner(t, dstreamtest.Options{}, func(job *dstream.Job) {
		dstream.From(job, in.Source()).DeadLetter(dstreamtest.Sink("out2")).To(dstreamtest.Sink("out"))
	})
	b := batch(t, r, step{1, rows(in.Raw(3, []byte{0x61, 'a'}, []byte{0xff}, []byte{0x61, 'b'})), ""})
	if got := values[string](b); strings.Join(got, "") != "ab" || b.Counters.Bad != 1 || b.Counters.RowsIn != 3 {
		t.Errorf("rows %v, counters %+v", got, b.Counters)
	}
	dead := dstreamtest.Values[rdd.DeadLetter](b, "out2")
	if len(dead) != 1 || dead[0].Source != "in" || dead[0].Partition != 3 || dead[0].Offset != 1 || dead[0].Value[0] != 0xff || dead[0].Reason == "" {
		t.Errorf("dead letters %+v", dead)
	}
}

// Rows that operators keep until the end of a task are not overwritten by the next chunk (P26).
func TestMemoryIsNotReused(t *testing.T) {
	run(t, func(job *dstream.Job) {
		dstream.From(job, in.Source()).FlatMap(strings.Fields).KeyBy(func(string) int64 { return 1 }).
			Stateful("all", func(_ int64, vs []string, _ *dstream.State[int64]) []string { return []string{strings.Join(vs, "")} }).
			Values().To(dstreamtest.Sink("out"))
	}, values[string], []step{{1, rows(in.Part(0, "a b", "c", "d e f", "g")), "abcdefg"}})
}

// Rows of a partition come in order of the keys' first appearance over (source partition, offset), in every run (I7).
func TestRowOrder(t *testing.T) {
	var first, second, want []string
	for i := range 40 {
		first, second = append(first, fmt.Sprint("k", i%20)), append(second, fmt.Sprint("k", 39-i))
	}
	for i := range 20 {
		want = append(want, fmt.Sprint("k", i))
	}
	for i := 39; i >= 20; i-- {
		want = append(want, fmt.Sprint("k", i))
	}
	for name, build := range map[string]func(dstream.Keyed[string, string]) dstream.Stream[string]{
		"count": func(s dstream.Keyed[string, string]) dstream.Stream[string] { return s.CountByKey().Keys() },
		"reduce": func(s dstream.Keyed[string, string]) dstream.Stream[string] {
			return s.ReduceByKey(func(a, b string) string { return a }).Keys()
		},
		"running count": func(s dstream.Keyed[string, string]) dstream.Stream[string] { return s.RunningCount("n").Keys() },
		"running reduce": func(s dstream.Keyed[string, string]) dstream.Stream[string] {
			return s.RunningReduce("n", func(a, b string) string { return a }).Keys()
		},
		"latest": func(s dstream.Keyed[string, string]) dstream.Stream[string] { return s.Latest("n").Changes().Keys() },
		"stateful": func(s dstream.Keyed[string, string]) dstream.Stream[string] {
			return s.Stateful("n", func(k string, _ []string, _ *dstream.State[bool]) []bool { return []bool{true} }).Keys()
		},
	} {
		r := runner(t, dstreamtest.Options{}, func(job *dstream.Job) {
			build(dstream.From(job, in.Source()).KeyBy(dstream.Self)).To(dstreamtest.Sink("out"))
		})
		b := batch(t, r, step{1, rows(in.Part(0, first...), in.Part(1, second...)), ""})
		if diff := cmp.Diff(want, values[string](b)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
