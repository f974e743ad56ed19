package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/examples/workloads"
)

// newWords wants, as the last count of each word, the word's number in the data.
func newWords(d Data) (*counts, error) {
	want, when, err := wordCounts(d)
	return &counts{want: want, when: when, got: map[string]int64{}}, err
}

// wordCounts are the words of the first n lines, and with Live when each came.
func wordCounts(d Data) (map[string]int64, map[string][]int64, error) {
	mk, err := maker("lines")
	if err != nil {
		return nil, nil, err
	}
	counts, when := map[string]int64{}, map[string][]int64{}
	for i := range d.N {
		_, line := mk(i, 0)
		for w := range bytes.FieldsSeq(line) {
			counts[string(w)]++
			if d.Live {
				when[string(w)] = append(when[string(w)], d.Event(i))
			}
		}
	}
	return counts, when, nil
}

// hits: the batches' numbers add up to the lines of the data that hold the word.
type hits struct {
	want, got int64
	when      []int64
	bad       error
}

func newHits(d Data) (*hits, error) {
	mk, err := maker("lines")
	if err != nil {
		return nil, err
	}
	c := &hits{}
	for i := range d.N {
		_, line := mk(i, 0)
		for w := range bytes.FieldsSeq(line) {
			if string(w) == workloads.Wanted {
				c.want++
				if d.Live {
					c.when = append(c.when, d.Event(i))
				}
				break
			}
		}
	}
	return c, nil
}

func (c *hits) Take(_, val []byte) int64 {
	var h workloads.Hits
	if err := json.Unmarshal(val, &h); err != nil || h.Count < 0 {
		c.bad = fmt.Errorf("value %s is no count: %v", val, err)
	}
	c.got += h.Count
	if h.Count == 0 {
		return 0
	}
	return occurrence(c.when, c.got)
}

func (c *hits) Done() error {
	if c.bad == nil && c.got != c.want {
		return fmt.Errorf("%d lines with %s, want %d", c.got, workloads.Wanted, c.want)
	}
	return c.bad
}

// top: each window has ten words in order, no count falls as long as nothing has left the windows, and the last one has the ten most frequent words of the data. So
// the data must be read within a window's length.
type top struct {
	want    []workloads.Ranked
	when    map[string][]int64
	windows map[string][]workloads.Ranked // by key, the window's end
	last    map[string]int64              // live: the last count of each word, which tells of events only where it has grown
	bad     error
}

func newTop(d Data) (*top, error) {
	counts, when, err := wordCounts(d)
	c := &top{when: when, windows: map[string][]workloads.Ranked{}, last: map[string]int64{}}
	for w, k := range counts {
		c.want = append(c.want, workloads.Ranked{Word: w, Count: k})
	}
	slices.SortFunc(c.want, byCount)
	c.want = c.want[:min(workloads.TopN, len(c.want))]
	return c, err
}

// byCount has the highest count first, of equal ones the first word.
func byCount(a, b workloads.Ranked) int {
	if a.Count != b.Count {
		return int(b.Count - a.Count)
	}
	return strings.Compare(a.Word, b.Word)
}

func (c *top) Take(key, val []byte) int64 {
	var r workloads.Ranked
	if err := json.Unmarshal(val, &r); err != nil {
		c.bad = fmt.Errorf("value %s: %w", val, err)
	}
	c.windows[string(key)] = append(c.windows[string(key)], r)
	if r.Count <= c.last[r.Word] {
		return 0
	}
	c.last[r.Word] = r.Count
	return occurrence(c.when[r.Word], r.Count)
}

func (c *top) Done() error {
	if c.bad != nil {
		return c.bad
	}
	ends := map[time.Time][]workloads.Ranked{}
	var order []time.Time
	for key, rows := range c.windows {
		end, err := time.Parse(time.RFC3339, key)
		if err != nil {
			return err
		}
		ends[end], order = rows, append(order, end)
	}
	slices.SortFunc(order, time.Time.Compare)
	if len(order) == 0 {
		return fmt.Errorf("no windows")
	}
	if took := order[len(order)-1].Sub(order[0]); took >= workloads.TopWindow {
		return fmt.Errorf("reading took %v: the last window of %v does not hold all of the data; use fewer records", took, workloads.TopWindow)
	}
	last := int64(0)
	for _, end := range order {
		rows := ends[end]
		if len(rows) > workloads.TopN || !slices.IsSortedFunc(rows, byCount) || rows[0].Count < last {
			return fmt.Errorf("window to %v: %v, behind one whose first has %d", end, rows, last)
		}
		last = rows[0].Count
	}
	if got := ends[order[len(order)-1]]; !slices.Equal(got, c.want) {
		return fmt.Errorf("the last window has %v, want %v", got, c.want)
	}
	return nil
}
