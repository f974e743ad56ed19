package driver

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/rdd"
)

// windows is a plan of wide nodes, each reading the one before it: every and reach in ms.
func windows(spans ...[2]int64) *rdd.Plan {
	p := &rdd.Plan{}
	for i, s := range spans {
		n := &rdd.Node{ID: i, Kind: rdd.Wide, Op: "window", Site: "main.go:7", Wide: &rdd.WideSpec{Every: s[0] * 1000, Reach: s[1] * 1000}}
		if i > 0 {
			n.In = p.Nodes[i-1 : i]
		}
		p.Nodes = append(p.Nodes, n)
	}
	p.Wides = p.Nodes
	return p
}

// Windows one behind the other reach further than each of them: what the first gives late counts in the second from then on.
func TestReachOfChains(t *testing.T) {
	s := shapeOf(windows([2]int64{1000, 5000}, [2]int64{2000, 4000}, [2]int64{1000, 0}))
	if s.reach != 9_000_000 {
		t.Errorf("the windows reach %d µs", s.reach)
	}
	if diff := cmp.Diff([]int64{1_000_000, 2_000_000}, s.every); diff != "" {
		t.Error(diff)
	}
}

func TestWindowsFitTheInterval(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		span [2]int64
		want string
	}{
		{Config{Interval: 100 * time.Millisecond}, [2]int64{200, 1000}, ""},
		{Config{Interval: 100 * time.Millisecond, Asap: true}, [2]int64{250, 333}, ""},
		{Config{Interval: 100 * time.Millisecond}, [2]int64{100, 250},
			"main.go:7: window 250ms is not a multiple of --interval 100ms: batches come at its multiples; use 300ms, or another interval, or --interval asap"},
		{Config{Interval: time.Second}, [2]int64{250, 2000},
			"main.go:7: slide 250ms is not a multiple of --interval 1s: batches come at its multiples; use 1s, or another interval, or --interval asap"},
		{Config{Interval: time.Second}, [2]int64{0, 2500}, ""},
	} {
		err := (&engine{cfg: c.cfg, plan: windows(c.span)}).checkWindows()
		got := ""
		if err != nil {
			got = err.Error()
			if !errors.Is(err, errUsage) {
				t.Errorf("%s: not a mistake of the user", got)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Error(diff)
		}
	}
}
