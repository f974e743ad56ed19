package executor

import (
	"sync"

	"github.com/millrace/millrace/rdd"
)

// TaskRun names one task of one batch.
type TaskRun struct {
	Task  rdd.TaskID
	Batch int64
}

// Stats counts what an executor did. The zero value is ready; a nil *Stats counts nothing. It grows with every task: it is for tests.
type Stats struct {
	mu       sync.Mutex // guards what follows
	runs     map[TaskRun]int
	restored map[int]int
	reread   int
	resent   int
	prefetch int64
	staged   map[TaskRun]int
}

// Runs is how often each task began, by task and batch.
func (s *Stats) Runs() map[TaskRun]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copyMap(s.runs)
}

// Staged is how often each lane staged a batch; Task.Node is the sink.
func (s *Stats) Staged() map[TaskRun]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copyMap(s.staged)
}

// Restored is how often each reduce partition was restored from files.
func (s *Stats) Restored() map[int]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copyMap(s.restored)
}

// Reread is how often a range was read again because it was not held.
func (s *Stats) Reread() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reread
}

// Resent is how many tasks' kept blocks were sent again to a new owner or over a new connection.
func (s *Stats) Resent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resent
}

// Prefetched is the most source data that was held at once, in bytes.
func (s *Stats) Prefetched() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.prefetch
}

func copyMap[K comparable](m map[K]int) map[K]int {
	c := make(map[K]int, len(m))
	for k, n := range m {
		c[k] = n
	}
	return c
}

// count changes the counters under the lock.
func (s *Stats) count(f func(s *Stats)) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *Stats) ran(id rdd.TaskID, batch int64) {
	s.count(func(s *Stats) {
		if s.runs == nil {
			s.runs = map[TaskRun]int{}
		}
		s.runs[TaskRun{id, batch}]++
	})
}

func (s *Stats) stagedLane(id rdd.TaskID, batch int64) {
	s.count(func(s *Stats) {
		if s.staged == nil {
			s.staged = map[TaskRun]int{}
		}
		s.staged[TaskRun{id, batch}]++
	})
}

func (s *Stats) restoredPart(p int) {
	s.count(func(s *Stats) {
		if s.restored == nil {
			s.restored = map[int]int{}
		}
		s.restored[p]++
	})
}
