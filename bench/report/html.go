package report

import (
	"fmt"
	"html"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/run"
	"github.com/millrace/millrace/bench/stage"
)

const pageHead = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>millrace, measured</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1100px; padding: 0 1em; color: #222; background: #fff; }
h2 { margin-top: 2em; } svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: #333; }
.grid { stroke: #ddd; stroke-width: 1; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; } th, td { border: 1px solid #ddd; padding: 3px 8px; text-align: left; } th { background: #f4f4f4; }
</style></head><body>
<h1>millrace, measured</h1>
<p>Made by <code>bench report</code> from its results. CPU is user and system of all of the job's processes, start included, in seconds for a million events. Every
output was checked in the run that was timed; where one was wrong the table says so. Workloads: bench/WORKLOADS.md.</p>
`

// HTML is the page with all plots and tables.
func (s *Set) HTML() string {
	var b strings.Builder
	b.WriteString(pageHead)
	section := func(title, text, plot, name string) {
		fmt.Fprintf(&b, "<h2>%s</h2>\n<p>%s</p>\n%s", title, text, plot)
		if t := sections[name]; t != nil {
			table := t(s)
			b.WriteString(table.html())
		}
	}
	section("Where", "What the figures were measured on.", "", "where")
	section("CPU beside peers", "W1, W4 and W5 from Kafka to Kafka in the steady state. The peers' rows say when and where they were measured; compare those of one machine.", s.peerPlot(), "peers")
	section("Drain", "Everything was loaded first; the job catches up.", "", "drain")
	section("Nexmark", "Queries as Frames, events in the proportions 1 : 3 : 46.", "", "nexmark")
	section("Throughput against latency", "W4 from log to log at a fixed rate, interval 5 ms: from when an event was due until the row that counts it can be read.", s.ratePlot(), "paced")
	section("Latency by interval", "W4 from log to log at 50,000 events/s.", s.intervalPlot(), "")
	section("Constant costs", "What batches, waiting and starting cost.", "", "constant")
	section("CPU by stage", "Estimated from a CPU profile of the job's process, 100 samples a second: a sample belongs to the innermost function on its stack that has a stage.", s.stagePlot(), "stages")
	section("Scaling", "W4 from the log in one process and in several, on the same cores.", s.scalingPlot(), "scaling")
	section("Growth with state", "Batches that touch 1,000 of so many keys.", s.statePlot(), "state")
	b.WriteString("</body></html>\n")
	return b.String()
}

func (t *table) html() string {
	if len(t.rows) == 0 {
		return "<p>Not measured yet.</p>\n"
	}
	var b strings.Builder
	b.WriteString("<div class=\"wide\"><table><tr>")
	for _, c := range t.head {
		fmt.Fprintf(&b, "<th>%s</th>", inline(c))
	}
	b.WriteString("</tr>\n")
	for _, r := range t.rows {
		b.WriteString("<tr>")
		for _, c := range r {
			fmt.Fprintf(&b, "<td>%s</td>", inline(c))
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</table></div>\n")
	return b.String()
}

// inline turns the Markdown that cells have, bold and code, into HTML.
func inline(cell string) string {
	out := html.EscapeString(cell)
	for _, m := range []struct{ mark, tag string }{{"**", "b"}, {"`", "code"}} {
		for strings.Count(out, m.mark) >= 2 {
			out = strings.Replace(strings.Replace(out, m.mark, "<"+m.tag+">", 1), m.mark, "</"+m.tag+">", 1)
		}
	}
	return out
}

// latencies are the percentiles of paced runs of W4 from log to log, over x.
func (s *Set) latencies(fits func(run.Result) bool, x func(run.Result) float64, percentiles ...string) []series {
	value := map[string]func(run.Result) float64{
		"p50": func(r run.Result) float64 { return r.LatencyP50 }, "p90": func(r run.Result) float64 { return r.LatencyP90 }, "p99": func(r run.Result) float64 { return r.LatencyP99 },
	}
	var list []series
	for _, p := range percentiles {
		l := series{name: p}
		for _, r := range s.under("paced/w4/log/") {
			if fits(r.Result) {
				l.x, l.y = append(l.x, x(r.Result)), append(l.y, value[p](r.Result))
			}
		}
		list = append(list, l)
	}
	return list
}

func millis(interval string) float64 {
	d, err := time.ParseDuration(interval)
	if err != nil {
		return 0
	}
	return float64(d) / float64(time.Millisecond)
}

func (s *Set) ratePlot() string {
	return lineChart("events a second", "ms", true, true, s.latencies(func(r run.Result) bool { return r.Interval == "5ms" }, func(r run.Result) float64 { return r.Rate }, "p50", "p99"))
}

func (s *Set) intervalPlot() string {
	list := s.latencies(func(r run.Result) bool { return r.Rate == 50_000 }, func(r run.Result) float64 { return millis(r.Interval) }, "p50", "p90", "p99")
	return lineChart("batch interval, ms", "ms", true, true, list)
}

func (s *Set) stagePlot() string {
	var bars []bar
	for _, r := range s.under("stages/") {
		x := bar{name: strings.ToUpper(r.Result.Work) + " " + r.Result.Form + ", " + r.Result.Source}
		for _, name := range stage.All {
			x.parts = append(x.parts, r.Result.Stages[name]*r.Result.CPU)
		}
		bars = append(bars, x)
	}
	return barChart("CPU-seconds for a million events", stage.All, bars)
}

func (s *Set) scalingPlot() string {
	var bars []bar
	for _, r := range s.under("scaling/") {
		bars = append(bars, bar{name: r.Result.Master, parts: []float64{r.Result.CPU}})
	}
	return barChart("CPU-seconds for a million events", []string{""}, bars)
}

func (s *Set) statePlot() string {
	p50, p99 := series{name: "p50"}, series{name: "p99"}
	for _, r := range s.under("state/") {
		p50.x, p50.y = append(p50.x, float64(r.Result.Keys)), append(p50.y, r.Result.BatchP50)
		p99.x, p99.y = append(p99.x, float64(r.Result.Keys)), append(p99.y, r.Result.BatchP99)
	}
	return lineChart("keys in the state", "batch, ms", true, false, []series{p50, p99})
}

func (s *Set) peerPlot() string {
	var bars []bar
	for i, work := range []string{"w1", "w4", "w5"} {
		name := strings.ToUpper(work)
		if r, ok := s.ours(work); ok {
			v := r.Result.Steady
			if v == 0 {
				v = r.Result.CPU
			}
			bars = append(bars, bar{name: name + " millrace", parts: []float64{v}, color: i})
		}
		for _, p := range s.Peers {
			if p.Work == work && max(p.CPU, p.Whole) > 0 {
				v := p.CPU
				if v == 0 {
					v = p.Whole
				}
				bars = append(bars, bar{name: name + " " + p.Engine, parts: []float64{v}, color: i})
			}
		}
	}
	return barChart("CPU-seconds for a million events", []string{""}, bars)
}
