package clumsy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestExecutorGetsSettings: the job's own flags reach executors that are started elsewhere, also from the driver's --config and environment (P21).
func TestExecutorGetsSettings(t *testing.T) {
	p := newPlace(t)
	p.produce("lines", "a b", "a")
	p.write("token", "0123456789abcdef0123456789abcdef")
	p.write("job.yaml", "to: log:elsewhere\n")
	p.env = []string{"MILLRACE_FROM=log:lines"}
	driver := p.start("words", "--config", "job.yaml", "--master", "listen:127.0.0.1:0", "--token-file", "token", "--checkpoint", "ck", "--until-caught-up")
	addr := driver.says(`waiting for executors.* addr=(\S+)`)[1]
	p.env = nil
	x := p.start("words", "--executor", addr, "--token-file", "token", "--from", "log:wrong")
	if r := driver.wait(); r.code != 0 {
		t.Fatalf("driver: %d\n%s\nexecutor:\n%s", r.code, r.err, x.log.String())
	}
	if r := x.wait(); r.code != 0 {
		t.Errorf("executor: %d\n%s", r.code, r.err)
	}
	if d := cmp.Diff(map[string]int{"a": 2, "b": 1}, p.totals("elsewhere")); d != "" {
		t.Error(d)
	}
}

// TestRefusedExecutorEnds: an executor that does not fit the driver's job ends, and says once what differs.
func TestRefusedExecutorEnds(t *testing.T) {
	p := newPlace(t)
	p.produce("lines", "a")
	p.write("token", "0123456789abcdef0123456789abcdef")
	p.write("other", "another token, that nobody else has")
	driver := p.start("words", "--master", "listen:127.0.0.1:0", "--token-file", "token", "--checkpoint", "ck")
	addr := driver.says(`waiting for executors.* addr=(\S+)`)[1]
	r := p.run("events", "--executor", addr, "--token-file", "token")
	if r.code != 1 || strings.Count(r.err, "another plan here than on the driver") != 1 || !strings.Contains(r.err, "driver:     => #5 sink") {
		t.Errorf("status %d:\n%s", r.code, r.err)
	}
	p.run("words", "--executor", addr, "--token-file", "other").refused(t, 1, "the token differs")
	p.run("words", "--executor", addr).refused(t, 2, "set --token-file")
}
