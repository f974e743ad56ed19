package driver

import (
	"math"
	"sync"
	"time"
)

// Stats are figures of a running job, for benchmarks, the status page and tests. Safe for concurrent use.
type Stats struct {
	mu     sync.Mutex // guards what follows
	figure Figures
	recent [recentBatches]BatchFigures
	count  int64
	cut, launch,
	commit, batch histogram
}

const recentBatches = 64

// Figures are sums and quantiles since the start.
type Figures struct {
	Batches   int64 `json:"batches"` // published and recorded
	Rows      int64 `json:"rows"`    // read from sources
	Bad       int64 `json:"bad"`     // could not be decoded
	Lost      int64 `json:"executors_lost"`
	Committed int64 `json:"committed"` // last batch that is published and recorded

	EventsDropped int64 `json:"events_dropped"` // listeners did not keep up with them

	FirstPlanned   int64 `json:"first_planned"` // µs since 1970
	FirstPublished int64 `json:"first_published"`
	LastPublished  int64 `json:"last_published"`

	CutMicros    float64 `json:"cut_us"`    // median time to choose ranges and make the plan record
	LaunchMicros float64 `json:"launch_us"` // median time from there until every executor has its message
	CommitMicros float64 `json:"commit_us"` // median time of a batch log append, fsync included

	BatchP50 time.Duration `json:"batch_p50"` // from plan to published
	BatchP99 time.Duration `json:"batch_p99"`
}

// BatchFigures are one batch's.
type BatchFigures struct {
	Batch  int64 `json:"batch"`
	Time   int64 `json:"time"` // batch time, µs since 1970
	Rows   int64 `json:"rows"`
	Bad    int64 `json:"bad"`
	Micros int64 `json:"micros"` // from plan to published
}

// Read returns the figures now.
func (s *Stats) Read() Figures {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.figure
	f.CutMicros, f.LaunchMicros, f.CommitMicros = s.cut.quantile(0.5), s.launch.quantile(0.5), s.commit.quantile(0.5)
	f.BatchP50 = time.Duration(s.batch.quantile(0.5) * 1000)
	f.BatchP99 = time.Duration(s.batch.quantile(0.99) * 1000)
	return f
}

// Recent are the last batches, oldest first; at most 64.
func (s *Stats) Recent() []BatchFigures {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []BatchFigures
	for i := max(0, s.count-recentBatches); i < s.count; i++ {
		out = append(out, s.recent[i%recentBatches])
	}
	return out
}

func (s *Stats) addBatch(now time.Time, r report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.figure.FirstPublished == 0 {
		s.figure.FirstPublished = now.UnixMicro()
	}
	s.figure.LastPublished = now.UnixMicro()
	s.figure.Batches++
	s.figure.Rows += r.rows
	s.figure.Bad += r.bad
	s.figure.Committed = r.batch
	s.batch.add(float64(r.micros))
	s.recent[s.count%recentBatches] = BatchFigures{r.batch, r.time, r.rows, r.bad, r.micros}
	s.count++
}

func (s *Stats) addLost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.figure.Lost++
}

func (s *Stats) addDropped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.figure.EventsDropped++
}

func (s *Stats) addCut(at time.Time, cut, launch time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.figure.FirstPlanned == 0 {
		s.figure.FirstPlanned = at.UnixMicro()
	}
	s.cut.add(float64(cut.Nanoseconds()) / 1000)
	s.launch.add(float64(launch.Nanoseconds()) / 1000)
}

func (s *Stats) addCommit(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commit.add(float64(d.Nanoseconds()) / 1000)
}

// histogram counts values in buckets 5% apart, from 0.1 up.
type histogram struct {
	counts [512]int64
	total  int64
}

func (h *histogram) add(v float64) {
	i := 0
	if v > 0.1 {
		i = min(int(math.Log(v/0.1)/math.Log(1.05))+1, len(h.counts)-1)
	}
	h.counts[i]++
	h.total++
}

// quantile is the value below which share q lies, 0 without values.
func (h *histogram) quantile(q float64) float64 {
	if h.total == 0 {
		return 0
	}
	want := int64(math.Ceil(q * float64(h.total)))
	for i, n := range h.counts {
		if want -= n; want <= 0 {
			return 0.1 * math.Pow(1.05, float64(i)-0.5)
		}
	}
	return 0
}
