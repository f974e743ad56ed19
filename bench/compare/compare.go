package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/millrace/millrace/bench/stats"
	"github.com/millrace/millrace/examples/workloads"
)

// records of a run; large enough that start and ends weigh little.
var records = map[string]int{"w1": 500_000, "w2": 2_000_000, "w3": 500_000, "w4": 1_000_000, "w5": 1_000_000}

const otherRecords = 500_000 // events of Nexmark

// compare builds, measures, and prints a line a work.
func (s *settings) compare(ctx context.Context, out io.Writer) error {
	if s.lab == "" {
		dir, err := os.MkdirTemp("", "millrace-compare")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		s.lab = dir
	}
	lab, err := filepath.Abs(s.lab)
	if err != nil {
		return err
	}
	a, err := build(ctx, lab, "base", s.base)
	if err != nil {
		return err
	}
	b, err := build(ctx, lab, "head", s.head)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "A: %s\nB: %s\n", a.name, b.name)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "work\tA CPU-s/M\tB CPU-s/M\tB / A\tpairs\tverdict")
	var worse []string
	for _, work := range s.works {
		p, err := s.pair(ctx, work, a, b)
		if err != nil {
			return err
		}
		fmt.Fprintln(w, line(work, p, s.limit))
		if p.Worse(s.limit) {
			worse = append(worse, work)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(worse) > 0 {
		return fmt.Errorf("%w by more than %.0f%%: %s", errWorse, (s.limit-1)*100, strings.Join(worse, ", "))
	}
	return nil
}

// line is the row of a work.
func line(work string, p stats.Pairs, limit float64) string {
	var ratios []string
	for _, r := range p.Ratios {
		ratios = append(ratios, strconv.FormatFloat(r, 'f', 2, 64))
	}
	verdict := "no difference that counts"
	switch {
	case p.Worse(limit):
		verdict = "WORSE"
	case p.Low > 1:
		verdict = "dearer, within the limit"
	case p.High < 1:
		verdict = "cheaper"
	}
	return fmt.Sprintf("%s\t%.3f\t%.3f\t%.3f (%.2f to %.2f)\t%s\t%s", work, p.A, p.B, p.Ratio, p.Low, p.High, strings.Join(ratios, " "), verdict)
}

// pair runs a work in turns. The first run of each side loads the data and is not counted.
func (s *settings) pair(ctx context.Context, work string, a, b *side) (stats.Pairs, error) {
	var cpu [2][]float64
	for turn := range s.pairs + 1 {
		for i, x := range []*side{a, b} {
			v, err := s.measure(ctx, x, work)
			if err != nil {
				return stats.Pairs{}, fmt.Errorf("%s, %s: %w", x.name, work, err)
			}
			if turn > 0 {
				cpu[i] = append(cpu[i], v)
			}
		}
	}
	return stats.Paired(cpu[0], cpu[1]), nil
}

// measure is the CPU of one run, in seconds for a million events.
func (s *settings) measure(ctx context.Context, x *side, work string) (float64, error) {
	name, form, _ := strings.Cut(work, "/")
	n, ok := records[name]
	if !ok {
		n = otherRecords
	}
	n = max(1, int(float64(n)*s.scale))
	args := []string{"--work", name, "--source", s.source, "--brokers", s.brokers, "--lab", x.lab, "-n", strconv.Itoa(n)}
	if name == "w5" {
		args = append(args, "--profiles", strconv.Itoa(max(1, int(1_000_000*s.scale))))
	}
	if form != "" {
		args = append(args, "--form", form)
	}
	data := fmt.Sprint(s.place(x), workloads.Inputs(name), n)
	if x.loaded[data] {
		args = append(args, "--keep")
	}
	cmd := exec.CommandContext(ctx, x.binary, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, said.String())
	}
	var r struct {
		CPU     float64 `json:"cpu_s_per_million"`
		Correct bool    `json:"correct"`
		Why     string  `json:"why_not"`
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return 0, err
	}
	if !r.Correct {
		return 0, fmt.Errorf("the output is wrong: %s", r.Why)
	}
	clear(x.loaded) // a lab holds one size of a data set
	x.loaded[data] = true
	return r.CPU, nil
}

func (s *settings) place(x *side) string {
	if s.source == "kafka" {
		return s.brokers
	}
	return x.lab
}
