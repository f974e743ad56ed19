package driver

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/millrace/millrace/internal/clock"
)

const (
	listenerQueue = 1024        // events that wait for a listener; at the limit the newest is dropped and counted
	listenerGrace = time.Second // how long a job's end waits for listeners, all together
)

// audience are a job's listeners, each with a goroutine and a queue. tell and close belong to the loop's goroutine.
type audience struct {
	log     *slog.Logger
	stats   *Stats
	hearers []*hearer
}

// hearer is one listener.
type hearer struct {
	listener Listener
	queue    chan func()
	last     func() // set before queue is closed
	ended    chan struct{}
	panicked bool // its goroutine's
}

func newAudience(e *engine) *audience {
	a := &audience{log: e.log, stats: e.cfg.Stats}
	for _, l := range e.cfg.Listeners {
		h := &hearer{listener: l, queue: make(chan func(), listenerQueue), ended: make(chan struct{})}
		a.hearers = append(a.hearers, h)
		go h.run(a.log) // ended by close, which waits for it as long as it may
	}
	return a
}

// tell lets listeners know. What the machine does not know of its own job is added.
func (e *engine) tell(o occasion) {
	if s, ok := o.(JobStarted); ok {
		s.Running, s.Job = e.running, e.cfg.Name
		o = s
	}
	e.hearers.tell(o)
}

// tell gives an event to all that want it, and never waits.
func (a *audience) tell(o occasion) {
	for _, h := range a.hearers {
		call := o.on(&h.listener)
		if call == nil {
			continue
		}
		select {
		case h.queue <- call:
		default:
			a.stats.addDropped()
		}
	}
}

// close tells the last event, whatever waits before it, and gives listeners a moment for what is left.
func (a *audience) close(last occasion) {
	for _, h := range a.hearers {
		h.last = last.on(&h.listener)
		close(h.queue)
	}
	limit := clock.System{}.After(listenerGrace)
	for _, h := range a.hearers {
		select {
		case <-h.ended:
		case <-limit:
			a.log.Warn("a listener is behind, and the job does not wait for it any more", "events", len(h.queue))
			return
		}
	}
}

// run hears events until the queue is closed, and then the last.
func (h *hearer) run(log *slog.Logger) {
	defer close(h.ended)
	for call := range h.queue {
		h.hear(log, call)
	}
	if h.last != nil {
		h.hear(log, h.last)
	}
}

// hear makes one call. A panic in it is the listener's own affair.
func (h *hearer) hear(log *slog.Logger, call func()) {
	defer func() {
		if p := recover(); p != nil && !h.panicked {
			h.panicked = true
			log.Error("a listener panics; it is told of what follows, and further panics of it are not logged", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	call()
}
