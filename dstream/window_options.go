package dstream

import (
	"time"

	"github.com/millrace/millrace/internal/eventwindow"
	"github.com/millrace/millrace/rdd"
)

// WindowedOption is a setting of an operator that keeps state until the watermark has passed it: windows of Frames and Deduplicate.
type WindowedOption func(*eventOptions)

type eventOptions struct {
	emit eventwindow.Emit
	max  int64 // MaxState
	set  map[string]bool
}

// AllowedLateness keeps closed windows for d of event time more. Rows that still come for one are taken, and its result is given again, once in each batch that
// changes it. Behind that the window is final, and rows for it are late. What comes behind the operator waits for d longer: its watermark is d lower (P29).
func AllowedLateness(d time.Duration) WindowedOption {
	return func(o *eventOptions) { o.emit.Lateness, o.set["AllowedLateness"] = d.Microseconds(), true }
}

// OnChange gives the result of each window that a batch changed, in each batch, and not only when it closes.
func OnChange() WindowedOption {
	return func(o *eventOptions) { o.emit.OnChange, o.set["OnChange"] = true, true }
}

// Early gives, at each multiple of every of batch time, the results so far of open windows that have changed since they were shown last. What closing windows give
// stays as it is.
func Early(every time.Duration) WindowedOption {
	return func(o *eventOptions) { o.emit.Every, o.set["Early"] = every.Microseconds(), true }
}

// EveryRows gives the result of a key in a global window in each batch in which the number of its rows passes a multiple of n.
func EveryRows(n int) WindowedOption {
	return func(o *eventOptions) { o.emit.Rows, o.set["EveryRows"] = int64(n), true }
}

// MaxState limits the memory of the operator's state, in bytes over all partitions, each of which has an equal share. At the limit the job stops, with the operator's
// name and figures; see ShedOldest. The default is no limit.
func MaxState(bytes int64) WindowedOption {
	return func(o *eventOptions) { o.max, o.set["MaxState"] = bytes, true }
}

// ShedOldest lets go of the windows that end first when MaxState is reached, without their results, in place of stopping the job. Rows that come for them later make them
// anew. How many went is counted. So that the same windows go in each attempt, a window counts as what its columns take at their fixed widths, texts as 32 bytes, and an overhead
// of 96 bytes.
func ShedOldest() WindowedOption {
	return func(o *eventOptions) { o.emit.Shed, o.set["ShedOldest"] = true, true }
}

// eventSettings checks options of an operator of that name; only names those that it has, all if there are none.
func eventSettings(j *Job, at rdd.Site, name string, list []WindowedOption, only ...string) eventOptions {
	o := eventOptions{set: map[string]bool{}}
	for _, set := range list {
		set(&o)
	}
	if name == "" {
		j.mistakef(at, "an operator that keeps state needs a name: a checkpoint finds the state under it")
	}
	e := &o.emit
	switch {
	case e.Lateness < 0:
		j.mistakef(at, "AllowedLateness(%v): not negative", time.Duration(e.Lateness)*time.Microsecond)
	case o.set["Early"] && e.Every < 1000:
		j.mistakef(at, "Early(%v): at least 1ms", time.Duration(e.Every)*time.Microsecond)
	case o.set["EveryRows"] && e.Rows < 1:
		j.mistakef(at, "EveryRows(%d): at least 1", e.Rows)
	case o.set["MaxState"] && o.max < 1<<20:
		j.mistakef(at, "MaxState(%d): at least a MiB", o.max)
	case e.Shed && o.max == 0:
		j.mistakef(at, "ShedOldest needs MaxState")
	}
	return o
}
