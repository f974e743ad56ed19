package clock

import (
	"container/heap"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// timers are the short waits of the process: one timer of the system, set to the earliest.
type timers struct {
	start time.Time // deadlines count from here
	file  *os.File  // the timer, which becomes readable when it goes off

	mu      sync.Mutex // guards what follows
	queue   deadlines
	set     time.Duration // what the timer is set to, 0: nothing
	running bool          // a goroutine waits for the timer; it ends with the queue
}

type deadline struct {
	at time.Duration
	ch chan time.Time
}

// fine is nil where the system gives no timer.
var fine = sync.OnceValue(func() *timers {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil
	}
	return &timers{start: time.Now(), file: os.NewFile(uintptr(fd), "timer")}
})

func fineAfter(d time.Duration) <-chan time.Time {
	t := fine()
	if t == nil {
		return time.After(d)
	}
	ch := make(chan time.Time, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	heap.Push(&t.queue, deadline{time.Since(t.start) + d, ch})
	t.arm()
	if !t.running {
		t.running = true
		go t.run()
	}
	return ch
}

// arm sets the timer to the earliest deadline. mu is held.
func (t *timers) arm() {
	if len(t.queue) == 0 || t.set > 0 && t.set <= t.queue[0].at {
		return
	}
	t.set = t.queue[0].at
	wait := max(t.set-time.Since(t.start), 1) // 0 would switch it off
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(wait))}
	if raw, err := t.file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.TimerfdSettime(int(fd), 0, &spec, nil) })
	}
}

func (t *timers) run() {
	var fired [8]byte
	for more := true; more; {
		if _, err := t.file.Read(fired[:]); err != nil {
			return // never: it is not closed
		}
		more = t.fire()
	}
}

// fire ends the waits that are over, and tells whether there are others.
func (t *timers) fire() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set = 0
	now := time.Now()
	for len(t.queue) > 0 && t.queue[0].at <= now.Sub(t.start) {
		heap.Pop(&t.queue).(deadline).ch <- now
	}
	t.arm()
	t.running = len(t.queue) > 0
	return t.running
}

// deadlines is a heap.
type deadlines []deadline

func (q deadlines) Len() int           { return len(q) }
func (q deadlines) Less(i, j int) bool { return q[i].at < q[j].at }
func (q deadlines) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *deadlines) Push(x any)        { *q = append(*q, x.(deadline)) }
func (q *deadlines) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
