package flights

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"
	"time"
)

// screen shows the newest row of every carrier: redrawn in place on a terminal, a plain line now and then elsewhere.
type screen struct {
	out      io.Writer
	terminal bool

	mu      sync.Mutex // guards what follows
	rows    map[string]Row
	batch   int64
	latency time.Duration
	total   int64   // departures so far
	rate    float64 // departures a second, lately
	mark    time.Time
	marked  int64 // total at mark
	drawn   time.Time
	lines   int // height of what was drawn last
}

// update takes a batch's changed rows in and draws, at most ten times a second (a line each two seconds where it is no terminal).
func (s *screen) update(batch int64, latency time.Duration, rows []Row, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rows {
		s.total += r.Departures - s.rows[r.Carrier].Departures
		s.rows[r.Carrier] = r
	}
	s.batch, s.latency = batch, latency
	if d := now.Sub(s.mark); d >= time.Second {
		s.rate = float64(s.total-s.marked) / d.Seconds()
		s.mark, s.marked = now, s.total
	}
	every := 2 * time.Second
	if s.terminal {
		every = 100 * time.Millisecond
	}
	if now.Sub(s.drawn) < every {
		return
	}
	s.drawn = now
	if s.terminal {
		s.draw()
	} else {
		fmt.Fprintln(s.out, s.headline())
	}
}

// counted is how many departures the rows add up to.
func (s *screen) counted() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

func (s *screen) headline() string {
	return fmt.Sprintf("batch %d   %d departures   %.0f rows/s   batch latency %.1f ms", s.batch, s.total, s.rate, float64(s.latency.Microseconds())/1000)
}

// draw repaints the table over what was drawn before.
func (s *screen) draw() {
	var b strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.lines)
	}
	text := s.headline() + "\n" + s.table()
	for line := range strings.Lines(text) {
		b.WriteString("\x1b[2K" + line)
	}
	s.lines = strings.Count(text, "\n")
	fmt.Fprint(s.out, b.String())
}

// table is the result, the busiest carrier first.
func (s *screen) table() string {
	rows := make([]Row, 0, len(s.rows))
	for _, r := range s.rows {
		rows = append(rows, r)
	}
	sort.Slice(rows, func(i, j int) bool {
		if rows[i].Departures != rows[j].Departures {
			return rows[i].Departures > rows[j].Departures
		}
		return rows[i].Carrier < rows[j].Carrier
	})
	var b strings.Builder
	fmt.Fprintf(&b, "%-8s %-28s %12s %12s %10s\n", "carrier", "name", "departures", "mean delay", "late")
	for _, r := range rows {
		fmt.Fprintf(&b, "%-8s %-28s %12d %8.1f min %9.1f%%\n", r.Carrier, r.Name, r.Departures, r.MeanDelay, 100*r.LateShare)
	}
	return b.String()
}
