package suite

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/report"
	"github.com/millrace/millrace/bench/run"
)

// Choose keeps the steps whose name or group is in only, or begins with one of its entries and a slash, or fits one as a pattern; all without entries.
func Choose(steps []Step, only []string) ([]Step, error) {
	if len(only) == 0 {
		return steps, nil
	}
	var out []Step
	used := make([]bool, len(only))
	for _, s := range steps {
		fits := false
		for i, o := range only {
			match, err := path.Match(o, s.ID)
			if err != nil {
				return nil, fmt.Errorf("--only %q: %w", o, err)
			}
			if match || s.ID == o || strings.HasPrefix(s.ID, o+"/") {
				fits, used[i] = true, true
			}
		}
		if fits {
			out = append(out, s)
		}
	}
	for i, ok := range used {
		if !ok {
			return nil, fmt.Errorf("--only %q: there is no such measurement; see --list", only[i])
		}
	}
	return out, nil
}

// Scale makes a step smaller or larger.
func Scale(s Step, by float64) Step {
	size := func(n int) int { return max(1, int(float64(n)*by)) }
	o := &s.Options
	o.Records, o.Profiles = size(o.Records), size(o.Profiles)
	if o.Work == "state" {
		o.Keys = size(o.Keys)
	}
	o.Seconds = max(1, o.Seconds*by)
	return s
}

// Run does the steps, adds what comes out to the file results, and says on w how it goes. Steps that need Kafka are left out where no broker answers. A step that fails,
// or whose output is wrong, does not keep the others from being done; the error at the end names them.
func Run(ctx context.Context, steps []Step, results string, w io.Writer) error {
	var failed []string
	kafka := true
	for _, s := range steps {
		if s.Options.Source == "kafka" && kafka && !reachable(s.Options.Brokers) {
			kafka = false
			fmt.Fprintf(w, "no broker at %s: what needs Kafka is left out; start one (make kafka-start) and name it with --brokers\n", s.Options.Brokers)
		}
	}
	if len(steps) > 0 {
		if err := os.MkdirAll(steps[0].Options.Lab, 0o755); err != nil {
			return err
		}
	}
	began := time.Now()
	for i, s := range steps {
		if s.Options.Source == "kafka" && !kafka {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		at := time.Now()
		fmt.Fprintf(w, "%3d/%d %-34s ", i+1, len(steps), s.ID)
		said, err := os.Create(filepath.Join(s.Options.Lab, "job.log"))
		if err != nil {
			return err
		}
		s.Options.Quiet = said
		r, err := run.Measure(ctx, s.Options)
		if err == nil {
			err = said.Close()
		}
		if err == nil && !r.Correct {
			err = fmt.Errorf("the output is wrong: %s", r.Why)
		}
		if r != nil {
			fmt.Fprintf(w, "%s  ", figure(s, r))
			if err := report.Append(results, report.Record{ID: s.ID, At: time.Now().UTC().Truncate(time.Second), Result: *r}); err != nil {
				return err
			}
		}
		fmt.Fprintf(w, "(%.0f s)\n", time.Since(at).Seconds())
		if err != nil {
			fmt.Fprintf(w, "        %v; the job's words are in %s\n", err, said.Name())
			failed = append(failed, s.ID)
		}
	}
	fmt.Fprintf(w, "%d measurements in %s\n", len(steps), time.Since(began).Round(time.Second))
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d measurements failed: %s", len(failed), len(steps), strings.Join(failed, ", "))
	}
	return nil
}

// figure is what counts of a result.
func figure(s Step, r *run.Result) string {
	switch {
	case r.LatencyP50 > 0:
		return fmt.Sprintf("p50 %.1f, p99 %.1f ms", r.LatencyP50, r.LatencyP99)
	case s.Options.Work == "idle":
		return fmt.Sprintf("%.3f cores", r.Cores)
	case s.Options.Work == "start":
		return fmt.Sprintf("%.3f s", r.Startup)
	case s.Options.Work == "empty", s.Options.Work == "state":
		return fmt.Sprintf("batch p50 %.2f ms", r.BatchP50)
	}
	return fmt.Sprintf("%.3f CPU-s/M", r.CPU)
}

func reachable(brokers string) bool {
	first, _, _ := strings.Cut(brokers, ",")
	c, err := net.DialTimeout("tcp", first, time.Second)
	if err != nil {
		return false
	}
	return c.Close() == nil
}
