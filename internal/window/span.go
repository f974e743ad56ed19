package window

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/task"
)

// Span is a window of batch time, (T − Length, T], and how often it ends: at each T that is a multiple of Slide. Both are in µs.
type Span struct{ Length, Slide int64 }

// NewSpan is a window of length w that ends every slide, or what is wrong with that.
func NewSpan(w, slide time.Duration) (Span, error) {
	s := Span{w.Microseconds(), slide.Microseconds()}
	switch {
	case w < time.Millisecond:
		return s, fmt.Errorf("a window of %v: at least 1ms", w)
	case slide < time.Millisecond:
		return s, fmt.Errorf("a slide of %v: at least 1ms", slide)
	case w%time.Microsecond != 0 || slide%time.Microsecond != 0:
		return s, fmt.Errorf("a window of %v that slides by %v: batch time is in microseconds", w, slide)
	}
	return s, nil
}

// ceil is the first multiple of every at or above t.
func ceil(t, every int64) int64 {
	if rest := t % every; rest > 0 {
		return t - rest + every
	} else {
		return t - rest
	}
}

// enters is the end of the first window that holds a batch of time t, if leaves is later: otherwise none does.
func (s Span) enters(t int64) int64 { return ceil(t, s.Slide) }

// leaves is the end of the first window that does not hold a batch of time t any more.
func (s Span) leaves(t int64) int64 { return ceil(t+s.Length, s.Slide) }

// missed tells whether a batch of time t lies between the windows, which is possible if they are shorter than the slide.
func (s Span) missed(t int64) bool { return s.leaves(t) <= s.enters(t) }

// end is the end of the window that a batch closes, 0 if it closes none. The final batch closes the window that is open: what came behind the last
// boundary counts in it (P30).
func (s Span) end(ctx *task.Context) int64 {
	end := s.enters(ctx.Time)
	if end == ctx.Time || ctx.Final {
		return end
	}
	return 0
}
