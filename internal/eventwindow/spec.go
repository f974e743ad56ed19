package eventwindow

import (
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // zones are known on machines without a database of them

	"github.com/millrace/millrace/internal/task"
)

// Kind is how windows are cut out of time.
type Kind uint8

// The kinds of window.
const (
	Sliding  Kind = iota // Size µs, one beginning every Slide: tumbling where both are equal
	DayParts             // Size µs, beginning anew at each midnight of Zone
	Days                 // Size calendar days of Zone
	Months               // Size calendar months of Zone
	Session              // rows of a key whose times are at most Size µs apart
	Count                // Size rows of a key
	Global               // one window for ever
)

// Spec describes windows. Times and sizes are µs, unless the kind says otherwise.
type Spec struct {
	Kind        Kind
	Size, Slide int64
	Offset      int64  // windows begin so much later than they would: by the clock on the wall in a zone
	Zone        string // of days and months; "" is UTC
	Batch       bool   // by batch time: a row's time is that of its batch
}

const day = int64(24 * time.Hour / time.Microsecond)

// InZone is s with its windows aligned to the calendar of a zone, or why that cannot be.
func (s Spec) InZone(zone string) (Spec, error) {
	if _, err := time.LoadLocation(zone); err != nil {
		return s, fmt.Errorf("In(%q): %w; zones have names like \"Europe/Berlin\"", zone, err)
	}
	switch {
	case s.Kind == Days || s.Kind == Months || s.Kind == DayParts:
	case s.Kind == Sliding && s.Size == s.Slide && s.Size > 0 && day%s.Size == 0:
		s.Kind = DayParts
	case s.Kind == Sliding && s.Size == s.Slide:
		return s, fmt.Errorf("In(%q): a window of %v does not divide a day; use Days or Months, or Offset", zone, micros(s.Size))
	default:
		return s, fmt.Errorf("In(%q) is for tumbling windows, Days and Months; use Offset", zone)
	}
	s.Zone = zone
	return s, nil
}

// Check is what is wrong with s, if anything.
func (s Spec) Check() error {
	switch s.Kind {
	case Sliding, DayParts, Session:
		if s.Size < 1 || s.Kind == Sliding && s.Slide < 1 {
			return errors.New("a window lasts a microsecond at least, and slides by one at least")
		}
		if s.Kind == Sliding && s.Size/s.pane() > maxPanes {
			return fmt.Errorf("a window of %v that slides by %v would put a row into parts of %v: at most %d to a window; choose a slide that divides the size",
				micros(s.Size), micros(s.Slide), micros(s.pane()), maxPanes)
		}
	case Count, Days, Months:
		if s.Size < 1 || s.Size > maxCount {
			return fmt.Errorf("a window of %d %s: 1 to %d", s.Size, map[Kind]string{Count: "rows", Days: "days", Months: "months"}[s.Kind], maxCount)
		}
	}
	switch {
	case s.Offset != 0 && (s.Kind == Session || s.Kind == Count || s.Kind == Global):
		return errors.New("an Offset is for windows that are aligned to the clock")
	case s.Batch && (s.Kind == Count || s.Kind == Global):
		return errors.New("ByBatchTime is for windows of time")
	case s.Timed() && s.Kind != Months && s.Kind != Days && (s.Size > maxSize || s.Slide > maxSize):
		return fmt.Errorf("a window of %v: at most %v", micros(max(s.Size, s.Slide)), micros(maxSize))
	case s.Offset < -day || s.Offset > day:
		return fmt.Errorf("an offset of %v: at most a day", micros(s.Offset))
	}
	return nil
}

// maxCount is how many rows, days or months a window may have.
const maxCount = 1_000_000

// maxSize is a hundred years: nothing that is computed from times overflows.
const maxSize = 36525 * day

// maxPanes is how many parts a sliding window may have: each row counts in as many windows.
const maxPanes = 10_000

// Timed tells whether windows have a beginning and an end in time.
func (s Spec) Timed() bool { return s.Kind != Count && s.Kind != Global }

func micros(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

// String says what the windows are, for the plan's text.
func (s Spec) String() string {
	var text string
	switch s.Kind {
	case Sliding, DayParts:
		text = fmt.Sprintf("tumbling %v", micros(s.Size))
		if s.Kind == Sliding && s.Slide != s.Size {
			text = fmt.Sprintf("sliding %v by %v", micros(s.Size), micros(s.Slide))
		}
	case Days:
		text = fmt.Sprintf("%d days", s.Size)
	case Months:
		text = fmt.Sprintf("%d months", s.Size)
	case Session:
		text = fmt.Sprintf("session gap %v", micros(s.Size))
	case Count:
		text = fmt.Sprintf("%d rows", s.Size)
	case Global:
		text = "global"
	}
	if s.Offset != 0 {
		text += fmt.Sprintf(" offset %v", micros(s.Offset))
	}
	if s.Zone != "" {
		text += " in " + s.Zone
	}
	if s.Batch {
		text += " by batch time"
	}
	return text
}

// Time is the time of a row by batch time: a batch of time t holds what came before t, so its rows are in the window that ends at t (P31).
func (s Spec) Time(ctx *task.Context) int64 { return ctx.Time - 1 }

// floor is the greatest multiple of step at or below t.
func floor(t, step int64) int64 {
	rest := t % step
	if rest < 0 {
		rest += step
	}
	return t - rest
}

// ceil is the first multiple of step at or above t.
func ceil(t, step int64) int64 { return -floor(-t, step) }
