package driver

import (
	"time"

	"github.com/millrace/millrace/internal/clock"
)

// ManualClock is a clock for tests of jobs, given as Config.Clock: it stands still until Advance moves it, and with it go the job's ticks, batch times, timers of state,
// rate limit and pauses between attempts. A test never sleeps:
//
//	feed.Push(0, "a", "b")
//	running.WaitRead(ctx)        // the rows are in memory
//	clock.Advance(time.Second)   // a tick: they are a batch
//	running.WaitBatch(ctx, 1)    // it is published and recorded
//
// Nothing is cut before the clock is moved. An Advance over several ticks cuts one batch, at the last of them, as a job that was held up does (and one more at each end of a window of batch time before it); move it by one interval at a time for a batch each.
//
// What waits for something outside goes by the machine's clock: reading, sources that make rows as time passes, time limits of callbacks, files that are rolled, reconnecting. Commits are
// recorded at once instead of with the next plan. Executors in other processes are not held to their lease; one whose connection ends is lost as ever.
//
// It is safe for concurrent use, and several jobs may go by one.
type ManualClock struct{ m *clock.Manual }

// NewManualClock is a clock that shows t.
func NewManualClock(t time.Time) *ManualClock { return &ManualClock{clock.NewManual(t)} }

// Now is what the clock shows.
func (c *ManualClock) Now() time.Time { return c.m.Now() }

// After returns a channel that receives once the clock was moved by d or more.
func (c *ManualClock) After(d time.Duration) <-chan time.Time { return c.m.After(d) }

// At returns a channel that receives once the clock shows t or later.
func (c *ManualClock) At(t time.Time) <-chan time.Time { return c.m.At(t) }

// Advance moves the clock by d. It does not wait for what follows from that.
func (c *ManualClock) Advance(d time.Duration) { c.m.Advance(d) }
