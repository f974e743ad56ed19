package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/gen"
)

// hitCounts: the batches' numbers add up to the lines of the data that hold the word.
type hitCounts struct {
	want, got int64
	bad       error
}

func newHits(n int) (*hitCounts, error) {
	mk, err := gen.New("lines", seed)
	if err != nil {
		return nil, err
	}
	c := &hitCounts{}
	for i := range n {
		_, line := mk(i, 0)
		for w := range bytes.FieldsSeq(line) {
			if string(w) == wanted {
				c.want++
				break
			}
		}
	}
	return c, nil
}

func (c *hitCounts) take(_, val []byte) {
	var h hits
	if err := json.Unmarshal(val, &h); err != nil || h.Count < 0 {
		c.bad = fmt.Errorf("value %s is no count: %v", val, err)
	}
	c.got += h.Count
}

func (c *hitCounts) done() error {
	if c.bad == nil && c.got != c.want {
		return fmt.Errorf("%d lines with %s, want %d", c.got, wanted, c.want)
	}
	return c.bad
}

// top: each window has ten words in order, no count falls as long as nothing has left the windows, and the last one has the ten most frequent words of the data. So
// the data must be read within a window's length.
type top struct {
	want    []ranked
	windows map[string][]ranked // by key, the window's end
	bad     error
}

func newTop(n int) (*top, error) {
	counts, err := wordCounts(n)
	c := &top{windows: map[string][]ranked{}}
	for w, k := range counts {
		c.want = append(c.want, ranked{w, k})
	}
	slices.SortFunc(c.want, byCount)
	c.want = c.want[:min(topN, len(c.want))]
	return c, err
}

// byCount has the highest count first, of equal ones the first word.
func byCount(a, b ranked) int {
	if a.Count != b.Count {
		return int(b.Count - a.Count)
	}
	return strings.Compare(a.Word, b.Word)
}

func (c *top) take(key, val []byte) {
	var r ranked
	if err := json.Unmarshal(val, &r); err != nil {
		c.bad = fmt.Errorf("value %s: %w", val, err)
	}
	c.windows[string(key)] = append(c.windows[string(key)], r)
}

func (c *top) done() error {
	if c.bad != nil {
		return c.bad
	}
	ends := map[time.Time][]ranked{}
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
	if took := order[len(order)-1].Sub(order[0]); took >= topWindow {
		return fmt.Errorf("the drain took %v: the last window of %v does not hold all of the data; use fewer records", took, topWindow)
	}
	last := int64(0)
	for _, end := range order {
		rows := ends[end]
		if len(rows) > topN || !slices.IsSortedFunc(rows, byCount) || rows[0].Count < last {
			return fmt.Errorf("window to %v: %v, behind one whose first has %d", end, rows, last)
		}
		last = rows[0].Count
	}
	if got := ends[order[len(order)-1]]; !slices.Equal(got, c.want) {
		return fmt.Errorf("the last window has %v, want %v", got, c.want)
	}
	return nil
}
