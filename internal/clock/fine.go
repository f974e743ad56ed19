package clock

import "time"

// Fine is the machine's clock for what is paced in milliseconds: where the system has a timer that wakes a process to the
// microsecond, After comes within a tenth of a millisecond. Go's own timers come up to one late in a process that idles, since it then waits in whole milliseconds.
// They do for longer waits.
//
// In a synctest bubble only System follows the bubble's time.
type Fine struct{}

// Now is time.Now.
func (Fine) Now() time.Time { return time.Now() }

// After returns a channel that receives once, d after the call.
func (Fine) After(d time.Duration) <-chan time.Time {
	if d <= 0 || d > fineWait {
		return time.After(d)
	}
	return fineAfter(d)
}

// fineWait is the longest wait that is worth a system call.
const fineWait = 50 * time.Millisecond
