package dstreamtest

import (
	"fmt"
	"slices"
)

// Spread has Check run a case with event time that is finished (Finish) over several source partitions too, behind the other ways, judged over all batches together. It is for
// operators that give a result once, when it is final, and for which the order of rows makes no difference.
func Spread() Option { return func(s *settings) { s.spread = true } }

// spreadWays run such a case, which is judged batch by batch with one source partition, with several. The watermark is the lowest of the partitions' then, so
// it is never above that of one partition: a case of which no row is late there has no late rows here either. What is given comes later; all in all it is the same. Small batches leave partitions without rows, which are idle.
//
//	one partition    10 12 11 15      watermark 10 12 12 15
//	two partitions   10    11                    10    11     the lower one: 10 10 11 11
//	                    12    15                    12    15
func (c *claim) spreadWays() []way {
	if !c.set.spread {
		return nil
	}
	var all []way
	for _, n := range []int{2, 3} {
		l := layout{n, n}
		all = append(all,
			way{fmt.Sprintf("spread/%d", n), fmt.Sprintf("simulated and by the engine, all batches together, %v", l), func() error { return c.spreadOut(l) }})
	}
	return all
}

// spreadOut compares all batches together with what is wanted, in a layout with several source partitions, and the engine with the Runner batch by batch.
func (c *claim) spreadOut(l layout) error {
	one := layout{1, l.reduce}
	for _, l := range []layout{one, l} {
		if err := c.exactOf(l); err != nil {
			return err
		}
	}
	if n := c.late[one]; n > 0 {
		return fmt.Errorf("%s late with one source partition: with Spread give enough delay, for which rows are late depends on who reads them", many(int(n), "row"))
	}
	if c.late[l] > 0 {
		return fmt.Errorf("%s late, and none with one source partition: the watermark ran ahead of a partition", many(int(c.late[l]), "row"))
	}
	if d := differ(slices.Concat(c.exact[l]...), slices.Concat(c.want...), c.set.tolerance); d != "" {
		return fmt.Errorf("all batches together:\n%s\nIf what is given depends on the order of rows or on when it is given, Spread is not for it", d)
	}
	c.spread = l
	defer func() { c.spread = layout{} }()
	return c.restartBehind(l)
}
