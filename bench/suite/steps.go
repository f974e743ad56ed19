// Package suite is the list of all measurements that bench/RESULTS.md shows, and does them one after another.
package suite

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/bench/run"
)

// Step is a measurement. The first part of its name is its group.
type Step struct {
	ID      string
	Options run.Options
}

// Group is the first part of the name.
func (s Step) Group() string {
	group, _, _ := strings.Cut(s.ID, "/")
	return group
}

// Sizes of the drains, in records; Nexmark's in events.
var records = map[string]int{"w1": 1_000_000, "w2": 2_000_000, "w3": 1_000_000, "w4": 2_000_000, "w5": 3_000_000, "q": 1_000_000}

// list makes steps from a base of common options.
type list struct {
	base  run.Options
	steps []Step
}

func (l *list) add(id string, change func(o *run.Options)) {
	o := l.base
	change(&o)
	l.steps = append(l.steps, Step{id, o})
}

// Steps are all measurements in order: those that read the same data follow one another, as it is loaded once. base says where data is.
func Steps(base run.Options) []Step {
	l := &list{base: base}
	for _, source := range []string{"log", "kafka"} {
		l.drains(source)
		l.queries(source)
	}
	l.stages()
	l.scaling()
	l.constant()
	l.paced()
	l.state()
	return l.steps
}

func (l *list) drains(source string) {
	for _, work := range []string{"w1", "w2", "w3", "w4", "w5"} {
		for _, form := range []string{"frame", "closures"} {
			if source == "kafka" && form == "closures" && work != "w1" && work != "w4" {
				continue // the log shows the difference of the forms
			}
			l.add("drain/"+work+"/"+form+"/"+source, func(o *run.Options) {
				o.Work, o.Form, o.Source, o.Records = work, form, source, records[work]
			})
		}
	}
}

func (l *list) queries(source string) {
	for q := range 9 {
		work := fmt.Sprint("q", q)
		l.add("drain/"+work+"/"+source, func(o *run.Options) { o.Work, o.Source, o.Records = work, source, records["q"] })
	}
}

func (l *list) stages() {
	for _, s := range []struct{ work, form, source string }{
		{"w1", "frame", "log"}, {"w4", "closures", "log"}, {"w4", "frame", "log"}, {"w4", "frame", "kafka"}, {"w1", "frame", "kafka"}, {"w5", "frame", "kafka"},
	} {
		l.add("stages/"+s.work+"/"+s.form+"/"+s.source, func(o *run.Options) {
			o.Work, o.Form, o.Source, o.Stages, o.Records = s.work, s.form, s.source, true, records[s.work]
		})
	}
}

func (l *list) scaling() {
	for i, master := range []string{"local[2]", "local[1]", "local[4]", "procs[1,1]", "procs[2,1]", "procs[4,1]"} {
		l.add(fmt.Sprintf("scaling/%d/%s", i, master), func(o *run.Options) {
			o.Work, o.Form, o.Master, o.Records = "w4", "frame", master, 4*records["w4"] // more than processes take to start
		})
	}
}

func (l *list) constant() {
	for _, master := range []string{"local[2]", "procs[2,1]", "procs[4,1]"} {
		l.add("constant/empty/"+master, func(o *run.Options) { o.Work, o.Master, o.Interval, o.Seconds = "empty", master, "5ms", 5 })
	}
	l.add("constant/idle/local[2]", func(o *run.Options) { o.Work, o.Master, o.Seconds = "idle", "local[2]", 10 })
	l.add("constant/start/w4", func(o *run.Options) { o.Work, o.Form = "start", "frame" })
}

func (l *list) paced() {
	add := func(work, source string, rate float64, interval string, seconds float64) {
		l.add(fmt.Sprintf("paced/%s/%s/%.0f/%s", work, source, rate, interval), func(o *run.Options) {
			o.Work, o.Form, o.Source, o.Rate, o.Interval, o.Seconds, o.Profiles = work, "frame", source, rate, interval, seconds, 100_000
		})
	}
	for _, rate := range []float64{10_000, 25_000, 50_000, 100_000, 200_000} {
		add("w4", "log", rate, "5ms", 8)
	}
	for _, interval := range []string{"1ms", "10ms", "20ms", "50ms", "100ms"} {
		add("w4", "log", 50_000, interval, 8)
	}
	add("w4", "kafka", 10_000, "5ms", 8)
	add("w4", "kafka", 50_000, "5ms", 8)
	for _, work := range []string{"w1", "w2", "w5", "q0", "q1", "q3"} {
		add(work, "log", 10_000, "10ms", 6)
	}
	add("w3", "log", 10_000, "1s", 10)
	for _, work := range []string{"q5", "q7", "q8"} { // the first window closes after 14 s
		add(work, "log", 10_000, "10ms", 26)
	}
}

func (l *list) state() {
	for _, keys := range []int{1_000, 10_000, 100_000, 1_000_000, 10_000_000} {
		l.add(fmt.Sprint("state/", keys), func(o *run.Options) { o.Work, o.Keys, o.Rate, o.Seconds = "state", keys, 10_000, 6 })
	}
}
