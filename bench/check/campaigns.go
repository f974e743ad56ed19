package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/bench/gen"
	"github.com/millrace/millrace/examples/workloads"
)

// windows: the last count of each campaign and window, which never falls.
type windows struct {
	want, got map[string]int64
	bad       error
}

func newWindows(d Data) (*windows, error) {
	c := &windows{want: map[string]int64{}, got: map[string]int64{}}
	mk, err := maker("ads")
	if err != nil {
		return nil, err
	}
	campaignOf, window := gen.CampaignOf(), d.Window.Milliseconds()
	for i := range d.N {
		ms := d.Event(i) / 1000
		_, val := mk(i, ms)
		if !bytes.Contains(val, []byte(`"event_type":"view"`)) {
			continue
		}
		_, rest, _ := strings.Cut(string(val), `"ad_id":"`)
		c.want[fmt.Sprint(campaignOf[rest[:36]], " ", ms-ms%window)]++
	}
	return c, nil
}

func (c *windows) Take(key, val []byte) int64 {
	var k struct {
		Campaign string
		Start    int64
	}
	var v struct{ Count, Newest int64 }
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
	return v.Newest * 1000
}

func (c *windows) Done() error { return equal(c.bad, c.want, c.got) }

// views: every page view once, with the profile of its viewer.
type views struct {
	want     int
	got      int
	profiles map[int64]workloads.Profile
	sum      int64 // of viewers seen, against the data's
	wantSum  int64
	bad      error
}

func newViews(d Data) (*views, error) {
	c := &views{want: d.N, profiles: make(map[int64]workloads.Profile, d.Profiles)}
	mk, err := maker("profiles")
	if err != nil {
		return nil, err
	}
	for i := range d.Profiles {
		key, val := mk(i, 0)
		id, err := strconv.ParseInt(string(key), 10, 64)
		if err != nil {
			return nil, err
		}
		var p workloads.Profile
		if err := json.Unmarshal(val, &p); err != nil {
			return nil, err
		}
		c.profiles[id] = p
	}
	if mk, err = maker("pageviews"); err != nil {
		return nil, err
	}
	for i := range d.N {
		key, _ := mk(i, 0)
		id, err := strconv.ParseInt(string(key), 10, 64)
		if err != nil {
			return nil, err
		}
		if _, ok := c.profiles[id]; !ok { // fewer profiles than viewers: the join leaves the others out
			c.want--
			continue
		}
		c.wantSum += id
	}
	return c, nil
}

func (c *views) Take(_, val []byte) int64 {
	var e struct {
		EventTime int64 `json:"event_time"`
		ViewerID  int64 `json:"viewer_id"`
		Name      string
		Industry  string
	}
	if err := json.Unmarshal(val, &e); err != nil {
		c.bad = fmt.Errorf("value %s: %w", val, err)
	}
	if p := c.profiles[e.ViewerID]; p.Name != e.Name || p.Industry != e.Industry {
		c.bad = fmt.Errorf("viewer %d is %s of %s, want %s of %s", e.ViewerID, e.Name, e.Industry, p.Name, p.Industry)
	}
	c.got++
	c.sum += e.ViewerID
	return e.EventTime * 1000
}

func (c *views) Done() error {
	if c.bad != nil {
		return c.bad
	}
	if c.got != c.want || c.sum != c.wantSum {
		return fmt.Errorf("%d page views whose viewers add up to %d, want %d and %d", c.got, c.sum, c.want, c.wantSum)
	}
	return nil
}
