// Package check compares a job's whole output with what the data says it must be, computed over the same data by plain Go that shares nothing with the
// engine.
package check

import (
	"fmt"
	"strconv"
	"time"

	"github.com/millrace/millrace/bench/gen"
	"github.com/millrace/millrace/examples/workloads"
)

// Data is what a job has read.
type Data struct {
	N        int // records, or events
	Profiles int // w5: profiles that were loaded first
	Keys     int // state: different keys
	Window   time.Duration
	Event    func(i int) int64 // event time of record i, µs since 1970
	Live     bool              // records came when they were due: Take says how old a row's newest event is
	Start    time.Time         // Nexmark: of the first event
	Step     time.Duration     // Nexmark: between two events
}

// Checker is given every record of an output. It is used by one goroutine at a time.
type Checker interface {
	// Take takes a record. With Data.Live it gives the time of the newest event that the row tells of, in µs since 1970; 0 if the row does not say.
	Take(key, val []byte) (newest int64)
	// Done says, behind all records, what is wrong; nil if nothing is.
	Done() error
}

// New is the checker of a workload.
func New(work string, d Data) (Checker, error) {
	switch work {
	case "w1":
		return newWords(d)
	case "w2":
		return newHits(d)
	case "w3":
		return newTop(d)
	case "w4":
		return newWindows(d)
	case "w5":
		return newViews(d)
	case "state":
		return newTouches(d), nil
	case "closures":
		return newSales(d), nil
	}
	if workloads.Known(work) {
		return newNexmark(work, d)
	}
	return nil, fmt.Errorf("no check for work %q", work)
}

// counts are of names, which may not fall.
type counts struct {
	want, got map[string]int64
	when      map[string][]int64 // live: the event time of each occurrence
	bad       error
}

func (c *counts) Take(key, val []byte) int64 {
	v, err := strconv.ParseInt(string(val), 10, 64)
	if err != nil || v <= c.got[string(key)] {
		c.bad = fmt.Errorf("%s: count %q after %d", key, val, c.got[string(key)])
	}
	c.got[string(key)] = v
	return occurrence(c.when[string(key)], v)
}

func (c *counts) Done() error { return equal(c.bad, c.want, c.got) }

// occurrence is the time of number n, from 1, in times; 0 if there is none. A count of n holds at least one event that is not older, as events come in order of time:
// the latency that it gives is never too small.
func occurrence(times []int64, n int64) int64 {
	if n < 1 || n > int64(len(times)) {
		return 0
	}
	return times[n-1]
}

func equal(bad error, want, got map[string]int64) error {
	if bad != nil {
		return bad
	}
	for k, n := range want {
		if got[k] != n {
			return fmt.Errorf("%s: %d, want %d", k, got[k], n)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d keys, want %d", len(got), len(want))
	}
	return nil
}

// touchOrder is the key of record i of "state": every key once, then every key once more, in an order that jumps about.
func touchOrder(i, keys int) int64 { return int64(i) * 7919 % int64(keys) }

// Touch is the record i of the data set "touches".
func Touch(i, keys int) []byte { return strconv.AppendInt(nil, touchOrder(i, keys), 10) }

// touches: the last count of each key is how often it was touched, and counts never fall. There may be ten million of them, so they are in a slice.
type touches struct {
	n, keys int
	got     []int32
	bad     error
}

func newTouches(d Data) *touches { return &touches{n: d.N, keys: d.Keys, got: make([]int32, d.Keys)} }

func (c *touches) Take(key, val []byte) int64 {
	k, err := strconv.Atoi(string(key))
	v, err2 := strconv.ParseInt(string(val), 10, 32)
	if err != nil || err2 != nil || k < 0 || k >= c.keys || int32(v) <= c.got[k] {
		c.bad = fmt.Errorf("key %s: count %q is none, or not more than before", key, val)
		return 0
	}
	c.got[k] = int32(v)
	return 0
}

func (c *touches) Done() error {
	if c.bad != nil {
		return c.bad
	}
	want := make([]int32, c.keys)
	for i := range c.n {
		want[touchOrder(i, c.keys)]++
	}
	for k := range want {
		if want[k] != c.got[k] {
			return fmt.Errorf("key %d: %d, want %d", k, c.got[k], want[k])
		}
	}
	return nil
}

// newSales wants the last sum of each shop.
func newSales(d Data) *counts {
	c := &counts{want: map[string]int64{}, got: map[string]int64{}}
	for i := range int64(d.N) {
		if r := workloads.SaleOf(i); r.Amount > 0 {
			c.want[r.Shop] += int64(r.Amount)
		}
	}
	return c
}

// maker is that of a data set with the seed of all.
func maker(data string) (gen.Maker, error) { return gen.New(data, gen.Seed) }
