package clumsy

import (
	"net"
	"strings"
	"testing"
)

// TestRefusals goes through mistakes around a job: each ends it with one line that says what to do.
func TestRefusals(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { busy.Close() })
	base := newPlace(t)
	base.produce("lines", "a b a")
	base.produce("counts")
	base.ok("words", "--checkpoint", "mine", "--until-caught-up")
	base.write("file", "")
	base.write("full/of.txt", "others' things")
	base.write("in/a.txt", "a")
	base.write("map.yaml", "name: {a: b}\n")
	base.write("typo.yaml", "checkpoit: x\n")
	base.write("broken.yaml", "- a\n- b\n")
	base.write("twice.yaml", "interval: 1s\ninterval: 2s\n")
	base.write("token", "0123456789abcdef0123456789abcdef")
	for name, c := range map[string]struct {
		job  string
		env  string
		args string
		code int
		want []string
	}{
		"unknown flag":       {"words", "", "--chekpoint x", 2, []string{"did you mean --checkpoint?"}},
		"config map":         {"words", "", "--config map.yaml", 2, []string{"name: line 1: want a value or a list"}},
		"config typo":        {"words", "", "--config typo.yaml", 2, []string{`unknown setting "checkpoit"; did you mean checkpoint?`}},
		"config list":        {"words", "", "--config broken.yaml", 2, []string{"broken.yaml", "want lines of the form"}},
		"config twice":       {"words", "", "--config twice.yaml", 2, []string{"already defined"}},
		"environment typo":   {"words", "MILLRACE_CHEKPOINT=x", "", 2, []string{"did you mean MILLRACE_CHECKPOINT?"}},
		"environment value":  {"words", "MILLRACE_BATCHES=x", "", 2, []string{"MILLRACE_BATCHES"}},
		"no checkpoint":      {"words", "", "", 2, []string{"set --checkpoint DIR"}},
		"missing log":        {"words", "", "--checkpoint ck1 --log nowhere", 1, []string{"millrace log create nowhere --topic"}},
		"missing topic":      {"words", "", "--checkpoint ck2 --from log:none", 1, []string{"millrace log create log --topic none"}},
		"missing folder":     {"words", "", "--checkpoint ck3 --from files:none", 1, []string{"create the directory"}},
		"no broker":          {"words", "", "--checkpoint ck4 --from kafka:x --brokers 127.0.0.1:1", 1, []string{"127.0.0.1:1", "start the broker, or set --brokers"}},
		"no broker for sink": {"words", "", "--checkpoint ck5 --to kafka:x --brokers 127.0.0.1:1", 1, []string{"127.0.0.1:1", "start the broker, or set --brokers"}},
		"other job":          {"events", "", "--checkpoint mine", 1, []string{`operator "words"`, "--drop words"}},
		"other name":         {"words", "", "--checkpoint mine --name you", 1, []string{"it belongs to job", "--name"}},
		"other's output":     {"words", "", "--checkpoint ck6 --until-caught-up", 1, []string{"another output", "--sink-adopt"}},
		"file as checkpoint": {"words", "", "--checkpoint file", 1, []string{"name a directory with --checkpoint"}},
		"full checkpoint":    {"words", "", "--checkpoint full", 1, []string{"holds other files"}},
		"file as output":     {"words", "", "--checkpoint ck7 --to files:file", 1, []string{"not a directory"}},
		"http port in use":   {"words", "", "--checkpoint ck8 --http " + busy.Addr().String(), 1, []string{"the port is in use", "choose another port"}},
		"http port":          {"words", "", "--checkpoint ck8 --http 127.0.0.1:99999", 2, []string{"want HOST:PORT"}},
		"listen in use":      {"words", "", "--checkpoint ck9 --token-file token --master listen:" + busy.Addr().String(), 1, []string{"the port is in use", "choose another port"}},
		"listen beyond":      {"words", "", "--checkpoint ck9 --token-file token --master listen:0.0.0.0:0", 2, []string{"set --tls-cert"}},
		"listen without":     {"words", "", "--checkpoint ck9 --master listen:127.0.0.1:0", 2, []string{"set --token-file"}},
		"listen key":         {"words", "", "--checkpoint ck9 --master listen:0.0.0.0:0 --token-file token --tls-cert file --tls-key file", 2, []string{"certificate file"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &place{t: t, dir: base.dir, log: base.log}
			if c.env != "" {
				p.env = []string{c.env}
			}
			r := p.run(c.job, strings.Fields(c.args)...)
			r.refused(t, c.code, c.want...)
			if n := strings.Count(strings.TrimSpace(r.err), "\n"); n > 1 {
				t.Errorf("%d lines:\n%s", n+1, r.err)
			}
		})
	}
}

// TestMistakesTogether: all mistakes of a job come in one answer, each with the user's line.
func TestMistakesTogether(t *testing.T) {
	p := newPlace(t)
	r := p.run("mistakes")
	for _, want := range []string{`the name "same" is taken`, `the name "log:a" is taken`, "needs a name", "chan int: it has no column form", "a float may not be part of a key", "comes from no source"} {
		if strings.Count(r.err, want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, r.err)
		}
	}
	if n := strings.Count(r.err, "jobs_test.go:"); r.code != 2 || n < 6 {
		t.Errorf("status %d, %d places:\n%s", r.code, n, r.err)
	}
}
