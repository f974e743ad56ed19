package commitlog

import (
	"context"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/clock"
)

// hub wakes readers of this process when a durable end moves: at once where the writer is here too, by the system's file
// notification where it is in another process, and by looking every 1 to 20 ms where there is none.
type hub struct {
	clock clock.Clock

	mu     sync.Mutex // guards subs, watch, failed and closed
	subs   map[string]map[*subscription]bool
	watch  *fileWatch // nil before the first subscription, or if the system gives none
	failed bool
	closed bool
}

// subscription is one reader's place to wait.
type subscription struct {
	hub *hub
	dir string
	c   chan struct{} // receives when the durable end may have moved
}

const (
	pollFirst = time.Millisecond
	pollLast  = 20 * time.Millisecond
	// pollSafe is how often a reader looks although it would be notified.
	pollSafe = time.Second
)

func newHub(c clock.Clock) *hub { return &hub{clock: c, subs: map[string]map[*subscription]bool{}} }

func (h *hub) subscribe(dir string) *subscription {
	s := &subscription{hub: h, dir: dir, c: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watch == nil && !h.failed && !h.closed {
		w, err := newFileWatch(h.notify)
		h.watch, h.failed = w, err != nil
	}
	if h.subs[dir] == nil {
		h.subs[dir] = map[*subscription]bool{}
		if h.watch != nil && h.watch.add(dir) != nil {
			h.failed = true // too many watches: look instead
		}
	}
	h.subs[dir][s] = true
	return s
}

// notified tells whether the system wakes readers when another process writes.
func (h *hub) notified() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.watch != nil && !h.failed
}

func (h *hub) notify(dir string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs[dir] {
		signal(s.c)
	}
}

func (s *subscription) close() {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs[s.dir], s)
	if len(h.subs[s.dir]) == 0 {
		delete(h.subs, s.dir)
		if h.watch != nil {
			h.watch.remove(s.dir)
		}
	}
}

func (h *hub) close() error {
	h.mu.Lock()
	w := h.watch
	h.watch, h.closed = nil, true
	h.mu.Unlock()
	if w == nil {
		return nil
	}
	return w.close()
}

// wait returns when there may be something new, or with ctx's error.
func (r *Reader) wait(ctx context.Context) error {
	h := r.p.log.hub
	if r.sub == nil {
		r.sub = h.subscribe(r.p.dir)
		return ctx.Err() // look again: the end may have moved before we listened
	}
	pause := pollSafe
	for polling := !h.notified(); ; {
		if polling {
			pause = pollFirst
		}
		for {
			select {
			case <-r.sub.c:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			case <-h.clock.After(pause):
			}
			d, err := r.dur.read()
			if err != nil || d.end != r.end {
				return nil // Poll reports the error
			}
			if polling {
				pause = min(2*pause, pollLast)
			}
		}
	}
}
