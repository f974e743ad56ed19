package dstream

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/eventwindow"
)

// Window describes windows of a Frame's rows, by event time unless ByBatchTime says otherwise. A window of time holds its beginning and not its end. It is a
// value, made by Tumbling, Sliding, Days, Months, Session, CountWindow or Global; what is wrong with it is reported where it is used.
type Window struct {
	spec eventwindow.Spec
	err  error
}

// Tumbling are windows of a fixed size, one behind the other: each row is in one. They are aligned to 1970 UTC, see Offset and In.
func Tumbling(size time.Duration) Window { return Sliding(size, size) }

// Sliding are windows of a fixed size, of which one begins every slide: a row is in as many as lie over it, in none if it falls between two. Rows are
// aggregated once for each part of time that no window cuts, and the parts are put together: choose a slide that divides the size. By batch time, with counts, and sums and averages of
// what is not a float alone, and without options but MaxState, a row costs twice, when it comes and when it leaves, however many windows it is in.
func Sliding(size, slide time.Duration) Window {
	w := Window{spec: eventwindow.Spec{Kind: eventwindow.Sliding, Size: size.Microseconds(), Slide: slide.Microseconds()}}
	if size%time.Microsecond != 0 || slide%time.Microsecond != 0 {
		w.err = fmt.Errorf("a window of %v by %v: times are in microseconds", size, slide)
	}
	return w
}

// Days are windows of n calendar days each, from midnight to midnight UTC, see In. They count from 1 January 1970, a Thursday; Days(7).Offset(-72 h) are weeks
// that begin on Mondays.
func Days(n int) Window {
	return Window{spec: eventwindow.Spec{Kind: eventwindow.Days, Size: int64(n)}}
}

// Months are windows of n calendar months each, see In. They count from January of the year 0: Months(3) are quarters.
func Months(n int) Window {
	return Window{spec: eventwindow.Spec{Kind: eventwindow.Months, Size: int64(n)}}
}

// Session are windows that rows of a key make themselves: each row's reaches for gap behind its time, and windows of a key that touch or overlap are one. A
// session ends gap behind its last row.
func Session(gap time.Duration) Window {
	w := Window{spec: eventwindow.Spec{Kind: eventwindow.Session, Size: gap.Microseconds()}}
	if gap%time.Microsecond != 0 {
		w.err = fmt.Errorf("a gap of %v: times are in microseconds", gap)
	}
	return w
}

// CountWindow are windows of n rows of a key each, in order of (batch, source partition, offset): which rows share a window depends on the layout where a key
// comes from several partitions (P27). A window is shown when it is full, the last one in the final batch.
func CountWindow(n int) Window {
	return Window{spec: eventwindow.Spec{Kind: eventwindow.Count, Size: int64(n)}}
}

// Global is one window for ever. It is shown in the final batch, and before that as options say: OnChange, Early, EveryRows. Its state grows with the keys.
func Global() Window { return Window{spec: eventwindow.Spec{Kind: eventwindow.Global}} }

// Offset lets windows begin d later than they would, at most a day, negative for earlier. In a zone it is counted by the clock on the wall: Days(1).Offset(6 h) are days
// from six to six on all days.
func (w Window) Offset(d time.Duration) Window {
	w.spec.Offset = d.Microseconds()
	return w
}

// In aligns windows to the calendar of a time zone, "Europe/Berlin", summer time included: a day may have 23 or 25 hours. Tumbling windows
// must divide a day; they begin anew at each midnight.
func (w Window) In(zone string) Window {
	spec, err := w.spec.InZone(zone)
	if w.spec = spec; w.err == nil {
		w.err = err
	}
	return w
}

// ByBatchTime puts each row into the windows of its batch's time, not of its own: nothing is late, and a window closes with the batch that ends it (P31). A batch of
// time T counts as before T, so windows are (T − size, T].
func (w Window) ByBatchTime() Window {
	w.spec.Batch = true
	return w
}

// String says what the windows are, as the plan does.
func (w Window) String() string { return w.spec.String() }

// check is what is wrong with w, if anything.
func (w Window) check() error {
	if w.err != nil {
		return w.err
	}
	return w.spec.Check()
}
