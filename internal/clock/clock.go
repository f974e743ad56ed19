// Package clock is the only place where the engine reads the time.
//
// Production code takes a Clock; tests pass a Manual one, or run in a synctest bubble with System.
package clock

import (
	"sync"
	"time"
)

// Clock tells the time and wakes its caller later.
type Clock interface {
	// Now is the current time.
	Now() time.Time
	// After returns a channel that receives once, d after the call.
	After(d time.Duration) <-chan time.Time
}

// System is the machine's clock.
type System struct{}

// Now is time.Now.
func (System) Now() time.Time { return time.Now() }

// After is time.After.
func (System) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Manual is a clock that moves only when a test moves it. It is safe for concurrent use.
type Manual struct {
	mu      sync.Mutex // guards now and waiters
	now     time.Time
	waiters []waiter
}

type waiter struct {
	at time.Time
	ch chan time.Time
}

// NewManual is a manual clock that starts at t.
func NewManual(t time.Time) *Manual { return &Manual{now: t} }

// Now is the time that the test has set.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// After returns a channel that receives once the clock was moved to d from now or beyond.
func (m *Manual) After(d time.Duration) <-chan time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at(m.now.Add(d))
}

// At returns a channel that receives once the clock shows t or later. Who knows a moment takes this: between Now and After the clock may be moved.
func (m *Manual) At(t time.Time) <-chan time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at(t)
}

// at is At; the caller holds mu.
func (m *Manual) at(t time.Time) <-chan time.Time {
	ch := make(chan time.Time, 1)
	if !t.After(m.now) {
		ch <- t
		return ch
	}
	m.waiters = append(m.waiters, waiter{t, ch})
	return ch
}

// Advance moves the clock by d and wakes everyone who is due.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
	kept := m.waiters[:0]
	for _, w := range m.waiters {
		if w.at.After(m.now) {
			kept = append(kept, w)
			continue
		}
		w.ch <- w.at
	}
	m.waiters = kept
}
