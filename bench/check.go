package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/bench/gen"
)

// checker compares a job's whole output with what the data says it must be. take is given every record; done says why it is wrong, nil if it is right.
type checker interface {
	take(key, val []byte)
	done() error
}

func newChecker(work string, n, profiles int, window int64, event func(i int) int64) (checker, error) {
	switch work {
	case "w1":
		return newWords(n)
	case "w2":
		return newHits(n)
	case "w3":
		return newTop(n)
	case "w4":
		return newWindows(n, window, event)
	case "w5":
		return newViews(n, profiles)
	}
	return nil, fmt.Errorf("no check for work %q", work)
}

// words: the last count of each word is the word's number in the data, and counts of a word never fall.
type words struct {
	want, got map[string]int64
	bad       error
}

func newWords(n int) (*words, error) {
	want, err := wordCounts(n)
	return &words{want: want, got: map[string]int64{}}, err
}

// wordCounts are the words of the first n lines.
func wordCounts(n int) (map[string]int64, error) {
	mk, err := gen.New("lines", seed)
	if err != nil {
		return nil, err
	}
	counts := map[string]int64{}
	for i := range n {
		_, line := mk(i, 0)
		for w := range bytes.FieldsSeq(line) {
			counts[string(w)]++
		}
	}
	return counts, nil
}

func (c *words) take(key, val []byte) {
	v, err := strconv.ParseInt(string(val), 10, 64)
	if err != nil || v <= c.got[string(key)] {
		c.bad = fmt.Errorf("word %s: count %q after %d", key, val, c.got[string(key)])
	}
	c.got[string(key)] = v
}

func (c *words) done() error { return equal(c.bad, c.want, c.got) }

// windows: the last count of each campaign and window.
type windows struct {
	want, got map[string]int64
	bad       error
}

func newWindows(n int, window int64, event func(i int) int64) (*windows, error) {
	c := &windows{want: map[string]int64{}, got: map[string]int64{}}
	mk, err := gen.New("ads", seed)
	if err != nil {
		return nil, err
	}
	campaignOf := gen.CampaignOf()
	for i := range n {
		ms := event(i)
		_, val := mk(i, ms)
		if !bytes.Contains(val, []byte(`"event_type":"view"`)) {
			continue
		}
		_, rest, _ := strings.Cut(string(val), `"ad_id":"`)
		c.want[fmt.Sprint(campaignOf[rest[:36]], " ", ms-ms%window)]++
	}
	return c, nil
}

func (c *windows) take(key, val []byte) {
	var k struct {
		Campaign string
		Start    int64
	}
	var v struct{ Count int64 }
	if err := json.Unmarshal(key, &k); err != nil {
		c.bad = fmt.Errorf("key %s: %w", key, err)
	}
	if err := json.Unmarshal(val, &v); err != nil {
		c.bad = fmt.Errorf("value %s: %w", val, err)
	}
	id := fmt.Sprint(k.Campaign, " ", k.Start)
	if v.Count <= c.got[id] {
		c.bad = fmt.Errorf("window %s: count %d after %d", id, v.Count, c.got[id])
	}
	c.got[id] = v.Count
}

func (c *windows) done() error { return equal(c.bad, c.want, c.got) }

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

// views: every page view once, with the profile of its viewer.
type views5 struct {
	want     int
	got      int
	profiles map[int64]profile
	sum      int64 // of viewers seen, against the data's
	wantSum  int64
	bad      error
}

func newViews(n, profiles int) (*views5, error) {
	c := &views5{want: n, profiles: make(map[int64]profile, profiles)}
	mk, err := gen.New("profiles", seed)
	if err != nil {
		return nil, err
	}
	for i := range profiles {
		key, val := mk(i, 0)
		id, err := strconv.ParseInt(string(key), 10, 64)
		if err != nil {
			return nil, err
		}
		var p profile
		if err := json.Unmarshal(val, &p); err != nil {
			return nil, err
		}
		c.profiles[id] = p
	}
	if mk, err = gen.New("pageviews", seed); err != nil {
		return nil, err
	}
	for i := range n {
		key, _ := mk(i, 0)
		id, err := strconv.ParseInt(string(key), 10, 64)
		if err != nil {
			return nil, err
		}
		c.wantSum += id
	}
	return c, nil
}

func (c *views5) take(_, val []byte) {
	var e struct {
		ViewerID int64 `json:"viewer_id"`
		Name     string
		Industry string
	}
	if err := json.Unmarshal(val, &e); err != nil {
		c.bad = fmt.Errorf("value %s: %w", val, err)
	}
	if p := c.profiles[e.ViewerID]; p.Name != e.Name || p.Industry != e.Industry {
		c.bad = fmt.Errorf("viewer %d is %s of %s, want %s of %s", e.ViewerID, e.Name, e.Industry, p.Name, p.Industry)
	}
	c.got++
	c.sum += e.ViewerID
}

func (c *views5) done() error {
	if c.bad != nil {
		return c.bad
	}
	if c.got != c.want || c.sum != c.wantSum {
		return fmt.Errorf("%d page views whose viewers add up to %d, want %d and %d", c.got, c.sum, c.want, c.wantSum)
	}
	return nil
}
