package dstream_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

var right = dstreamtest.Input[string]("right")

// byFirst keys rows by their first letter.
func byFirst(job *dstream.Job, from dstreamtest.In[string]) dstream.Keyed[string, string] {
	return dstream.From(job, from.Source()).KeyBy(func(s string) string { return s[:1] })
}

var out = dstreamtest.Sink("out")

func TestGroupByKey(t *testing.T) {
	run(t, func(job *dstream.Job) { byFirst(job, in).GroupByKey().To(out) }, pairs[string, []string], []step{
		{1, rows(in.Part(0, "a1", "b1", "a2"), in.Part(1, "a3", "c1"), in.Part(2, "a0")), "a=[a1 a2 a3 a0] b=[b1] c=[c1]"},
		{2, nil, ""},
		{3, rows(in.Part(2, "a1", "a1")), "a=[a1 a1]"},
	})
}

func TestFlatMapValues(t *testing.T) {
	run(t, func(job *dstream.Job) {
		byFirst(job, in).FlatMapValues(func(s string) []string { return strings.Split(s[1:], "") }).To(out)
	}, pairs[string, string], []step{
		{1, rows(in.Part(0, "axy", "b", "az")), "a=x a=y a=z"},
		{2, nil, ""},
	})
}

// tallies is an accumulator that refers to memory.
type tallies struct {
	Seen  map[string]int64
	Order []string
}

func TestAggregateByKey(t *testing.T) {
	steps := []step{
		{1, rows(in.Part(0, "a1", "b1", "a2"), in.Part(1, "a1", "c1"), in.Part(2, "a0")), "a=a1 a2 a1 a0 2 of a1 b=b1 0 of a1 c=c1 0 of a1"},
		{2, nil, ""},
		{3, rows(in.Part(2, "a1")), "a=a1 1 of a1"},
	}
	show := func(a tallies) string { return fmt.Sprintf("%s %d of a1", strings.Join(a.Order, " "), a.Seen["a1"]) }
	add := func(a tallies, s string) tallies {
		a.Seen[s]++ // changes its argument
		a.Order = append(a.Order, s)
		return a
	}
	merge := func(a, b tallies) tallies {
		for s, n := range b.Seen {
			a.Seen[s] += n
		}
		a.Order = append(a.Order, b.Order...)
		return a
	}
	zero := tallies{Seen: map[string]int64{"": 0}}
	run(t, func(job *dstream.Job) {
		byFirst(job, in).AggregateByKey(zero, add, merge).MapValues(show).To(out)
	}, pairs[string, string], steps)
	if len(zero.Seen) != 1 {
		t.Errorf("the zero was changed: %v", zero)
	}
	run(t, func(job *dstream.Job) {
		byFirst(job, in).AggregateByKey(int64(0), func(n int64, s string) int64 { return n + int64(len(s)) }, func(a, b int64) int64 { return a + b }).To(out)
	}, pairs[string, int64], []step{{1, steps[0].rows, "a=8 b=2 c=2"}, {2, nil, ""}})
}

func TestCombineByKey(t *testing.T) {
	run(t, func(job *dstream.Job) {
		byFirst(job, in).CombineByKey(
			func(s string) []string { return []string{s} },
			func(c []string, s string) []string { return append(c, s) },
			func(a, b []string) []string { return append(a, b...) },
		).To(out)
	}, pairs[string, []string], []step{
		{1, rows(in.Part(0, "a1", "b1", "a2"), in.Part(1, "a3", "c1"), in.Part(2, "a0")), "a=[a1 a2 a3 a0] b=[b1] c=[c1]"},
		{2, nil, ""},
		{3, rows(in.Part(2, "a1", "a1")), "a=[a1 a1]"},
	})
}

// Accumulators are normalised after each call, wherever a shuffle lies (P24).
func TestCombineByKeyNormalises(t *testing.T) {
	odd := time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.FixedZone("x", 3600))
	check := func(at time.Time) time.Time {
		if at.Nanosecond()%1000 != 0 || at.Location() != time.UTC {
			panic("a time that columns do not carry")
		}
		return odd
	}
	run(t, func(job *dstream.Job) {
		byFirst(job, in).CombineByKey(
			func(string) time.Time { return odd },
			func(at time.Time, _ string) time.Time { return check(at) },
			func(a, b time.Time) time.Time { check(b); return check(a) },
		).MapValues(func(at time.Time) string { return check(at).Format("15:04") }).To(out)
	}, pairs[string, string], []step{{1, rows(in.Part(0, "a", "a", "a"), in.Part(1, "a", "a")), "a=03:04"}})
}

// joinSteps are rows of two sides, and what must come of each join.
func joinSteps(wants ...string) []step {
	return []step{
		{1, rows(in.Part(0, "a1", "b1", "a2"), right.Part(0, "aX", "cX"), right.Part(1, "aY")), wants[0]},
		{2, nil, wants[1]},
		{3, rows(in.Part(2, "a1", "c1")), wants[2]}, // no right side; a was there in another batch
		{4, rows(right.Part(0, "bX")), wants[3]},    // no left side
		{5, rows(in.Part(0, "z1"), in.Part(1, "a1"), right.Part(3, "zX", "aX")), wants[4]}, // each key on one partition only
	}
}

func opt(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

func TestJoins(t *testing.T) {
	type keyed = dstream.Keyed[string, string]
	inner := func(a, b string) string { return a + b }
	for name, c := range map[string]struct {
		op    func(l, r keyed) keyed
		steps []step
	}{
		"join": {func(l, r keyed) keyed { return l.Join(r, inner) },
			joinSteps("a=a1aX a=a1aY a=a2aX a=a2aY", "", "", "", "a=a1aX z=z1zX")},
		"left": {func(l, r keyed) keyed {
			return l.LeftOuterJoin(r, func(a string, b *string) string { return a + opt(b) })
		},
			joinSteps("a=a1aX a=a1aY a=a2aX a=a2aY b=b1-", "", "a=a1- c=c1-", "", "a=a1aX z=z1zX")},
		"right": {func(l, r keyed) keyed {
			return l.RightOuterJoin(r, func(a *string, b string) string { return opt(a) + b })
		},
			joinSteps("a=a1aX a=a1aY a=a2aX a=a2aY c=-cX", "", "", "b=-bX", "a=a1aX z=z1zX")},
		"full": {func(l, r keyed) keyed {
			return l.FullOuterJoin(r, func(a, b *string) string { return opt(a) + opt(b) })
		},
			joinSteps("a=a1aX a=a1aY a=a2aX a=a2aY b=b1- c=-cX", "", "a=a1- c=c1-", "b=-bX", "a=a1aX z=z1zX")},
		"coGroup": {func(l, r keyed) keyed { return l.CoGroup(r, func(a, b []string) string { return fmt.Sprint(a, b) }) },
			joinSteps("a=[a1 a2] [aX aY] b=[b1] [] c=[] [cX]", "", "a=[a1] [] c=[c1] []", "b=[] [bX]", "a=[a1] [aX] z=[z1] [zX]")},
		"subtract": {func(l, r keyed) keyed { return l.SubtractByKey(r) },
			joinSteps("b=b1", "", "a=a1 c=c1", "", "")},
		"self": {func(l, _ keyed) keyed { return l.Join(l, inner) },
			joinSteps("a=a1a1 a=a1a2 a=a2a1 a=a2a2 b=b1b1", "", "a=a1a1 c=c1c1", "", "a=a1a1 z=z1z1")},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(job *dstream.Job) { c.op(byFirst(job, in), byFirst(job, right)).To(out) }, pairs[string, string], c.steps)
		})
	}
}

// Keys come in order of first appearance on the left, then on the right; rows of a key left first. SubtractByKey keeps row order (I7).
func TestJoinOrder(t *testing.T) {
	type keyed = dstream.Keyed[string, string]
	check := func(op func(l, r keyed) keyed, want string) {
		t.Helper()
		r := runner(t, dstreamtest.Options{}, func(job *dstream.Job) { op(byFirst(job, in), byFirst(job, right)).Values().To(out) })
		b := batch(t, r, step{1, rows(in.Part(0, "c1", "a1", "c2"), in.Part(1, "b1", "c3"), right.Part(0, "e1", "c9", "b9"), right.Part(1, "d1", "c8")), ""})
		if got := strings.Join(values[string](b), " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	check(func(l, r keyed) keyed { return l.Join(r, func(a, b string) string { return a + b }) }, "c1c9 c1c8 c2c9 c2c8 c3c9 c3c8 b1b9")
	check(func(l, r keyed) keyed {
		return l.FullOuterJoin(r, func(a, b *string) string { return opt(a) + opt(b) })
	}, "c1c9 c1c8 c2c9 c2c8 c3c9 c3c8 a1- b1b9 -e1 -d1")
	check(func(l, r keyed) keyed { return l.SubtractByKey(r.Filter(func(s string) bool { return s[0] == 'c' })) }, "a1 b1")
	check(func(l, r keyed) keyed { return l.SubtractByKey(r.Filter(func(string) bool { return false })) }, "c1 a1 c2 b1 c3")
}

// Joining two frequent keys, whose rows are more than a chunk, and 100,000 keys in one batch; very long keys; all rows with one key.
func TestJoinOfMany(t *testing.T) {
	numbers, others := dstreamtest.Input[int64]("numbers"), dstreamtest.Input[int64]("others")
	side := func(n int, key func(i int) int64) []int64 {
		out := make([]int64, n)
		for i := range out {
			out[i] = key(i)
		}
		return out
	}
	count := func(l, r []int64) map[int64]int64 {
		b := batch(t, runner(t, dstreamtest.Options{Reduce: 3, Block: 5000}, func(job *dstream.Job) {
			long := strings.Repeat("k", 1<<14)
			key := func(v int64) string {
				if v == -1 {
					return long
				}
				return fmt.Sprint(v)
			}
			dstream.From(job, numbers.Source()).KeyBy(key).
				Join(dstream.From(job, others.Source()).KeyBy(key), func(a, b int64) int64 { return a }).
				Values().KeyBy(dstream.Self).CountByKey().To(out)
		}), step{1, rows(numbers.Part(0, l[:len(l)/2]...), numbers.Part(1, l[len(l)/2:]...), others.Part(0, r...)), ""})
		got := map[int64]int64{}
		for _, p := range dstreamtest.Pairs[int64, int64](b, "out") {
			got[p.Key] = p.Value
		}
		return got
	}
	same := func(n int64) func(int) int64 { return func(int) int64 { return n } }
	if got := count(side(300, same(7)), side(200, same(7))); len(got) != 1 || got[7] != 60_000 {
		t.Errorf("one key: %v", got)
	}
	if got := count(side(30, same(-1)), side(2, same(-1))); len(got) != 1 || got[-1] != 60 {
		t.Errorf("a long key: %v", got)
	}
	ids := func(i int) int64 { return int64(i) }
	if got := count(side(100_000, ids), side(50_000, ids)); len(got) != 50_000 {
		t.Errorf("%d keys", len(got))
	}
}

// Random rows give what nested loops give, under every layout (P27).
func TestJoinModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	random := func(n int) []string {
		rows := make([]string, n)
		for i := range rows {
			rows[i] = fmt.Sprintf("%c%d", 'a'+rng.IntN(20), i)
		}
		return rows
	}
	for _, o := range layouts {
		r := runner(t, o, func(job *dstream.Job) {
			byFirst(job, in).FullOuterJoin(byFirst(job, right), func(a, b *string) string { return opt(a) + opt(b) }).Values().To(out)
		})
		for range 4 {
			ls, rs := random(rng.IntN(40)), random(rng.IntN(40))
			var want []string
			for _, l := range ls {
				found := false
				for _, r := range rs {
					if l[0] == r[0] {
						found = true
						want = append(want, l+r)
					}
				}
				if !found {
					want = append(want, l+"-")
				}
			}
			for _, r := range rs {
				if !slices.ContainsFunc(ls, func(l string) bool { return l[0] == r[0] }) {
					want = append(want, "-"+r)
				}
			}
			b := batch(t, r, step{1, rows(in.Part(0, ls[:len(ls)/2]...), in.Part(1, ls[len(ls)/2:]...), right.Part(0, rs...)), ""})
			got := values[string](b)
			slices.Sort(got)
			slices.Sort(want)
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Fatalf("%+v: %s", o, diff)
			}
		}
	}
}
