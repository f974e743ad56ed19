package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/bench/floor"
	"github.com/millrace/millrace/bench/stage"
)

// table is a Markdown table; the HTML page shows the same.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) markdown() string {
	if len(t.rows) == 0 {
		return "Not measured yet.\n"
	}
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.head)
	b.WriteString(strings.Repeat("|---", len(t.head)) + "|\n")
	for _, r := range t.rows {
		line(r)
	}
	return b.String()
}

// sections are the tables, by the names in the markers.
var sections = map[string]func(*Set) table{
	"where": where, "drain": drains, "nexmark": nexmark, "constant": constant, "paced": paced, "stages": stages, "scaling": scaling, "state": state, "peers": peers,
}

// Sections are the names of the tables.
func Sections() []string { return slices.Sorted(maps.Keys(sections)) }

// targets are the aims of decision 0032, by the measurement's name.
var targets = map[string]string{
	"drain/w4/frame/log": "≤ 0.25", "drain/w4/closures/log": "≤ 0.25", "drain/w4/frame/kafka": "≤ 0.55", "drain/w4/closures/kafka": "≤ 0.55",
	"drain/w1/frame/kafka": "≤ 1.5", "drain/w1/closures/kafka": "≤ 1.5", "drain/w5/frame/kafka": "≤ 1.5", "drain/w5/closures/kafka": "≤ 1.5",
	"constant/empty/local[2]": "batch p50 ≤ 0.5 ms", "constant/empty/procs[4,1]": "batch p50 ≤ 1 ms", "constant/idle/local[2]": "≤ 0.02 cores", "constant/start/w4": "≤ 0.3 s",
	"paced/w4/log/50000/5ms": "p50 ≤ 6, p99 ≤ 12", "paced/w4/kafka/10000/5ms": "p50 ≤ 12, p99 ≤ 24", "paced/w4/kafka/50000/5ms": "p50 ≤ 12, p99 ≤ 24",
}

// num has about three digits.
func num(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 100:
		return group(int64(v + 0.5))
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 0.095:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// group writes thousands apart.
func group(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%s,%03d", group(n/1000), n%1000)
}

func percent(v float64) string { return num(v*100) + "%" }

// strong is the figure that counts of a row: bold, and marked where the output was wrong.
func strong(r Record, v string) string {
	if !r.Result.Correct {
		return "**" + v + "** (wrong: " + r.Result.Why + ")"
	}
	return "**" + v + "**"
}

func where(s *Set) table {
	t := table{head: []string{"machine", "commit", "measured", "measurements", "state"}}
	type place struct{ machine, commit string }
	type span struct {
		from, to string
		n        int
		floors   []float64
		lowest   float64
	}
	spans := map[place]*span{}
	for _, r := range s.under("") {
		p := place{strings.TrimSpace(r.Result.Machine.Name()+", Linux "+r.Result.Machine.Kernel) + ", " + r.Result.Machine.Go, r.Result.Version}
		day := r.At.UTC().Format("2006-01-02 15:04")
		sp := spans[p]
		if sp == nil {
			sp = &span{from: day, to: day, lowest: s.LowestFloor(r.Result.Machine)}
			spans[p] = sp
		}
		sp.from, sp.to, sp.n = min(sp.from, day), max(sp.to, day), sp.n+1
		if r.Result.Floor > 0 {
			sp.floors = append(sp.floors, r.Result.Floor)
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(spans), func(a, b place) int { return strings.Compare(spans[b].to+b.commit, spans[a].to+a.commit) }) {
		sp, state := spans[p], "no floor measured"
		if len(sp.floors) > 0 {
			state = floor.State(slices.Min(sp.floors), sp.lowest)
			if worst := slices.Max(sp.floors); worst > slices.Min(sp.floors) {
				state += "; at worst " + floor.State(worst, sp.lowest)
			}
		}
		t.add(p.machine, p.commit, sp.from+" to "+sp.to, strconv.Itoa(sp.n), state)
	}
	return t
}

func drains(s *Set) table {
	t := table{head: []string{"work", "form", "from and to", "records", "target CPU-s / M", "CPU-s / M", "steady", "user + system s", "events/s", "peak MB", "first output s", "batch p50 / p99 ms", "allocs / event", "GC", "beside"}}
	for _, r := range s.under("drain/w") {
		x, beside := r.Result, ""
		if x.Floor > 0 {
			beside = "floor " + floor.State(x.Floor, s.LowestFloor(x.Machine))
		}
		if x.GrepCPU > 0 {
			beside = fmt.Sprintf("`grep -cF`: %s CPU-s / M", num(x.GrepCPU))
		}
		used, allocs, gc := "–", "–", "–"
		if x.CPUUser+x.CPUSystem > 0 {
			used = num(x.CPUUser) + " + " + num(x.CPUSystem)
		}
		if x.Steady > 0 {
			allocs, gc = num(x.Allocs), percent(x.GCShare)
		}
		t.add(strings.ToUpper(x.Work), x.Form, x.Source, group(int64(x.Records)), targets[r.ID], strong(r, num(x.CPU)), blank(x.Steady), used,
			num(x.EventsPerS), num(x.PeakMB), num(x.Startup), num(x.BatchP50)+" / "+num(x.BatchP99), allocs, gc, beside)
	}
	return t
}

func nexmark(s *Set) table {
	t := table{head: []string{"query", "events", "log: CPU-s / M", "events/s", "peak MB", "Kafka: CPU-s / M", "events/s", "peak MB"}}
	of := map[string][2]Record{}
	for i, source := range []string{"log", "kafka"} {
		for _, r := range s.under("drain/q") {
			if r.Result.Source == source {
				pair := of[r.Result.Work]
				pair[i] = r
				of[r.Result.Work] = pair
			}
		}
	}
	for _, q := range slices.Sorted(maps.Keys(of)) {
		row := []string{q, group(int64(max(of[q][0].Result.Records, of[q][1].Result.Records)))}
		for _, r := range of[q] {
			if r.ID == "" {
				row = append(row, "–", "–", "–")
				continue
			}
			row = append(row, strong(r, num(r.Result.CPU)), num(r.Result.EventsPerS), num(r.Result.PeakMB))
		}
		t.add(row...)
	}
	return t
}

func constant(s *Set) table {
	t := table{head: []string{"what", "target", "measured", "batch p99 ms", "cut µs", "launch µs", "commit µs (with fsync)", "cores busy"}}
	for _, r := range s.under("constant/") {
		x := r.Result
		what, v := "", ""
		switch x.Work {
		case "empty":
			what, v = "empty batch, `"+x.Master+"`, a batch every "+x.Interval, num(x.BatchP50)+" ms p50"
		case "idle":
			what, v = "no input, `"+x.Master+"`, interval "+x.Interval, strconv.FormatFloat(x.Cores, 'f', 3, 64)+" cores"
		case "start":
			what, v = "start of the process to first output, W4, median of "+strconv.Itoa(len(x.StartAll)), num(x.Startup)+" s"
		}
		t.add(what, targets[r.ID], strong(r, v), num(x.BatchP99), num(x.Cut), num(x.Launch), num(x.Commit), num(x.Cores))
	}
	return t
}

func paced(s *Set) table {
	t := table{head: []string{"work", "from and to", "events/s", "interval", "target ms", "p50 ms", "p90 ms", "p99 ms", "max ms", "batch p50 ms", "cores busy"}}
	for _, r := range s.under("paced/") {
		x := r.Result
		t.add(strings.ToUpper(x.Work), x.Source, num(x.Rate), x.Interval, targets[r.ID], strong(r, blank(x.LatencyP50)), blank(x.LatencyP90), blank(x.LatencyP99), blank(x.LatencyMax), blank(x.BatchP50), num(x.Cores))
	}
	return t
}

func stages(s *Set) table {
	t := table{head: append([]string{"work", "form", "from and to", "CPU-s / M"}, stage.All...)}
	for _, r := range s.under("stages/") {
		x := r.Result
		row := []string{strings.ToUpper(x.Work), x.Form, x.Source, strong(r, num(x.CPU))}
		for _, name := range stage.All {
			row = append(row, percent(x.Stages[name]))
		}
		t.add(row...)
	}
	return t
}

func scaling(s *Set) table {
	t := table{head: []string{"master", "CPU-s / M", "against the first", "events/s", "peak MB of the largest process", "first output s"}}
	first := 0.0
	for _, r := range s.under("scaling/") {
		if first == 0 {
			first = r.Result.CPU
		}
		t.add("`"+r.Result.Master+"`", strong(r, num(r.Result.CPU)), num(r.Result.CPU/first), num(r.Result.EventsPerS), num(r.Result.PeakMB), num(r.Result.Startup))
	}
	return t
}

func state(s *Set) table {
	t := table{head: []string{"keys", "batch p50 ms", "against 10,000 keys", "batch p99 ms", "CPU-s / M touched", "peak MB"}}
	base := s.Records["state/10000"].Result.BatchP50
	for _, r := range s.under("state/") {
		ratio := "–"
		if base > 0 {
			ratio = num(r.Result.BatchP50 / base)
		}
		t.add(group(int64(r.Result.Keys)), strong(r, num(r.Result.BatchP50)), ratio, num(r.Result.BatchP99), num(r.Result.CPU), num(r.Result.PeakMB))
	}
	return t
}

// ours are the drains that stand beside the peers', as they read and write Kafka.
func (s *Set) ours(work string) (r Record, ok bool) {
	for _, form := range []string{"frame", "closures"} {
		if x, there := s.Records["drain/"+work+"/"+form+"/kafka"]; there && (!ok || x.Result.CPU < r.Result.CPU) {
			r, ok = x, true
		}
	}
	return r, ok
}

func peers(s *Set) table {
	t := table{head: []string{"work", "engine", "settings", "CPU-s / M steady (whole)", "events/s", "peak MB", "first output s", "measured"}}
	for _, work := range []string{"w1", "w4", "w5", "floor"} {
		if r, ok := s.ours(work); ok {
			x := r.Result
			t.add(strings.ToUpper(work), "**millrace**", x.Form+", exactly once, checkpoint each batch", strong(r, blank(x.Steady))+" ("+num(x.CPU)+")", num(x.EventsPerS), num(x.PeakMB), num(x.Startup), r.At.UTC().Format("2006-01-02")+", "+x.Machine.Name())
		}
		for _, p := range s.Peers {
			if p.Work != work {
				continue
			}
			cpu := "–"
			if p.CPU > 0 {
				cpu = num(p.CPU)
			}
			if p.Whole > 0 {
				cpu += " (" + num(p.Whole) + ")"
			}
			t.add(strings.ToUpper(work), p.Engine, p.Settings, cpu, blank(p.EventsS), blank(p.PeakMB), p.Start, p.Measured+", "+p.Machine)
		}
	}
	return t
}

func blank(v float64) string {
	if v == 0 {
		return "–"
	}
	return num(v)
}
