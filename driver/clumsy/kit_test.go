package clumsy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/sink"
)

// limit is how long one run may take before it is killed and counts as hung.
const limit = 60 * time.Second

// place is a folder in which a user works: jobs run there.
type place struct {
	t   *testing.T
	dir string
	env []string // of jobs, beside the test's own
	log string   // folder of the embedded log, from dir
}

func newPlace(t *testing.T) *place {
	t.Helper()
	return &place{t: t, dir: t.TempDir(), log: "log"}
}

// result is how a run ended.
type result struct {
	code     int
	out, err string
}

func (p *place) command(ctx context.Context, job string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Dir = p.dir
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "MILLRACE_") && !strings.HasPrefix(kv, "CLUMSY_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(append(cmd.Env, p.env...), envJob+"="+job)
	return cmd
}

// run runs a job until it ends. Its log is ./log.
func (p *place) run(job string, args ...string) result {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := p.command(ctx, job, append([]string{"--log", p.log, "--interval", "10ms"}, args...)...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if ctx.Err() != nil {
		p.t.Fatalf("%s %q hangs:\n%s", job, args, errOut.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// ok runs a job that has to end well.
func (p *place) ok(job string, args ...string) result {
	p.t.Helper()
	r := p.run(job, args...)
	if r.code != 0 {
		p.t.Fatalf("%s %q ends with %d:\n%s", job, args, r.code, r.err)
	}
	return r
}

// refused checks that a run ended with this status and one clear line, which is the last, holds each of want, and is no log of goroutines.
func (r result) refused(t *testing.T, code int, want ...string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(r.err), "\n")
	last := lines[len(lines)-1]
	if r.code != code {
		t.Errorf("status %d, want %d:\n%s", r.code, code, r.err)
	}
	for _, w := range want {
		if !strings.Contains(last, w) {
			t.Errorf("the last line lacks %q:\n%s", w, r.err)
		}
	}
	if strings.Contains(r.err, "goroutine ") {
		t.Errorf("a stack is no message:\n%s", r.err)
	}
	said := 0
	for _, l := range lines {
		if strings.Contains(l, want[0]) && !strings.Contains(l, "level=DEBUG") && !strings.Contains(l, "level=WARN") {
			said++
		}
	}
	if said > 1 {
		t.Errorf("it is said %d times:\n%s", said, r.err)
	}
}

// write makes a file in the place.
func (p *place) write(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// settled makes a file that was written long ago.
func (p *place) settled(name, text string) string {
	p.t.Helper()
	path := p.write(name, text)
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, old, old); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// produce appends values to a topic of one partition.
func (p *place) produce(topic string, values ...string) {
	p.t.Helper()
	log, err := commitlog.Create(filepath.Join(p.dir, p.log), commitlog.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	t, err := log.Ensure(topic, commitlog.Settings{Partitions: 1})
	if err != nil {
		p.t.Fatal(err)
	}
	w, err := t.Writer(0)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, v := range values {
		if err := w.Add(nil, []byte(v), 0); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := errors.Join(w.Sync(context.Background()), w.Close()); err != nil {
		p.t.Fatal(err)
	}
}

// topic is what a topic holds: "key value" of each record, partition by partition.
func (p *place) topic(name string) (rows []string) {
	p.t.Helper()
	log, err := commitlog.Open(filepath.Join(p.dir, p.log), commitlog.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	t, err := log.Topic(name)
	if err != nil {
		p.t.Fatal(err)
	}
	n, err := t.Partitions()
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range n {
		r, err := t.Reader(i, 0)
		if err != nil {
			p.t.Fatal(err)
		}
		for b, err := r.Poll(); b != nil || err != nil; b, err = r.Poll() {
			if err != nil {
				p.t.Fatal(err)
			}
			for k := range b.Len() {
				rows = append(rows, strings.TrimSpace(string(b.Key(k))+" "+string(b.Value(k))))
			}
		}
		r.Close()
	}
	return rows
}

// rows are the rows of an output: of a topic, or of the published files of JSON lines.
func (p *place) rows(output string) (rows []string) {
	p.t.Helper()
	kind, at, _ := strings.Cut(output, ":")
	if kind == "log" {
		return p.topic(at)
	}
	files, err := sink.ReadManifest(filepath.Join(p.dir, at))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f.Path)
		if err != nil {
			p.t.Fatal(err)
		}
		rows = append(rows, strings.Split(strings.TrimSpace(string(data)), "\n")...)
	}
	return rows
}

// totals are the last counts in a topic of counts. It complains of counts that fall or come twice.
func (p *place) totals(topic string) map[string]int {
	p.t.Helper()
	last := map[string]int{}
	for _, row := range p.topic(topic) {
		var word string
		var n int
		if _, err := fmt.Sscan(row, &word, &n); err != nil {
			p.t.Fatalf("%q: %v", row, err)
		}
		if n <= last[word] {
			p.t.Errorf("count of %s goes from %d to %d", word, last[word], n)
		}
		last[word] = n
	}
	return last
}

// running is a job in the background.
type running struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *lockedBuffer
	done chan struct{}
}

// start runs a job in the background; the test kills it at its end.
func (p *place) start(job string, args ...string) *running {
	p.t.Helper()
	r := &running{t: p.t, log: &lockedBuffer{}, done: make(chan struct{})}
	r.cmd = p.command(context.Background(), job, append([]string{"--log", p.log, "--interval", "10ms"}, args...)...)
	r.cmd.Stderr, r.cmd.Stdout = r.log, r.log
	if err := r.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { _ = r.cmd.Wait(); close(r.done) }()
	p.t.Cleanup(func() { _ = r.cmd.Process.Kill(); <-r.done })
	return r
}

// says waits until the job's output matches, and returns the groups.
func (r *running) says(pattern string) []string {
	r.t.Helper()
	re := regexp.MustCompile(pattern)
	var found []string
	eventually(r.t, func() bool { found = re.FindStringSubmatch(r.log.String()); return found != nil },
		func() string { return "the job never says " + pattern + ":\n" + r.log.String() })
	return found
}

// signal sends a signal and wait waits for the end.
func (r *running) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) wait() result {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(limit):
		r.t.Fatalf("the job does not end:\n%s", r.log.String())
	}
	return result{code: r.cmd.ProcessState.ExitCode(), err: r.log.String()}
}

// eventually polls until ok, or fails with what text says.
func eventually(t *testing.T, ok func() bool, text func() string) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); {
		if time.Now().After(end) {
			t.Fatal(text())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// get is the body that an HTTP server sends.
func get(t *testing.T, addr, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// processes are those that run in the place, where the system shows them.
func (p *place) processes() (pids []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, l := range links {
		if dir, err := os.Readlink(l); err == nil && dir == p.dir {
			pids = append(pids, filepath.Base(filepath.Dir(l)))
		}
	}
	return pids
}
