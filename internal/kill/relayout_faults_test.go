//go:build faults

package kill

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/checkpoint"
)

// TestRelayout ends a driver while a batch is published in some lanes and not in others, and starts it with other executors, slots, reduce partitions and
// lanes; again and again. The batch is finished under the layout of its record, new ones begin with the next (P1, P27); nothing is lost or repeated.
func TestRelayout(t *testing.T) {
	needProc(t)
	for _, c := range []struct{ job, sink string }{{"words", "files"}, {"words", "log"}, {"words", "kafka"}, {"enrich", "log"}} {
		t.Run(c.job+"-"+c.sink, func(t *testing.T) { relayout(t, c.job, c.sink) })
	}
}

func relayout(t *testing.T, job, sink string) {
	w := scriptedWorld(t, job, sink, seedOf(t), 24)
	layouts := []struct {
		master, partitions string
		lanes              int // of files and Kafka; the log has one a partition
	}{{"local[3]", "3", 4}, {"local[1]", "1", 2}, {"local[2]", "5", 3}, {"procs[2,2]", "2", 1}, {"local[4]", "4", 4}}
	half := 0
	for i, l := range layouts {
		w.master = l.master
		w.env = []string{fmt.Sprintf("%s=%d", envLanes, l.lanes)}
		once := w.path(fmt.Sprint("crashed", i))
		last := i == len(layouts)-1 || l.master == "procs[2,2]"
		if !last {
			w.env = append(w.env, "MILLRACE_CRASH=exec-publish-between-lanes:3", "MILLRACE_CRASH_ONCE="+once)
		}
		p := w.start(t, "--partitions", l.partitions, "--batches", map[bool]string{true: "4", false: "0"}[l.master == "procs[2,2]"])
		err := p.wait(t)
		if last != (err == nil) || !last && !exists(once) {
			w.failf(t, "layout %v: the driver ended with %v:\n%s", l, err, p.output())
		}
		w.collect(t)
		if !last && w.halfPublished(t) {
			half++
		}
	}
	if half == 0 && sink == "log" {
		w.failf(t, "no crash left a batch half published")
	}
	w.verify(t)
	w.laidOut(t)
}

// halfPublished tells whether the output has rows of a batch that is not committed. (A file lane counts as published before it shows its rows.)
func (w *world) halfPublished(t *testing.T) bool {
	t.Helper()
	in, err := checkpoint.Inspect(w.checkpt())
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range w.read(t) {
		if n := len(rows); n > 0 && rows[n-1].batch > in.Committed {
			return true
		}
	}
	return false
}

// laidOut demands that the batches really had several layouts.
func (w *world) laidOut(t *testing.T) {
	t.Helper()
	in, err := checkpoint.Inspect(w.checkpt())
	if err != nil {
		t.Fatal(err)
	}
	if in.Last == nil || in.Last.Layout.Reduce != 4 {
		w.failf(t, "the last batch has layout %+v, want 4 reduce partitions", in.Last)
	}
}
