package dstream_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

func add(a, b int64) int64  { return a + b }
func take(a, b int64) int64 { return a - b }
func join(a, b string) string {
	return a + b
}

// lengths are keyed numbers: "a3" is 3 under the key a.
func lengths(job *dstream.Job) dstream.Keyed[string, int64] {
	return byFirst(job, in).MapValues(length)
}

func length(s string) int64 { return int64(s[1] - '0') }

// A window of 4 that slides by 2:
//
//	batch   1    2    3    4    5    6    7    8    9   10
//	rows    a1   b2   a3        c1                  b5
//	at 2    [a1   b2]                                          a=1 b=2
//	at 4    [a1   b2   a3     ]                                a=4 b=2
//	at 6              [a3       c1     ]                       a=3 c=1, b leaves
//	at 8                       [c1           ]                 c=1, a leaves
//	at 10                                [          b5   ]     b=5, c leaves
func TestReduceByKeyAndWindow(t *testing.T) {
	input := func(want ...string) []step {
		steps := []step{
			{1, rows(in.Part(0, "a1")), ""}, {2, rows(in.Part(1, "b2")), ""}, {3, rows(in.Part(0, "a3")), ""}, {4, nil, ""}, {5, rows(in.Part(1, "c1")), ""},
			{6, nil, ""}, {7, nil, ""}, {8, nil, ""}, {9, rows(in.Part(0, "b5")), ""}, {10, nil, ""}, {12, nil, ""}, {14, nil, ""},
		}
		for i, w := range want {
			steps[[]int{1, 3, 5, 7, 9, 10, 11}[i]].want = w
		}
		return steps
	}
	changes := input("a=1 b=2", "a=4", "a=3 c=1", "", "b=5")
	whole := input("a=1 b=2", "a=4 b=2", "a=3 c=1", "c=1", "b=5", "b=5", "")
	for name, opts := range map[string][]dstream.WindowOption{"anew": nil, "inverse": {dstream.Inverse(take)}} {
		t.Run(name, func(t *testing.T) {
			table := func(job *dstream.Job) dstream.Table[string, int64] {
				return lengths(job).ReduceByKeyAndWindow("w", add, seconds(4), seconds(2), opts...)
			}
			run(t, func(job *dstream.Job) { table(job).Changes().To(out) }, pairs[string, int64], changes)
			run(t, func(job *dstream.Job) { table(job).All().To(out) }, pairs[string, int64], whole)
		})
	}
	run(t, func(job *dstream.Job) {
		lengths(job).ReduceByKeyAndWindow("w", add, seconds(4), seconds(2), dstream.Inverse(take), dstream.KeepEmpty()).All().To(out)
	}, pairs[string, int64], input("a=1 b=2", "a=4 b=2", "a=3 b=0 c=1", "a=0 b=0 c=1", "a=0 b=5 c=0", "a=0 b=5 c=0", "a=0 b=0 c=0"))
	positive := dstream.KeepIf(func(_ string, n int64) bool { return n > 2 })
	run(t, func(job *dstream.Job) {
		lengths(job).ReduceByKeyAndWindow("w", add, seconds(4), seconds(2), positive).All().To(out)
	}, pairs[string, int64], input("", "a=4", "a=3", "", "b=5", "b=5"))
	run(t, func(job *dstream.Job) {
		lengths(job).ReduceByKeyAndWindow("w", add, seconds(4), seconds(2), positive, dstream.Inverse(take), dstream.KeepEmpty()).Changes().To(out)
	}, pairs[string, int64], input("", "a=4", "a=3", "", "b=5"))
	run(t, func(job *dstream.Job) {
		byFirst(job, in).Map(func(_, v string) string { return v[:1] }).CountByValueAndWindow("w", seconds(4), seconds(2)).All().To(out)
	}, pairs[string, int64], input("a=1 b=1", "a=2 b=1", "a=1 c=1", "c=1", "b=1", "b=1"))
	run(t, func(job *dstream.Job) {
		dstream.From(job, in.Source()).CountByWindow("w", seconds(4), seconds(2)).To(out)
	}, values[int64], input("2", "3", "2", "1", "1", "1", "0"))
	for _, opts := range [][]dstream.WindowOption{nil, {dstream.Inverse(func(all, left string) string { return strings.TrimPrefix(all, left) })}} {
		run(t, func(job *dstream.Job) {
			dstream.From(job, in.Source()).ReduceByWindow("w", join, seconds(4), seconds(2), opts...).To(out)
		}, values[string], input("a1b2", "a1b2a3", "a3c1", "c1", "b5", "b5"))
	}
	run(t, func(job *dstream.Job) {
		dstream.From(job, in.Source()).Window("w", seconds(4), seconds(2)).To(out)
	}, values[string], input("a1 b2", "a1 a3 b2", "a3 c1", "c1", "b5", "b5"))
	run(t, func(job *dstream.Job) { byFirst(job, in).Window("w", seconds(4), seconds(2)).To(out) }, pairs[string, string],
		input("a=a1 b=b2", "a=a1 a=a3 b=b2", "a=a3 c=c1", "c=c1", "b=b5", "b=b5"))
	run(t, func(job *dstream.Job) { byFirst(job, in).GroupByKeyAndWindow("w", seconds(4), seconds(2)).To(out) }, pairs[string, []string],
		input("a=[a1] b=[b2]", "a=[a1 a3] b=[b2]", "a=[a3] c=[c1]", "c=[c1]", "b=[b5]", "b=[b5]"))
}

// f need not be commutative: values are combined in the order in which they came, also when some have left.
//
//	batch   1        2      3    4      5
//	rows    a1,a2    a3          a4
//	at 2    [a1 a2    a3]
//	at 3    [a1 a2    a3      ]           a window of 3 that slides by 1
//	at 4             [a3          a4]
//	at 5                   [      a4     ]
func TestWindowsKeepOrder(t *testing.T) {
	run(t, func(job *dstream.Job) {
		byFirst(job, in).ReduceByKeyAndWindow("w", join, seconds(3), seconds(1)).Changes().To(out)
	}, pairs[string, string], []step{
		{1, rows(in.Part(0, "a1"), in.Part(1, "a2")), "a=a1a2"}, {2, rows(in.Part(0, "a3")), "a=a1a2a3"}, {3, nil, ""},
		{4, rows(in.Part(1, "a4")), "a=a3a4"}, {5, nil, "a=a4"}, {6, nil, ""}, {7, nil, ""},
	})
}

// Windows that are shorter than the slide pass over batches; windows of one slide share none.
//
//	batch   1    2    3    4    5    6    7    8    9   10
//	rows    a1   b2   c3   a4   b5   a6   a7   c8   a9
//	2 by 5                [a4   b5]                [a9     ]
//	5 by 5  [a1   b2   c3   a4   b5] [a6   a7   c8  a9     ]
func TestWindowsThatDoNotOverlap(t *testing.T) {
	steps := func(first, second string) []step {
		var list []step
		for i, r := range []string{"a1", "b2", "c3", "a4", "b5", "a6", "a7", "c8", "a9"} {
			list = append(list, step{i + 1, rows(in.Part(i%2, r)), ""})
		}
		list[4].want = first
		return append(list, step{10, nil, second}, step{15, nil, ""})
	}
	for _, opts := range [][]dstream.WindowOption{nil, {dstream.Inverse(take)}} {
		reduce := func(w int) func(job *dstream.Job) {
			return func(job *dstream.Job) {
				lengths(job).ReduceByKeyAndWindow("w", add, seconds(w), seconds(5), opts...).All().To(out)
			}
		}
		run(t, reduce(2), pairs[string, int64], steps("a=4 b=5", "a=9"))
		run(t, reduce(5), pairs[string, int64], steps("a=5 b=7 c=3", "a=22 c=8"))
	}
	run(t, func(job *dstream.Job) { dstream.From(job, in.Source()).Window("w", seconds(2), seconds(5)).To(out) }, values[string], steps("a4 b5", "a9"))
}

// A table of a window is joined as it was at the last boundary; keys that KeepIf hides are not in it.
func TestJoinWindow(t *testing.T) {
	run(t, func(job *dstream.Job) {
		rows := lengths(job)
		w := rows.ReduceByKeyAndWindow("w", add, seconds(4), seconds(2), dstream.KeepIf(func(_ string, n int64) bool { return n != 2 }))
		rows.LeftJoinTable(w, func(n int64, all *int64) string {
			if all == nil {
				return fmt.Sprint(n, " -")
			}
			return fmt.Sprint(n, " ", *all)
		}).To(out)
	}, pairs[string, string], []step{
		{1, rows(in.Part(0, "a1", "b2")), "a=1 - b=2 -"}, {2, rows(in.Part(0, "a3")), "a=3 4"}, {3, rows(in.Part(0, "a5", "b1", "b9")), "a=5 4 b=1 - b=9 -"},
		{4, rows(in.Part(1, "b1")), "b=1 13"}, {6, nil, ""}, {8, nil, ""}, {9, rows(in.Part(1, "b1")), "b=1 -"},
	})
}

// The final batch closes the window that is open, if something came that no boundary has shown. The whole table is shown again.
//
//	batch   1    2    3    4    5 (final)
//	rows    a1        a3        (c2)
//	at 4    [a1       a3    ]
//	final             [a3        c2     ]    as at 6
func TestFinalBatchClosesTheWindow(t *testing.T) {
	for _, c := range []struct {
		at   int
		rows []dstreamtest.Rows
		want string
	}{
		{5, nil, " | a=4 |  |  | "},
		{5, rows(in.Part(0, "c2")), "a=3 c=2 | a=3 c=2 | 2 | a3 c2 | a=[a3] c=[c2]"},
		{6, nil, "a=3 | a=3 | 1 | a3 | a=[a3]"},
	} {
		r := runner(t, dstreamtest.Options{Reduce: 2}, everyWindow)
		for i, row := range []string{"a1", "", "a3", ""} {
			batch(t, r, step{i + 1, rows(in.Part(0, strings.Fields(row)...)), ""})
		}
		b, err := r.Finish(dstreamtest.At(seconds(c.at)), c.rows...)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, sink := range []string{"changes", "all", "count", "rows", "groups"} {
			rows := dstreamtest.Values[string](b, sink)
			slices.Sort(rows)
			got = append(got, strings.Join(rows, " "))
		}
		if text := strings.Join(got, " | "); text != c.want {
			t.Errorf("final batch at %d: got %q, want %q", c.at, text, c.want)
		}
	}
}

// everyWindow has a window of each kind, of 4 by 2, as text.
func everyWindow(job *dstream.Job) {
	pair := func(k string, n int64) string { return fmt.Sprintf("%s=%d", k, n) }
	rows := byFirst(job, in)
	w := rows.MapValues(length).ReduceByKeyAndWindow("w", add, seconds(4), seconds(2))
	w.Changes().Map(pair).To(dstreamtest.Sink("changes"))
	w.All().Map(pair).To(dstreamtest.Sink("all"))
	text := rows.Values()
	text.CountByWindow("n", seconds(4), seconds(2)).Map(func(n int64) string { return fmt.Sprint(n) }).To(dstreamtest.Sink("count"))
	text.Window("r", seconds(4), seconds(2)).To(dstreamtest.Sink("rows"))
	rows.GroupByKeyAndWindow("g", seconds(4), seconds(2)).Map(func(k string, v []string) string { return fmt.Sprint(k, "=", v) }).To(dstreamtest.Sink("groups"))
}

// Past batches are read again: the two before this one, and the one of three seconds ago, which is the oldest that is remembered.
func TestSlice(t *testing.T) {
	steps := func(want ...string) []step {
		list := []step{{1, rows(in.Part(0, "a1"), in.Part(1, "b1")), ""}, {2, nil, ""}, {3, rows(in.Part(1, "c3", "d3")), ""}, {4, rows(in.Part(0, "e4")), ""}, {5, nil, ""}, {9, nil, ""}}
		for i, w := range want {
			list[i].want = w
		}
		return list
	}
	slice := func(f func(at time.Time) (from, until time.Time)) func(job *dstream.Job) {
		return func(job *dstream.Job) {
			dstream.From(job, in.Source()).Remember("past", seconds(4)).Slice(f).To(out)
		}
	}
	run(t, slice(func(at time.Time) (from, until time.Time) {
		return at.Add(-seconds(3)), at.Add(-time.Microsecond)
	}), values[string], steps("", "a1 b1", "a1 b1", "c3 d3", "c3 d3 e4"))
	run(t, slice(func(at time.Time) (from, until time.Time) {
		return at.Add(-seconds(99)), at
	}), values[string], steps("a1 b1", "a1 b1", "a1 b1 c3 d3", "a1 b1 c3 d3 e4", "c3 d3 e4"))
}

// Rows of a window, and of a memory, come batch by batch, and within a batch in the order in which they came.
func TestOrderOfWindows(t *testing.T) {
	r := runner(t, dstreamtest.Options{}, func(job *dstream.Job) {
		s := dstream.From(job, in.Source())
		s.Window("w", seconds(3), seconds(1)).To(out)
		s.Remember("m", seconds(9)).Slice(func(at time.Time) (from, until time.Time) { return time.Unix(0, 0), at }).To(dstreamtest.Sink("slice"))
		s.KeyBy(func(string) string { return "k" }).GroupByKeyAndWindow("g", seconds(3), seconds(1)).Values().Map(func(v []string) string { return strings.Join(v, " ") }).To(dstreamtest.Sink("group"))
	})
	var all []string
	for i := range 3 {
		batch(t, r, step{i + 1, rows(in.Part(0, fmt.Sprint("z", i), fmt.Sprint("y", i)), in.Part(1, fmt.Sprint("a", i))), ""})
		all = append(all, fmt.Sprintf("z%d y%d a%d", i, i, i))
	}
	b := batch(t, r, step{4, rows(in.Part(0, "last")), ""})
	for sink, want := range map[string]string{"out": strings.Join(all[1:], " ") + " last", "group": strings.Join(all[1:], " ") + " last", "slice": strings.Join(all, " ") + " last"} {
		if got := strings.Join(dstreamtest.Values[string](b, sink), " "); got != want {
			t.Errorf("%s: got %q, want %q", sink, got, want)
		}
	}
}

// What a checkpoint holds of a window is what came: a value that follows from that is not written.
func TestWindowsWriteWhatCame(t *testing.T) {
	r := runner(t, dstreamtest.Options{}, func(job *dstream.Job) {
		s := lengths(job)
		s.ReduceByKeyAndWindow("w", add, seconds(3), seconds(1)).Changes().To(out)
		s.MapValues(func(n int64) float64 { return float64(n) }).ReduceByKeyAndWindow("f", func(a, b float64) float64 { return a + b }, seconds(3), seconds(1)).Changes().To(dstreamtest.Sink("floats"))
	})
	for i, want := range []string{"0 2 2 2", "0 1 1 1", "0 0 0 0", "0 2 2 2", "0 1 1 1"} {
		batch(t, r, step{i + 1, rows(in.Part(0, [][]string{{"a1", "b1"}, {"a2"}, nil, nil, nil}[i]...)), ""})
		if got := fmt.Sprint(r.Changed("w"), r.Changed("w/panes"), r.Changed("f"), r.Changed("f/panes")); got != want {
			t.Errorf("batch %d wrote %s, want %s", i+1, got, want)
		}
	}
}

// windowModel is what a window of numbers by key is: every row with its time.
type windowModel struct {
	w, slide int
	inverse  bool
	keep     bool
	keepIf   func(string, int64) bool
	rows     []struct {
		at  int
		key string
		n   int64
	}
	last map[string]int64
	ever map[string]bool
}

// batch gives all keys of the window that a batch closes, and those that are another than before.
func (m *windowModel) batch(at int, rows []string) (changes, all []string) {
	for _, r := range rows {
		m.rows = append(m.rows, struct {
			at  int
			key string
			n   int64
		}{at, r[:1], int64(r[1] - '0')})
	}
	if at%m.slide != 0 {
		return nil, nil
	}
	now := map[string]int64{}
	for k := range m.ever {
		if m.keep && m.keepIf("", 0) {
			now[k] = 0
		} else if m.keep {
			delete(m.ever, k)
		}
	}
	for _, r := range m.rows {
		if r.at > at-m.w {
			now[r.key] += r.n
			m.ever[r.key] = true
		}
	}
	for k, n := range now {
		if !m.keepIf(k, n) {
			delete(now, k)
			continue
		}
		all = append(all, fmt.Sprintf("%s=%d", k, n))
		if was, ok := m.last[k]; !ok || was != n {
			changes = append(changes, fmt.Sprintf("%s=%d", k, n))
		}
	}
	m.last = now
	slices.Sort(all)
	slices.Sort(changes)
	return changes, all
}

// Random windows of random batches are what a model says, under every layout, with restarts in between.
func TestWindowModel(t *testing.T) {
	for seed := range 60 {
		rng := rand.New(rand.NewPCG(uint64(seed), 8))
		m := &windowModel{w: 1 + rng.IntN(9), slide: 1 + rng.IntN(4), inverse: rng.IntN(2) == 0, last: map[string]int64{}, ever: map[string]bool{}}
		m.keepIf = func(string, int64) bool { return true }
		var opts []dstream.WindowOption
		if m.inverse {
			opts = append(opts, dstream.Inverse(take))
			if m.keep = rng.IntN(2) == 0; m.keep {
				opts = append(opts, dstream.KeepEmpty())
			}
		}
		if rng.IntN(3) == 0 {
			m.keepIf = func(_ string, n int64) bool { return n%3 != 0 }
			opts = append(opts, dstream.KeepIf(func(k string, n int64) bool { return m.keepIf(k, n) }))
		}
		o := layouts[rng.IntN(len(layouts))]
		r := runner(t, o, func(job *dstream.Job) {
			w := lengths(job).ReduceByKeyAndWindow("w", add, seconds(m.w), seconds(m.slide), opts...)
			w.Changes().To(out)
			w.All().To(dstreamtest.Sink("all"))
		})
		for at := 1; at < 60; at++ {
			if rng.IntN(6) == 0 && at%m.slide != 0 {
				continue // no batch at this second: boundaries always have one
			}
			var parts [2][]string
			for range max(0, rng.IntN(12)-5) {
				p := rng.IntN(2)
				parts[p] = append(parts[p], fmt.Sprintf("%c%d", 'a'+rng.IntN(8), 1+rng.IntN(9)))
			}
			b := batch(t, r, step{at, rows(in.Part(0, parts[0]...), in.Part(1, parts[1]...)), ""})
			changes, all := m.batch(at, append(slices.Clone(parts[0]), parts[1]...))
			for sink, want := range map[string][]string{"out": changes, "all": all} {
				var got []string
				for _, p := range dstreamtest.Pairs[string, int64](b, sink) {
					got = append(got, fmt.Sprintf("%s=%d", p.Key, p.Value))
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Fatalf("seed %d, window %d by %d, inverse %v, keep %v: at %d %s has %v, want %v", seed, m.w, m.slide, m.inverse, m.keep, at, sink, got, want)
				}
			}
			if rng.IntN(5) == 0 {
				if err := r.Restart(1 + rng.IntN(5)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
