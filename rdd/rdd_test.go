package rdd_test

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/rdd"
)

//go:embed rdd_test.go
var source string

// line is the place in this file that is marked so.
func line(t *testing.T, mark string) string {
	t.Helper()
	for i, l := range strings.Split(source, "\n") {
		if strings.HasSuffix(l, "// "+mark) {
			return fmt.Sprintf("rdd_test.go:%d", i+1)
		}
	}
	t.Fatalf("no line is marked %q", mark)
	return ""
}

// read is a source of words, described by b.
func read(b *rdd.Builder, name string) rdd.RDD[string] { return rdd.From[string](b, name, leaf(name)) }

// byWord is words by themselves.
func byWord(r rdd.RDD[string]) rdd.Keyed[string, string] { return r.KeyBy(rdd.Self) }

func first(a, _ string) string { return a }

// unnamed is a mistake: an operator without its function.
func unnamed(r rdd.RDD[string]) { r.Filter(nil) } // no function

// Data that is read without a job begins with builders of its own; where RDDs meet they become one plan, whose inputs stand before what reads them,
// and RDDs from before go on in it.
func TestBuildersBecomeOne(t *testing.T) {
	a, b, c := read(&rdd.Builder{}, "a"), read(&rdd.Builder{}, "b"), read(&rdd.Builder{}, "c")
	long := b.Filter(func(s string) bool { return len(s) > 3 })
	joined := byWord(a).Join(byWord(c.Union(long)), first)
	a.Count() // both of them know now
	b.Distinct()
	if joined.Builder() != a.Builder() || joined.Builder() != b.Builder() || joined.Builder() != c.Builder() {
		t.Fatal("there is more than one builder")
	}
	plan, err := joined.Builder().Plan(rdd.Shared{})
	if err != nil {
		t.Fatal(err)
	}
	want := `#0 source "a": utf8 from a
  #1 keyBy: utf8 -> utf8
    => #7 join, input 0
  => #8 count
#2 source "c": utf8 from c
  #5 union: utf8
    #6 keyBy: utf8 -> utf8
      => #7 join, input 1
#3 source "b": utf8 from b
  #4 filter: utf8
    #5 union, see above
  => #9 distinct
#7 join: utf8 -> utf8
#8 count: int64
#9 distinct: utf8
`
	if d := cmp.Diff(want, plan.Text); d != "" {
		t.Error(d)
	}
}

// The mistakes of all builders that became one are reported, each with the user's line.
func TestMistakesOfAllBuilders(t *testing.T) {
	a, b := read(&rdd.Builder{}, "a"), read(&rdd.Builder{}, "a")
	unnamed(b)
	type none struct{ C chan int }
	a.Map(func(string) none { return none{} }) // no schema
	b = read(b.Builder(), "b")
	a.Union(b).TopK(0, strings.Compare) // top none
	_, err := b.Builder().Plan(rdd.Shared{})
	if err == nil {
		t.Fatal("no mistakes")
	}
	for _, want := range []string{
		line(t, "no function") + ": Filter needs a function, not nil",
		line(t, "no schema") + ": ",
		line(t, "top none") + ": TopK(0): at least 1",
		`: the name "a" is taken by source at rdd_test.go:`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not among the mistakes:\n%v", want, err)
		}
	}
	if n := len(err.(rdd.Mistakes)); n != 4 {
		t.Errorf("%d mistakes, want 4:\n%v", n, err)
	}
}

// What belongs to no job becomes part of a job's plan, whichever of the two comes first; two jobs do not mix.
func TestJobsDoNotMix(t *testing.T) {
	one, two := &rdd.Builder{Job: true}, &rdd.Builder{Job: true}
	a, b := read(one, "a"), read(two, "b")
	free, other := read(&rdd.Builder{}, "free"), read(&rdd.Builder{}, "other")
	if free.Union(a).Builder() != one || b.Union(other).Builder() != two || free.Builder() != one || other.Builder() != two {
		t.Fatal("data without a job did not become part of the job")
	}
	free.Union(other)                            // union
	byWord(a).Join(byWord(b), first)             // join
	byWord(a).SubtractByKey(byWord(b))           // subtract
	byWord(b).Union(byWord(b), byWord(a))        // in two
	read(&rdd.Builder{}, "x").Union(a, other, b) // three
	_, err := one.Plan(rdd.Shared{})
	want := rdd.Mistakes{
		line(t, "union") + ": union mixes streams of two jobs; build all of them from one",
		line(t, "join") + ": join mixes streams of two jobs; build all of them from one",
		line(t, "subtract") + ": subtractByKey mixes streams of two jobs; build all of them from one",
		line(t, "three") + ": union mixes streams of two jobs; build all of them from one",
	}
	if d := cmp.Diff(error(want), err); d != "" {
		t.Error(d)
	}
	_, err = two.Plan(rdd.Shared{})
	if want := (rdd.Mistakes{line(t, "in two") + ": union mixes streams of two jobs; build all of them from one"}); !cmp.Equal(error(want), err) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// The site of every operator is the line that called it, also of those that are described in several steps.
func TestSitesAreTheUsers(t *testing.T) {
	r := read(&rdd.Builder{}, "a")
	k := byWord(r)
	for mark, n := range map[string]*rdd.Node{
		"countByValue": r.CountByValue().Node(),                             // countByValue
		"zip":          r.ZipWithIndex().Node(),                             // zip
		"glom":         r.Glom().Node(),                                     // glom
		"sample":       r.Sample(0.1).Node(),                                // sample
		"group":        k.GroupByKey().Node(),                               // group
		"pairs":        k.Pairs().Node(),                                    // pairs
		"outer":        k.FullOuterJoin(k, outer).Node(),                    // outer
		"partition":    k.PartitionBy(func(string) int { return 0 }).Node(), // partition
		"aggregate":    k.AggregateByKey("", first, first).Node(),           // aggregate
	} {
		if n.Site != line(t, mark) {
			t.Errorf("%s is at %s, want %s", n.Op, n.Site, line(t, mark))
		}
	}
}

func outer(v, _ *string) bool { return v == nil }

// A source that is renamed tells its connector.
func TestNameOfSource(t *testing.T) {
	r := rdd.From[string](&rdd.Builder{}, "a", named("a")).Name("b")
	if n := r.Node(); n.Name != "b" || n.Leaf.PlanText() != "b" {
		t.Errorf("the source is %q, its connector says %q", n.Name, n.Leaf.PlanText())
	}
}

type named string

func (n named) PlanText() string             { return string(n) }
func (n named) NewDecoder() rdd.Decoder      { return decoder{} }
func (n named) Renamed(name string) rdd.Leaf { return named(name) }

func ExampleRDD() {
	lines := rdd.From[string](&rdd.Builder{}, "lines", leaf("a text of lines")) // packages of sources do this
	counts := lines.FlatMap(strings.Fields).KeyBy(rdd.Self).CountByKey()
	plan, err := counts.Builder().Plan(rdd.Shared{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(plan.Text)
	// Output:
	// #0 source "lines": utf8 from a text of lines
	//   #1 flatMap: utf8
	//     #2 keyBy: utf8 -> utf8
	//       => #3 countByKey
	// #3 countByKey: utf8 -> int64
}
