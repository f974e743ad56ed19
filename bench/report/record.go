// Package report keeps results in a file of JSON lines and shows them: as tables between markers of a Markdown file, and as one HTML page with plots that
// needs nothing but itself. The newest line of each measurement counts.
package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/machine"
	"github.com/millrace/millrace/bench/run"
)

// Record is a line of the file.
type Record struct {
	ID     string     `json:"id"` // what was measured: the group, then the work and what else sets it apart, between slashes
	At     time.Time  `json:"at"`
	Result run.Result `json:"result"`
}

// Peer is what another engine needs for a workload of ours.
type Peer struct {
	Engine   string  `json:"engine"`
	Work     string  `json:"work"` // w1, w4, w5, or floor
	Settings string  `json:"settings"`
	CPU      float64 `json:"cpu_s_per_million"` // steady state
	Whole    float64 `json:"whole_cpu_s_per_million,omitempty"`
	EventsS  float64 `json:"events_per_s,omitempty"`
	PeakMB   float64 `json:"peak_mb,omitempty"`
	Start    string  `json:"start_s,omitempty"`
	Machine  string  `json:"machine"`
	Measured string  `json:"measured"` // when
}

// Set is everything that is shown: the newest result of each measurement.
type Set struct {
	Records map[string]Record
	Peers   []Peer
}

// Load reads the results, and the peers' figures; a file that is not there is empty.
func Load(results, peers string) (*Set, error) {
	s := &Set{Records: map[string]Record{}}
	err := errors.Join(lines(results, func(line []byte) error {
		var r Record
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		if old, ok := s.Records[r.ID]; !ok || !r.At.Before(old.At) {
			s.Records[r.ID] = r
		}
		return nil
	}), lines(peers, func(line []byte) error {
		var p Peer
		err := json.Unmarshal(line, &p)
		s.Peers = append(s.Peers, p)
		return err
	}))
	return s, err
}

func lines(path string, each func(line []byte) error) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	in := bufio.NewScanner(bytes.NewReader(data))
	in.Buffer(nil, 1<<20)
	for n := 1; in.Scan(); n++ {
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		if err := each(in.Bytes()); err != nil {
			return fmt.Errorf("%s line %d: %w", path, n, err)
		}
	}
	return in.Err()
}

// Append adds a result to the file.
func Append(path string, r Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	return errors.Join(err, f.Close())
}

// under are the results whose names begin with prefix, in the order of their names' parts: numbers by value.
func (s *Set) under(prefix string) []Record {
	var list []Record
	for id, r := range s.Records {
		if strings.HasPrefix(id, prefix) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b Record) int { return strings.Compare(sortable(a.ID), sortable(b.ID)) })
	return list
}

// sortable pads the numbers of a name, so that names sort by them.
func sortable(id string) string {
	var b strings.Builder
	for i := 0; i < len(id); {
		j := i
		for j < len(id) && id[j] >= '0' && id[j] <= '9' {
			j++
		}
		if j > i {
			fmt.Fprintf(&b, "%012s", id[i:j])
			i = j
			continue
		}
		b.WriteByte(id[i])
		i++
	}
	return b.String()
}

// LowestFloor is the lowest floor among the results of a machine, 0 if there is none.
func (s *Set) LowestFloor(m machine.Info) float64 {
	low := 0.0
	for _, r := range s.Records {
		if f := r.Result.Floor; f > 0 && r.Result.Machine.Same(m) && (low == 0 || f < low) {
			low = f
		}
	}
	return low
}
