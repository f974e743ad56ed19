package dstreamtest

import (
	"flag"
	"fmt"
	"hash/fnv"
	"strings"
)

var (
	onlyWay    = flag.String("millrace.way", "", "dstreamtest: run only the ways of Check whose name begins with this")
	exhaustive = flag.Bool("millrace.exhaustive", false, "dstreamtest: have executors die at every stage of every batch, each in turn")
	tellLog    = flag.Bool("millrace.log", false, "dstreamtest: show the engine's log")
)

// way is one way to run a case.
type way struct {
	name string // for -millrace.way
	says string // for people
	run  func() error
}

func chosen(ways []way, prefix string) []way {
	var list []way
	for _, w := range ways {
		if w.name == prefix || strings.HasPrefix(w.name, prefix+"/") {
			list = append(list, w)
		}
	}
	return list
}

// ways are all ways of a case, the cheap ones first: what they find, they say best.
func (c *claim) ways() []way {
	var all []way
	if !c.set.skips(Simulated) {
		all = append(all, c.simulations()...)
	}
	for _, l := range c.set.layouts() {
		if !c.set.skips(Engine) {
			all = append(all, c.plainWay(l))
		}
	}
	if !c.set.skips(Restarts) {
		all = append(all, c.restartWays()...)
	}
	if !c.set.skips(Deaths) {
		all = append(all, c.deathWays()...)
	}
	return append(all, c.spreadWays()...)
}

// turn chooses among n, by the test's name or the seed, and by what: tests share the ways among them, and each always takes the same.
func (c *claim) turn(what string, n int) int {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %s %d", c.t.Name(), what, c.set.seed)
	return int(h.Sum64() % uint64(n))
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (l layout) String() string {
	return many(l.sources, "source partition") + " and " + many(l.reduce, "reduce partition")
}
