package dstreamtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// Check proves an operator: op is given in, batch by batch, and must give want, batch by batch, whatever happens. A case is run
//
//   - in a Runner, with one to five partitions and several block sizes; with rows sent through columns between all operators and inputs checked
//     for mutation (P24); twice in each layout, byte-equal (I2); and with a restart into another layout behind each batch
//   - by the engine itself, with a checkpoint, in one process with one, two and three partitions
//   - by the engine, with the driver started anew from its checkpoint behind each batch
//   - by the engine with several executors, of which one dies in each batch: when it was told of the batch, behind a source task, behind a task of each wide
//     operator, when it has staged, and when it has published, before that is recorded
//
// In one layout, results of all of these are equal to the last bit; across layouts, and to want, they are equal as multisets, floats to 1e-9 (P27).
//
// Dead letters, of rows that an operator sets aside, are compared too: all ways give those that a Runner gives, each once.
//
// op is called anew for each process that takes part, so what it captures and writes is lost where a real process would lose it.
// Rows of a batch are dealt to the source's partitions in turn. Check reports the first way that differs, with the command that repeats it alone; the
// flag -millrace.exhaustive tries every way to die.
func Check[In, Out any](t testing.TB, op func(dstream.Stream[In]) dstream.Stream[Out], in [][]In, want [][]Out, opts ...Option) {
	t.Helper()
	p := newProof(t, want, opts)
	feedOf(p, "in", in)
	p.build = func(job *dstream.Job, specs []*source.Spec) dstream.Stream[Out] {
		return op(dstream.From(job, source.Of[In](specs[0])))
	}
	p.prove()
}

// Check2 is Check for an operator with two inputs.
func Check2[A, B, Out any](t testing.TB, op func(dstream.Stream[A], dstream.Stream[B]) dstream.Stream[Out], a [][]A, b [][]B, want [][]Out, opts ...Option) {
	t.Helper()
	p := newProof(t, want, opts)
	feedOf(p, "a", a)
	feedOf(p, "b", b)
	p.build = func(job *dstream.Job, specs []*source.Spec) dstream.Stream[Out] {
		return op(dstream.From(job, source.Of[A](specs[0])), dstream.From(job, source.Of[B](specs[1])))
	}
	p.prove()
}

// CheckKeyed is Check for an operator that gives keys with values.
func CheckKeyed[In, K, V any](t testing.TB, op func(dstream.Stream[In]) dstream.Keyed[K, V], in [][]In, want [][]dstream.Pair[K, V], opts ...Option) {
	t.Helper()
	Check(t, func(s dstream.Stream[In]) dstream.Stream[dstream.Pair[K, V]] {
		return op(s).Pairs[dstream.Pair[K, V]]()
	}, in, want, opts...)
}

// CheckKeyed2 is CheckKeyed for an operator with two inputs.
func CheckKeyed2[A, B, K, V any](t testing.TB, op func(dstream.Stream[A], dstream.Stream[B]) dstream.Keyed[K, V], a [][]A, b [][]B, want [][]dstream.Pair[K, V], opts ...Option) {
	t.Helper()
	Check2(t, func(a dstream.Stream[A], b dstream.Stream[B]) dstream.Stream[dstream.Pair[K, V]] {
		return op(a, b).Pairs[dstream.Pair[K, V]]()
	}, a, b, want, opts...)
}

// KV is a key with its value, for tables of what CheckKeyed wants.
func KV[K, V any](k K, v V) dstream.Pair[K, V] { return dstream.Pair[K, V]{Key: k, Value: v} }

// proof is what a Check has to show.
type proof[Out any] struct {
	claim
	build func(*dstream.Job, []*source.Spec) dstream.Stream[Out]
}

// claim is a proof without its types.
type claim struct {
	t     testing.TB
	set   settings
	feeds []*feed
	want  [][]line // by batch
	times []time.Time
	job   func(feeds []*dealt, out *sink.Spec) func(*dstream.Job)
	rows  func(recs []rdd.Record) ([]line, error)

	event  bool             // the case has event time, and the test leaves it to Check how rows are dealt
	spread layout           // whose batches are judged by exact alone
	late   map[layout]int64 // how many rows were late

	letters map[layout][]string // dead letters that it gave, all batches together, sorted
	exact   map[layout][][]line // what a Runner gave, with all bits and in order, by layout and batch
}

const outName = "out"

// newProof checks the case itself. Mistakes in it end the test.
func newProof[Out any](t testing.TB, want [][]Out, opts []Option) *proof[Out] {
	t.Helper()
	p := &proof[Out]{claim: claim{t: t, set: settingsOf(opts), exact: map[layout][][]line{}, letters: map[layout][]string{}, late: map[layout]int64{}}}
	out, err := newFeed("", want)
	if err != nil {
		t.Fatalf("dstreamtest: the rows that are wanted: %v", err)
	}
	all := linesOf(out.rows)
	for _, n := range out.sizes {
		p.want, all = append(p.want, all[:n]), all[n:]
	}
	p.rows = func(recs []rdd.Record) ([]line, error) {
		var lines []line
		for _, rec := range recs {
			rows, err := out.codec.Rows(rec.Columns(), nil)
			if err != nil {
				return nil, err
			}
			lines = append(lines, linesOf(rows)...)
		}
		return lines, nil
	}
	p.job = func(feeds []*dealt, out *sink.Spec) func(*dstream.Job) {
		return func(job *dstream.Job) {
			var specs []*source.Spec
			for _, d := range feeds {
				specs = append(specs, d.source())
			}
			p.build(job, specs).To(sink.New(out))
		}
	}
	return p
}

func feedOf[T, Out any](p *proof[Out], name string, batches [][]T) {
	p.t.Helper()
	f, err := newFeed(name, batches)
	if err != nil {
		p.t.Fatalf("dstreamtest: the rows of input %q: %v", name, err)
	}
	p.feeds = append(p.feeds, f)
}

// check says what is wrong with the case, and fixes its times.
func (c *claim) check() error {
	n := len(c.want)
	for _, f := range c.feeds {
		if c.set.finish {
			f.sizes = append(f.sizes, 0)
		}
		if len(f.sizes) != n {
			return fmt.Errorf("input %q has %d batches, and %d are wanted: give one for each, empty where nothing comes", f.name, len(f.sizes), n)
		}
	}
	if len(c.set.times) > 0 && len(c.set.times) != n && !(c.set.finish && len(c.set.times) == n-1) {
		return fmt.Errorf("%d times for %d batches", len(c.set.times), n)
	}
	for i := range n {
		at := At(time.Duration(i+1) * c.set.interval)
		if i < len(c.set.times) {
			at = c.set.times[i].UTC().Truncate(time.Microsecond)
		} else if len(c.set.times) > 0 {
			at = c.times[i-1].Add(c.set.interval)
		}
		if i > 0 && !at.After(c.times[i-1]) {
			return fmt.Errorf("batch %d at %v does not come after the one before it", i+1, at)
		}
		c.times = append(c.times, at)
	}
	return nil
}

// prove tries one way after the other, until one does not hold.
func (p *proof[Out]) prove() {
	p.t.Helper()
	if err := p.check(); err != nil {
		p.t.Fatalf("dstreamtest: %v", err)
	}
	p.timed()
	if p.set.spread && !(p.event && p.set.finish) {
		p.t.Fatalf("dstreamtest: Spread is for a case with event time that is finished: give Finish, and leave Sources to it")
	}
	ways := p.ways()
	if only := *onlyWay; only != "" {
		ways = chosen(ways, only)
		if len(ways) == 0 {
			p.t.Fatalf("dstreamtest: -millrace.way=%s: this test has no such way", only)
		}
	}
	for _, w := range ways {
		err := w.run()
		if err == nil {
			continue
		}
		var broken mistakes
		if errors.As(err, &broken) {
			p.t.Fatalf("dstreamtest: the job cannot be built:\n%v", err)
		}
		p.t.Errorf("%s: %s\n  repeat: go test -run '^%s$' -millrace.way=%s", w.says, indent(err.Error()), strings.ReplaceAll(p.t.Name(), "/", "$/^"), w.name)
		return
	}
}

// timed has a case with event time read from one source partition, if its test does not say otherwise: a watermark is the lowest of the partitions', so what is
// late, and when what is given, depends on how rows are dealt to them. See Spread.
func (c *claim) timed() {
	if len(c.set.sources) > 0 {
		return
	}
	r, err := New(Options{}, c.job(c.deal(1, 0), Collect(outName)))
	if err == nil && len(r.Plan.Events) > 0 {
		c.set.sources, c.event = []int{1}, true
	}
}

// mistakes are those of the job, not of a way.
type mistakes struct{ error }

func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n  ") }

// judge compares what a batch (from 0) gave in a layout with what is wanted, and with what a Runner gave in the same layout, if it is known.
func (c *claim) judge(l layout, i int, got []line) error {
	if c.set.ordered && l == (layout{1, 1}) {
		if d := differInOrder(got, c.want[i], c.set.tolerance); d != "" {
			return fmt.Errorf("batch %d: %s", i+1, d)
		}
	}
	if d := differ(got, c.want[i], c.set.tolerance); d != "" && (c.spread == layout{} || l != c.spread) {
		return fmt.Errorf("batch %d:\n%s", i+1, d)
	}
	exact := c.exact[l]
	if exact == nil {
		return nil
	}
	if d := differInOrder(got, exact[i], 0); d != "" {
		return fmt.Errorf("batch %d: equal rows, but not to the last bit and in the order that other runs of the same layout gave (I2, I7): %s", i+1, d)
	}
	return nil
}

// deal gives the inputs to source partitions.
func (c *claim) deal(sources, block int) []*dealt {
	var all []*dealt
	for _, f := range c.feeds {
		all = append(all, f.deal(sources, block))
	}
	return all
}
