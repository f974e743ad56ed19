package dstreamtest

import (
	"slices"
	"time"
)

// Option is an option of Check and its kin, or of Run. Each says whose it is.
type Option func(*settings)

// Way is a group of ways in which Check runs a case.
type Way string

// The ways of Check, in the order in which they are tried.
const (
	Simulated Way = "simulated" // a Runner: many layouts and block sizes, through columns, with restarts
	Engine    Way = "engine"    // driver and executor as in production, in one process
	Restarts  Way = "restarts"  // the same, and the driver starts anew from its checkpoint behind every batch
	Deaths    Way = "deaths"    // several executors, one of which dies in every batch, each time at another stage
)

type settings struct {
	interval   time.Duration
	start      time.Time
	times      []time.Time
	ordered    bool
	finish     bool
	spread     bool
	tolerance  float64
	sources    []int
	partitions []int
	seed       int64
	aside      []int
	skip       []Way
}

func settingsOf(opts []Option) settings {
	s := settings{interval: time.Second, start: At(0), tolerance: 1e-9}
	for _, o := range opts {
		o(&s)
	}
	return s
}

// Interval is the batch interval, one second if it is not given. Check: batch i, from 1, has the time i intervals after 1970. Run: the clock's step.
func Interval(d time.Duration) Option { return func(s *settings) { s.interval = d } }

// Times are the times of Check's batches, one each, ascending, in place of Interval.
func Times(at ...time.Time) Option { return func(s *settings) { s.times = at } }

// Start is where the clock of Run begins; without it, at 1970.
func Start(at time.Time) Option { return func(s *settings) { s.start = at } }

// Ordered has Check compare rows in order where the order is the operator's alone: in layouts of one source partition and one reduce partition. In
// others they are compared as multisets, as without Ordered.
func Ordered() Option { return func(s *settings) { s.ordered = true } }

// Finish has Check add the last batch of a job that is finished (--finish), without input, an interval behind the others: want has one
// batch more than the input.
func Finish() Option { return func(s *settings) { s.finish = true } }

// Tolerance is by how much floats of Check's results may differ, relative to the greater one; 1e-9 if it is not given.
func Tolerance(relative float64) Option { return func(s *settings) { s.tolerance = relative } }

// Sources are the numbers of source partitions to which Check deals the rows of a batch in turn, used one after the other for the layouts. Without it there
// are as many as reduce partitions, or one where the case has event time: watermarks depend on who reads what. Spread tries such a case with
// two and three too. Sources(1) is for operators whose result depends on the order of the source.
func Sources(n ...int) Option { return func(s *settings) { s.sources = n } }

// Partitions are the numbers of reduce partitions that Check tries with the engine, 1, 2 and 3 if they are not given. Run: how many the job has, one if it is
// not given.
func Partitions(n ...int) Option { return func(s *settings) { s.partitions = n } }

// Seed chooses which of the many ways to die Check tries, in place of the test's name.
func Seed(n int64) Option { return func(s *settings) { s.seed = n } }

// Aside has Check want that many dead letters in each batch, none in those that are not given. Without it Check compares them only with each other.
func Aside(n ...int) Option { return func(s *settings) { s.aside = append([]int{}, n...) } }

// Skip leaves out ways of Check: for a case that another one proves too, or that is too large to be run thirty times.
func Skip(ways ...Way) Option { return func(s *settings) { s.skip = append(s.skip, ways...) } }

// layout is how a case is spread.
type layout struct{ sources, reduce int }

// layouts are those of the engine.
func (s *settings) layouts() []layout {
	n := s.partitions
	if len(n) == 0 {
		n = []int{1, 2, 3}
	}
	var all []layout
	for i, p := range n {
		all = append(all, layout{s.sourcesOf(i, p), p})
	}
	return all
}

func (s *settings) sourcesOf(i, reduce int) int {
	if len(s.sources) == 0 {
		return reduce
	}
	return s.sources[i%len(s.sources)]
}

func (s *settings) skips(w Way) bool { return slices.Contains(s.skip, w) }
