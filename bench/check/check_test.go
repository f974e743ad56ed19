package check

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/bench/gen"
)

func data(n int) Data {
	return Data{N: n, Profiles: 1000, Keys: 10, Window: time.Second, Event: func(i int) int64 { return gen.EventMillis(i) * 1000 }, Start: gen.NexmarkStart(), Step: gen.NexmarkStep}
}

func checker(t *testing.T, work string, d Data) Checker {
	t.Helper()
	c, err := New(work, d)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Each checker notices an output that is missing, and one that should not be there.
func TestCheckersCanFail(t *testing.T) {
	for work, wrong := range map[string][2]string{
		"w1": {"w0", "1"}, "w2": {"", `{"count":1000000}`}, "w3": {"2026-01-01T00:00:00Z", `{"word":"w1","count":3}`},
		"w4": {`{"campaign":"c","start":0}`, `{"count":1,"newest":1}`}, "w5": {"", `{"viewer_id":1,"name":"nobody","industry":"none"}`},
		"state": {"3", "77"}, "closures": {"shop-0001", "1"},
		"q0": {"", `{"auction":1,"bidder":2,"price":3,"date_time":"2026-01-01T00:00:00Z"}`}, "q3": {"", `{"name":"a","city":"b","state":"or","id":7}`},
		"q4": {"", `{"category":10,"avg":1.5}`}, "q5": {"", `{"auction":1,"num":1}`}, "q6": {"", `{"seller":1,"avg":2}`},
		"q7": {"", `{"auction":1,"price":2,"bidder":3,"date_time":"2026-01-01T00:00:00Z"}`}, "q8": {"", `{"id":1,"name":"a","starttime":"2026-01-01T00:00:00Z"}`},
	} {
		if err := checker(t, work, data(20_000)).Done(); err == nil {
			t.Errorf("%s: no output is right", work)
		}
		d := data(20_000)
		d.N = 0
		c := checker(t, work, d)
		if err := c.Done(); err != nil && work != "w3" { // a window is missing there
			t.Errorf("%s: no output of no data: %v", work, err)
		}
		c.Take([]byte(wrong[0]), []byte(wrong[1]))
		if err := c.Done(); err == nil {
			t.Errorf("%s: %s is right", work, wrong[1])
		}
	}
}

// A count says how old its newest event is by the event that made it so high.
func TestLatencyOfCounts(t *testing.T) {
	d := data(1000)
	d.Live, d.Event = true, func(i int) int64 { return int64(i) + 1 }
	c := checker(t, "w1", d).(*counts)
	times := c.when["w0"]
	if len(times) < 100 || int64(len(times)) != c.want["w0"] {
		t.Fatalf("%d times of %d words", len(times), c.want["w0"])
	}
	if got := c.Take([]byte("w0"), []byte("5")); got != times[4] {
		t.Errorf("%d, want %d", got, times[4])
	}
	if got := c.Take([]byte("w0"), []byte(fmt.Sprint(c.want["w0"]+1))); got != 0 {
		t.Errorf("more than there are: %d", got)
	}
}

// Rows are compared by value, not by how they are written.
func TestRowsCompareByValue(t *testing.T) {
	c := checker(t, "q1", Data{Live: true, Start: time.Unix(0, 0), Step: time.Second}).(*rows)
	at := time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	c.expect(at, int64(7), int64(8), float64(9080*1)/1000, at)
	if got := c.Take(nil, []byte(`{"price":"9.080","date_time":"2026-01-02T03:04:05.6Z","auction":7,"bidder":8}`)); got != at.UnixMicro() {
		t.Errorf("%d", got)
	}
	if err := c.Done(); err != nil {
		t.Error(err)
	}
}
