package dstream_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// page is a key of two columns, opened a value with a list, clickOf one with a pointer.
type page struct {
	Site string
	No   int16
}

type opened struct {
	Page page
	At   time.Time
	Tags []string
}

type clickOf struct {
	Page  page
	When  time.Time
	Price *int64
}

func openedAt(s int, no int16, tags ...string) opened {
	return opened{page{"x", no}, dstreamtest.At(time.Duration(s) * time.Second), tags}
}

func clickAt(s int, no int16, price int64) clickOf {
	return clickOf{page{"x", no}, dstreamtest.At(time.Duration(s) * time.Second), &price}
}

func openings(s dstream.Stream[opened]) dstream.Timed[page, opened] {
	at := func(o opened) time.Time { return o.At }
	return s.EventTime(at, 0).KeyBy(func(o opened) page { return o.Page }).TimedBy(at)
}

func clicks(s dstream.Stream[clickOf]) dstream.Timed[page, clickOf] {
	at := func(c clickOf) time.Time { return c.When }
	return s.EventTime(at, 0).KeyBy(func(c clickOf) page { return c.Page }).TimedBy(at)
}

// sold shows an opening with its click, or none.
func sold(o opened, c *clickOf) string {
	if c == nil {
		return strings.Join(o.Tags, "+") + " none"
	}
	return fmt.Sprint(strings.Join(o.Tags, "+"), " ", *c.Price)
}

func withPage(p page, text string) string { return fmt.Sprint(p.Site, p.No, " ", text) }

// Openings with clicks up to 10 s later; W is the lower of both watermarks:
//
//	batch     1        2      3          4                  end
//	openings  1 a 1    2 b 20 –          3 c 35             –
//	clicks    1 5      1 11   9 40       1 19 late          –
//	W         1        11     20         35                 ∞
//	shown     1 a 5    1 a 11 –          2 b none           3 c none
func TestTimedJoinWithin(t *testing.T) {
	os := [][]opened{{openedAt(1, 1, "a", "z")}, {openedAt(20, 2, "b")}, {}, {openedAt(35, 3)}}
	cs := [][]clickOf{{clickAt(5, 1, 5)}, {clickAt(11, 1, 11)}, {clickAt(40, 9, 40)}, {clickAt(19, 1, 19)}}
	ten := dstream.Within(0, 10*time.Second)
	t.Run("left", func(t *testing.T) {
		dstreamtest.Check2(t, func(o dstream.Stream[opened], c dstream.Stream[clickOf]) dstream.Stream[string] {
			return openings(o).LeftJoinWithin("sold", clicks(c), ten, sold, dstream.MaxJoinState(1<<30)).Map(withPage)
		}, os, cs, [][]string{{"x1 a+z 5"}, {"x1 a+z 11"}, {}, {"x2 b none"}, {"x3  none"}}, dstreamtest.Finish(), dstreamtest.Sources(1))
	})
	t.Run("inner", func(t *testing.T) {
		dstreamtest.Check2(t, func(o dstream.Stream[opened], c dstream.Stream[clickOf]) dstream.Stream[string] {
			return openings(o).JoinWithin("sold", clicks(c), ten, func(o opened, c clickOf) string { return sold(o, &c) }).Map(withPage)
		}, os, cs, [][]string{{"x1 a+z 5"}, {"x1 a+z 11"}, {}, {}, {}}, dstreamtest.Finish(), dstreamtest.Sources(1))
	})
}

// Openings with the last click before them.
//
//	batch     1       2       3      end
//	openings  1 a 5   1 b 12  –      –
//	clicks    1 7     1 10    1 30   –
//	W         5       10      12     ∞
//	shown     –       a none  –      b 10
func TestTimedJoinAsOf(t *testing.T) {
	os := [][]opened{{openedAt(5, 1, "a")}, {openedAt(12, 1, "b")}, {}}
	cs := [][]clickOf{{clickAt(7, 1, 7)}, {clickAt(10, 1, 10)}, {clickAt(30, 1, 30)}}
	t.Run("left", func(t *testing.T) {
		dstreamtest.Check2(t, func(o dstream.Stream[opened], c dstream.Stream[clickOf]) dstream.Stream[string] {
			return openings(o).LeftJoinAsOf("last", clicks(c), sold).Map(withPage)
		}, os, cs, [][]string{{}, {"x1 a none"}, {}, {"x1 b 10"}}, dstreamtest.Finish(), dstreamtest.Sources(1))
	})
	t.Run("inner", func(t *testing.T) {
		dstreamtest.Check2(t, func(o dstream.Stream[opened], c dstream.Stream[clickOf]) dstream.Stream[string] {
			return openings(o).JoinAsOf("last", clicks(c), func(o opened, c clickOf) string { return sold(o, &c) }).Map(withPage)
		}, os, cs, [][]string{{}, {}, {}, {"x1 b 10"}}, dstreamtest.Finish(), dstreamtest.Sources(1))
	})
}

// All rows come within the delay, so that all pairs are there in the end: those that two loops find.
func TestTimedJoinWithinAgainstLoops(t *testing.T) {
	const delay = 20 * time.Second
	rnd := rand.New(rand.NewPCG(5, 6))
	var os [][]opened
	var cs [][]clickOf
	for b := range 5 {
		var ol []opened
		var cl []clickOf
		for range rnd.IntN(6) {
			ol = append(ol, openedAt(4*b+rnd.IntN(10), int16(rnd.IntN(3)), fmt.Sprint(rnd.IntN(9))))
		}
		for range rnd.IntN(6) {
			cl = append(cl, clickAt(4*b+rnd.IntN(10), int16(rnd.IntN(3)), rnd.Int64N(9)))
		}
		os, cs = append(os, ol), append(cs, cl)
	}
	want := make([][]string, 6)
	for i, ol := range os {
		for j, cl := range cs {
			for _, o := range ol {
				for _, c := range cl {
					if d := c.When.Sub(o.At); o.Page == c.Page && d >= -3*time.Second && d <= 5*time.Second {
						want[max(i, j)] = append(want[max(i, j)], withPage(o.Page, sold(o, &c)))
					}
				}
			}
		}
	}
	dstreamtest.Check2(t, func(o dstream.Stream[opened], c dstream.Stream[clickOf]) dstream.Stream[string] {
		at := func(o opened) time.Time { return o.At }
		when := func(c clickOf) time.Time { return c.When }
		l := o.EventTime(at, delay).KeyBy(func(o opened) page { return o.Page }).TimedBy(at)
		r := c.EventTime(when, delay).KeyBy(func(c clickOf) page { return c.Page }).TimedBy(when)
		return l.JoinWithin("near", r, dstream.Within(3*time.Second, 5*time.Second), func(o opened, c clickOf) string { return sold(o, &c) }).Map(withPage)
	}, os, cs, want, dstreamtest.Finish())
}

func TestTimedMistakes(t *testing.T) {
	job := dstream.NewJob(dstream.JobOptions{})
	o, c := dstream.From(job, dstreamtest.Input[opened]("o").Source()), dstream.From(job, dstreamtest.Input[clickOf]("c").Source())
	f := func(o opened, c clickOf) string { return sold(o, &c) }
	openings(o).JoinWithin("a", clicks(c), dstream.Within(-2*time.Second, time.Second), f)
	openings(o).JoinAsOf("b", clicks(c), f, dstream.On("id"))
	openings(o).LeftJoinAsOf("c", clicks(c), sold, dstream.MaxJoinState(7))
	openings(o).JoinAsOf[clickOf, string]("d", clicks(c), nil)
	openings(o).JoinAsOf("", clicks(c), f)
	_, err := job.Plan()
	if err == nil {
		t.Fatal("no mistakes")
	}
	for i, want := range []string{
		"joinWithin: Within(-2s, 1s) has its end before its beginning",
		"joinAsOf: of values, the only option is MaxJoinState",
		"joinAsOf: MaxJoinState(7): at least a MiB",
		"JoinAsOf",
		"an operator that keeps state needs a name",
	} {
		if !strings.Contains(err.Error(), "timed_test.go:") || !strings.Contains(err.Error(), want) {
			t.Errorf("mistake %d: %q is not in\n%v", i, want, err)
		}
	}
}
