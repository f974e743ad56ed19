package driver

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/goldentest"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// TestScripts runs the machine through testdata/*.txt: events, a line of dashes, the actions that they must cause.
func TestScripts(t *testing.T) {
	goldentest.Scripts(t, func(t *testing.T) func(string) string {
		s := &script{t: t}
		return func(events string) string {
			var out strings.Builder
			for line := range strings.Lines(events) {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
					for _, a := range s.run(line) {
						out.WriteString(a + "\n")
					}
				}
			}
			return out.String()
		}
	})
}

// script is a machine under test and the clock of its events.
type script struct {
	t   *testing.T
	m   *machine
	now int64
}

// options splits "a=1 b=2 words" into a map and the words.
func options(fields []string) (map[string]string, []string) {
	o := map[string]string{}
	var words []string
	for _, f := range fields {
		if k, v, ok := strings.Cut(f, "="); ok {
			o[k] = v
		} else {
			words = append(words, f)
		}
	}
	return o, words
}

func num(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil && s != "" {
		panic(err)
	}
	return n
}

func (s *script) run(line string) []string {
	fields := strings.Fields(line)
	o, w := options(fields[1:])
	if at, ok := o["at"]; ok { // milliseconds
		f, err := strconv.ParseFloat(at, 64)
		if err != nil {
			s.t.Fatal(err)
		}
		s.now = int64(f * 1000)
	}
	switch fields[0] {
	case "new":
		if o["at"] == "" {
			s.now = 0
		}
		s.m = newMachine(scriptSetup(o))
		return printActions(s.m.start(s.now))
	case "state":
		return s.state()
	}
	return printActions(s.m.step(s.now, s.event(fields[0], o, w, line)))
}

func (s *script) event(name string, o map[string]string, w []string, line string) event {
	gen := s.m.generation
	if g, ok := o["gen"]; ok {
		gen = num(g)
	}
	batch := func() int64 { return num(w[1]) }
	task := func(i int) rdd.TaskID {
		a, b, _ := strings.Cut(w[i], "/")
		return rdd.TaskID{Node: int(num(a)), Part: int(num(b))}
	}
	switch name {
	case "tick":
		return tick{}
	case "drain":
		return drain{}
	case "joined":
		return joined{name: w[0], slots: max(1, int(num(o["slots"]))), addr: "at-" + w[0], hosts: o["hosts"] != "no", local: o["local"] == "yes", far: o["far"] == "yes"}
	case "lost":
		return lost{w[0], strings.Join(w[1:], " ")}
	case "discover":
		d := discovered{source: w[0]}
		for _, p := range w[1:] { // key:start..end or key:start..end!
			key, span, _ := strings.Cut(p, ":")
			from, to, _ := strings.Cut(strings.TrimSuffix(span, "!"), "..")
			d.parts = append(d.parts, source.Partition{Key: key, Start: num(from), End: num(to), Complete: strings.HasSuffix(span, "!")})
		}
		return d
	case "durable":
		return appended{plan: num(o["plan"]), commits: num(o["commits"]), err: strings.Join(w, " ")}
	case "pruned":
		return pruned{}
	case "replayed":
		return replayed{until: num(w[0]), deltas: []checkpoint.DeltaRef{{File: "again", Batch: num(w[0])}}}
	case "assigned":
		a := &executor.Assigned{Generation: gen, NextDue: num(o["due"]) * 1000, Err: strings.Join(w[1:], " ")}
		for k, v := range o {
			if sk, lane, ok := strings.Cut(k, "/"); ok {
				a.Markers = append(a.Markers, s.marker(sk, lane, v))
			}
		}
		slices.SortFunc(a.Markers, func(x, y executor.LaneMarker) int { return x.Lane - y.Lane })
		return message{w[0], a}
	case "held":
		return message{w[0], s.held(w[1:], o)}
	case "staged":
		st := &executor.Staged{Batch: batch(), Generation: gen, NextDue: num(o["due"]) * 1000, EventDue: num(o["eventdue"])}
		if o["delta"] != "" {
			st.Delta = &checkpoint.DeltaRef{File: o["delta"], Batch: st.Batch, Since: st.Batch - 1}
		}
		st.Still, st.Quiet, st.Waits = o["still"] == "yes", o["quiet"] == "yes", o["waits"] == "yes"
		return message{w[0], st}
	case "done":
		d := &executor.TaskDone{Batch: batch(), Task: task(2), Attempt: int(num(o["attempt"])), Sums: []uint64{uint64(num(o["sum"]))}, Counters: rdd.Counters{RowsIn: num(o["rows"]), Bad: num(o["bad"])}}
		if n, ok := o["high"]; ok { // µs
			d.Highs = []int64{num(n)}
		}
		if n, ok := o["add"]; ok { // to the one accumulator
			d.Added = []rdd.Delta{scriptAmount(s.m.shape.accumulators[0].kind, n)}
		}
		return message{w[0], d}
	case "built": // step says what
		b := &executor.Built{Batch: batch(), Hash: []byte(o["step"]), Fragments: []rdd.Fragment{{Node: 3, Text: "transform\n  " + o["step"] + "\n"}}}
		return message{w[0], b}
	case "failed":
		return message{w[0], &executor.TaskFailed{Batch: batch(), Task: task(2), Attempt: int(num(o["attempt"])), User: o["user"] == "yes", Fatal: o["fatal"] == "yes", Message: strings.Join(w[3:], " ")}}
	case "published":
		return message{w[0], &executor.Published{Batch: batch(), Generation: gen}}
	case "flushed":
		return message{w[0], &executor.Flushed{Err: strings.Join(w[1:], " ")}}
	case "loaded":
		return loaded{s.broadcast(w[0]), w[1], int64(len(w[1]))}
	case "notloaded":
		return loadFailed{s.broadcast(w[0]), strings.Join(w[1:], " ")}
	case "heartbeat":
		return message{w[0], &executor.Heartbeat{}}
	}
	s.t.Fatalf("what is %q?", line)
	return nil
}

// marker reads batch, batch:other (another plan hash), batch@uuid or batch#timeline.
func (s *script) marker(sk, lane, v string) executor.LaneMarker {
	k := sink.Marker{UUID: "U", Timeline: 1}
	v, tl, _ := strings.Cut(v, "#")
	if tl != "" {
		k.Timeline = num(tl)
	}
	v, uuid, _ := strings.Cut(v, "@")
	if uuid != "" {
		k.UUID = uuid
	}
	v, hash, _ := strings.Cut(v, ":")
	k.Batch, k.PlanHash = num(v), []byte(hash)
	if hash == "" && s.m != nil {
		k.PlanHash = s.m.hashes[k.Batch]
	}
	return executor.LaneMarker{Sink: sk, Lane: int(num(lane)), OK: true, Marker: k}
}

// held reads a/0:12 (until) words.
func (s *script) held(words []string, o map[string]string) *executor.Held {
	h := &executor.Held{}
	for _, x := range words {
		name, until, _ := strings.Cut(x, ":")
		src, p, _ := strings.Cut(name, "/")
		h.Parts = append(h.Parts, executor.HeldPart{Source: src, Partition: int(num(p)), Until: num(strings.TrimSuffix(until, "!")), End: -1, Complete: strings.HasSuffix(until, "!"), Err: o["err"]})
	}
	return h
}

// scriptSetup reads the options of "new".
func scriptSetup(o map[string]string) setup {
	yes := func(k string) bool { return o[k] == "yes" }
	or := func(k string, d int64) int64 {
		if v, ok := o[k]; ok {
			return num(v)
		}
		return d
	}
	u := setup{
		interval: or("interval", 100) * 1000, depth: int(or("depth", 2)), maxRate: or("rate", 0), retries: int(or("retries", 4)),
		batches: or("batches", 0), caughtUp: yes("caughtup"), finish: yes("finish"), finishPlanned: yes("finishplanned"),
		acceptMixed: yes("mixed"), adopt: yes("adopt"), executors: int(or("executors", 1)), respawn: yes("respawn"),
		lease: or("lease", 0) * 1000, every: int(or("stateevery", 1)), heard: yes("heard"), byHand: yes("byhand"), program: []byte("new"),
	}
	u.shape = scriptShape(o)
	u.layout = rdd.Layout{Reduce: int(or("reduce", 2)), Lanes: map[string]int{"out": int(or("lanes", 1))}}
	if yes("console") {
		u.shape.sinks = append(u.shape.sinks, sinkShape{"console", true})
		u.layout.Lanes["console"] = 1
	}
	if c, ok := o["cuts"]; ok { // a/0=until per batch: 10,20
		u.cuts = map[int64]Cut{}
		for i, v := range strings.Split(c, ",") {
			u.cuts[int64(i+1)] = Cut{Until: map[string]map[string]int64{"a": {"0": num(v)}}}
		}
	}
	u.near = near{map[string]bool{}, map[string]bool{}}
	for _, name := range strings.Split(o["files"], ",") { // on the driver's machine
		u.near.sources[name], u.near.sinks[name] = name == "a" || name == "b", name == "out"
	}
	for _, set := range []map[string]bool{u.near.sources, u.near.sinks} {
		maps.DeleteFunc(set, func(_ string, in bool) bool { return !in })
	}
	u.recovered = scriptRecovered(o, u.layout)
	scriptShared(o, &u)
	u.baseHash = []byte("base")
	return u
}

func scriptShape(o map[string]string) shape {
	sh := shape{onEmpty: o["onempty"] == "yes", stateful: true, inputs: map[int]string{0: "a"}, sinks: []sinkShape{{"out", false}}, nodes: []string{"source", `runningCount "words" (main.go:7)`, "out", "transform (main.go:12)"}}
	if v, ok := o["event"]; ok { // of source a: idle after so many milliseconds, delay 0
		sh.events = []eventShape{{name: "a.at", sources: []string{"a"}, time: rdd.EventTime{Idle: num(v) * 1000, Follow: num(o["follow"]) * 1000}}}
	}
	sh.reach = num(o["reach"]) * 1000
	for _, every := range strings.Split(o["every"], ",") { // milliseconds
		if every != "" {
			sh.every = append(sh.every, num(every)*1000)
		}
	}
	names := "a"
	if v, ok := o["sources"]; ok {
		names = v
	}
	var tables []string
	for _, n := range strings.Split(names, ",") { // t*: a table that the others wait for; t>u*: it waits for the table u itself; a!: bounded
		name, gate, waits := strings.Cut(strings.TrimRight(n, "*!"), ">")
		src := sourceShape{name: name, table: strings.HasSuffix(n, "*"), bounded: strings.HasSuffix(n, "!")}
		if waits {
			src.after = []string{gate}
		}
		if src.table {
			tables = append(tables, src.name)
		}
		sh.sources = append(sh.sources, src)
	}
	for i := range sh.sources {
		if !sh.sources[i].table {
			sh.sources[i].after = tables
		}
	}
	return sh
}

// scriptRecovered is a checkpoint whose batches took 10 records each of a/0 and a second of time.
func scriptRecovered(o map[string]string, l rdd.Layout) checkpoint.Recovered {
	r := checkpoint.Recovered{UUID: "U", Timeline: 1, Epoch: 7, Committed: num(o["committed"]), Positions: map[string]map[int]int64{"a": {}}}
	program := "new"
	if v, ok := o["program"]; ok {
		program = v
	}
	if v, ok := o["oldreduce"]; ok {
		l.Reduce = int(num(v))
	}
	last := r.Committed
	if v, ok := o["planned"]; ok {
		last = num(v)
	}
	for b := r.Committed; b <= last && b > 0 || b == 0 && b < last; b++ {
		if b == 0 {
			continue
		}
		p := checkpoint.Plan{Batch: b, Time: b * 1_000_000, Layout: l, Program: []byte(program), Epoch: 3,
			Ranges: []checkpoint.Range{{Source: "a", From: (b - 1) * 10, Until: b * 10}}}
		p.Hash = planHash(&p)
		r.Last = &p
		if b > r.Committed {
			r.Planned = append(r.Planned, p)
		}
	}
	if last > 0 {
		r.Partitions = []checkpoint.Partition{{Source: "a", Key: "0"}}
		r.Positions["a"][0] = last * 10
	}
	if v, ok := o["target"]; ok { // of source t
		r.Targets = []checkpoint.Range{{Source: "t", Until: num(v)}}
		r.Partitions = append(r.Partitions, checkpoint.Partition{Source: "t", Key: "0"})
		r.Positions["t"] = map[int]int64{0: num(o["tpos"])}
	}
	if r.Committed > 0 {
		at := r.Committed
		if v, ok := o["deltas"]; ok {
			at = num(v)
		}
		r.Deltas = []checkpoint.DeltaRef{{File: fmt.Sprintf("d%d", at), Batch: at}}
	}
	if v, ok := o["reached"]; ok { // by partition 0, and the watermark
		r.Reached = []checkpoint.Reached{{Input: "a.at", Watermark: num(v), Partitions: []checkpoint.PartitionHigh{{Source: "a", Micros: num(v)}}}}
	}
	return r
}
