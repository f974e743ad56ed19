package dstreamtest

import (
	"fmt"
	"slices"
	"strings"
)

// simulation is a way to run a case in a Runner.
type simulation struct {
	layout
	block   int  // records a block, 0: all
	columns bool // Options.Debug
	restart bool // behind each batch, into another layout
}

// simulations are the ways in which a case runs in a Runner: with the round trip through columns first, since it finds the most and says it best.
func (c *claim) simulations() []way {
	reduce := c.set.partitions
	if len(reduce) == 0 {
		reduce = []int{1, 2, 3, 5}
	}
	blocks := []int{0, 2, 1, 3}
	var all []way
	for _, restart := range []bool{false, true} {
		for i, p := range reduce {
			for _, columns := range []bool{true, false} {
				s := simulation{layout{c.set.sourcesOf(i, min(p, 3)), p}, blocks[i%len(blocks)], columns, restart}
				all = append(all, way{s.name(), s.says(), func() error { return c.simulate(s) }})
			}
		}
	}
	return all
}

func (s simulation) name() string {
	name := fmt.Sprintf("%s/%d", Simulated, s.reduce)
	if s.columns {
		name += "/columns"
	}
	if s.restart {
		name += "/restart"
	}
	return name
}

func (s simulation) says() string {
	with := ""
	if s.columns {
		with += ", rows through columns between all operators"
	}
	if s.restart {
		with += ", a restart into another layout behind each batch"
	}
	return fmt.Sprintf("simulated, %v, blocks of %s%s", s.layout, map[bool]string{true: "any size", false: many(s.block, "record")}[s.block == 0], with)
}

// simulate runs the case twice, side by side.
func (c *claim) simulate(s simulation) error {
	in := c.deal(s.sources, 0)
	o := Options{Job: keeping(), Reduce: s.reduce, Lanes: s.reduce, Block: in[0].blockOf(s.block), Debug: s.columns}
	var runs [2]*Runner
	for i := range runs {
		r, err := New(o, c.job(in, Collect(outName)))
		if err != nil {
			return mistakes{err}
		}
		runs[i] = r
	}
	judged := s.layout
	if s.restart {
		judged = layout{} // it changes
	}
	for i := range c.want {
		a, err := c.step(runs[0], in, i)
		if err != nil {
			return err
		}
		b, err := c.step(runs[1], in, i)
		if err != nil {
			return err
		}
		got, err := c.rows(a.Sinks[outName])
		if err != nil {
			return err
		}
		if err := c.checkAside(i, c.lettersOf(a)); err != nil {
			return err
		}
		if d := twoRuns(a, b); d != "" {
			return fmt.Errorf("batch %d: %s", i+1, d)
		}
		if err := c.judge(judged, i, got); err != nil {
			if s.restart && i > 0 {
				err = fmt.Errorf("%w\nThe operator may keep something between batches that is not in its state: a variable that its functions captured and write, say", err)
			}
			return err
		}
		if !s.restart {
			continue
		}
		for _, r := range runs {
			if err := r.Restart(i%4 + 1); err != nil {
				return fmt.Errorf("restart behind batch %d: %w", i+1, err)
			}
		}
	}
	return nil
}

func (c *claim) step(r *Runner, in []*dealt, i int) (*Batch, error) {
	r.times.scripted = true
	var rows []Rows
	for _, d := range in {
		for p := range d.cols {
			r.part(d.name, p).ended = d.ended(i, p)
		}
	}
	for _, d := range in {
		rows = append(rows, d.batch(i)...)
	}
	if c.set.finish && i == len(c.want)-1 {
		return r.Finish(c.times[i], rows...)
	}
	return r.Run(c.times[i], rows...)
}

// twoRuns says how two runs of one batch differ (I2), "" if they do not.
func twoRuns(a, b *Batch) string {
	for i, x := range a.Blocks {
		if i == len(b.Blocks) {
			break
		}
		if y := b.Blocks[i]; x.Edge != y.Edge || x.Part != y.Part || x.From != y.From || x.Sum != y.Sum {
			n := a.plan.Nodes[x.From.Node]
			to := a.plan.Nodes[x.Edge.Node]
			return fmt.Sprintf("two runs of it differ in what partition %d of %s sends to %s: the operator is not deterministic (the order of a map, a clock, random numbers, a captured variable "+
				"that its functions write): it must be a function of rows, state and batch alone (I2)", x.From.Part, nodeText(n.Op, n.Name, n.Site), nodeText(to.Op, to.Name, to.Site))
		}
	}
	if len(a.Blocks) != len(b.Blocks) {
		return "two runs of it differ in how many blocks they have (I2)"
	}
	return ""
}

func nodeText(op, name, site string) string {
	parts := []string{op}
	if name != "" {
		parts = append(parts, fmt.Sprintf("%q", name))
	}
	return strings.Join(slices.Concat(parts, []string{"(" + site + ")"}), " ")
}

// exactOf has a Runner say once what a layout gives to the last bit.
func (c *claim) exactOf(l layout) error {
	if c.exact[l] != nil {
		return nil
	}
	in := c.deal(l.sources, 0)
	r, err := New(Options{Job: keeping(), Reduce: l.reduce, Lanes: l.reduce}, c.job(in, Collect(outName)))
	if err != nil {
		return mistakes{err}
	}
	var all [][]line
	var letters []string
	for i := range c.want {
		b, err := c.step(r, in, i)
		if err != nil {
			return fmt.Errorf("simulated: %w", err)
		}
		lines, err := c.rows(b.Sinks[outName])
		if err != nil {
			return err
		}
		c.late[l] += b.Counters.Late
		all, letters = append(all, lines), append(letters, c.lettersOf(b)...)
	}
	slices.Sort(letters)
	c.exact[l], c.letters[l] = all, letters
	return nil
}
