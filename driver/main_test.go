package driver

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

func words(job *dstream.Job) {
	dstream.From(job, source.Memory([]string{"a", "b"})).KeyBy(dstream.Self).RunningCount("words").
		To(sink.Console(sink.ConsoleTo(io.Discard)))
}

func logToFiles(dir string) func(*dstream.Job) {
	return func(job *dstream.Job) {
		dstream.From(job, source.LogText("lines")).KeyBy(dstream.Self).RunningCount("words").To(sink.FilesJSON(dir))
	}
}

// TestMainRefuses goes through mistakes: each is one clear line that says what to do, and has its exit status.
func TestMainRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	files := logToFiles(filepath.Join(dir, "out"))
	for _, c := range []struct {
		name string
		job  func(*dstream.Job)
		args []string
		code int
		want string
	}{
		{"flag", words, []string{"--chekpoint", "x"}, 2, "unknown flag: --chekpoint; did you mean --checkpoint?"},
		{"argument", words, []string{"x"}, 2, `argument "x": settings are given as flags`},
		{"value", words, []string{"--batches", "many"}, 2, "invalid argument"},
		{"master", words, []string{"--master", "procs[0,1]"}, 2, "want local[N], procs[E,N]"},
		{"interval", words, []string{"--interval", "2h"}, 2, "1ms to 1h, or asap"},
		{"rate", words, []string{"--max-rate", "-1"}, 2, "--max-rate -1"},
		{"bad record", words, []string{"--on-bad-record", "ignore"}, 2, "keep (set bad records aside"},
		{"config missing", words, []string{"--config", filepath.Join(dir, "none.yaml")}, 2, "--config"},
		{"config key", words, []string{"--config", write("a.yaml", "intervall: 5ms")}, 2, `unknown setting "intervall"`},
		{"config value", words, []string{"--config", write("b.yaml", "batches: x")}, 2, "batches"},
		{"cuts", words, []string{"--cuts", write("c.jsonl", "{")}, 2, "line 1"},
		{"mistake", func(job *dstream.Job) {
			dstream.From(job, source.Memory([]string{"a"})).KeyBy(dstream.Self).RunningCount("")
		}, nil, 2, "main_test.go:"},
		{"durable sink", files, nil, 2, "set --checkpoint DIR"},
		{"finish planned", words, []string{"--finish-planned"}, 2, "--finish-planned needs --checkpoint"},
		{"listen", words, []string{"--master", "listen:0.0.0.0:0"}, 2, "--tls-cert"},
		{"listen token", words, []string{"--master", "listen:127.0.0.1:0"}, 2, "--token-file"},
		{"short token", words, []string{"--master", "listen:127.0.0.1:0", "--token-file", write("token", "abc")}, 2, "want 16 or more"},
		{"http open", words, []string{"--http", "0.0.0.0:0"}, 2, "--token-file, --tls-cert"},
		{"http busy", words, []string{"--http", busy.Addr().String()}, 1, "the port is in use"},
		{"missing topic", files, []string{"--checkpoint", filepath.Join(dir, "c1"), "--log", filepath.Join(dir, "log")}, 1, "lines"},
		{"checkpoint is a file", words, []string{"--checkpoint", write("file", "")}, 1, "file"},
		{"executor alone", words, []string{"--executor", "127.0.0.1:1"}, 2, "--token-file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			code := runMain(ctx, c.job, c.args, &out, &errOut)
			if code != c.code || !strings.Contains(errOut.String(), c.want) {
				t.Errorf("exit status %d, want %d; text %q, want %q in it", code, c.code, errOut.String(), c.want)
			}
		})
	}
}

// TestMainCheckpoints starts another job, and a finished one, over a checkpoint.
func TestMainCheckpoints(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "checkpoint")
	run := func(args ...string) (int, string) {
		var out, errOut bytes.Buffer
		code := runMain(context.Background(), words, append([]string{"--checkpoint", dir, "--interval", "2ms"}, args...), &out, &errOut)
		return code, errOut.String()
	}
	if code, text := run("--name", "first", "--until-caught-up"); code != 0 {
		t.Fatalf("%d: %s", code, text)
	}
	if code, text := run("--name", "second"); code != 1 || !strings.Contains(text, `"first"`) {
		t.Errorf("another job: %d: %s", code, text)
	}
	if code, text := run("--name", "first"); code != 0 { // the source has ended: a final batch closes the job
		t.Errorf("%d: %s", code, text)
	}
	if code, text := run("--name", "first"); code != 1 || !strings.Contains(text, "is finished") {
		t.Errorf("finished job: %d: %s", code, text)
	}
}

func TestExplain(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := runMain(context.Background(), words, []string{"--explain"}, &out, &errOut); code != 0 || !strings.Contains(out.String(), "words") {
		t.Errorf("exit status %d: %s%s", code, out.String(), errOut.String())
	}
}

// TestPrecedence: a flag wins over the environment, and that over the file.
func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "job.yaml")
	if err := os.WriteFile(file, []byte("interval: 7ms\nmax-rate: 5\nbatches: 3\nbrokers: [a:1, b:2]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MILLRACE_MAX_RATE", "6")
	t.Setenv("MILLRACE_BATCHES", "4")
	f, set := &flags{}, pflag.NewFlagSet("job", pflag.ContinueOnError)
	f.register(set)
	if err := set.Parse([]string{"--batches", "8", "--config", file}); err != nil {
		t.Fatal(err)
	}
	c, err := f.config(set, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if c.Interval != 7*time.Millisecond || c.MaxRate != 6 || c.Batches != 8 || strings.Join(c.Brokers, " ") != "a:1 b:2" {
		t.Errorf("interval %v, rate %d, batches %d, brokers %v", c.Interval, c.MaxRate, c.Batches, c.Brokers)
	}
}

// lineWriter gives what is logged, line by line.
type lineWriter struct {
	mu   sync.Mutex // guards text
	text strings.Builder
	seen chan struct{}
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.text.Write(b)
	select {
	case w.seen <- struct{}{}:
	default:
	}
	return n, err
}

// wait returns what stands behind key= in the first line that has it.
func (w *lineWriter) wait(t *testing.T, marker string) string {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		w.mu.Lock()
		_, rest, ok := strings.Cut(w.text.String(), marker)
		w.mu.Unlock()
		if ok {
			return strings.Fields(rest)[0]
		}
		select {
		case <-w.seen:
		case <-limit:
			t.Fatalf("no %q in %s", marker, w.text.String())
		}
	}
}

// TestHTTP asks a running job for its status.
func TestHTTP(t *testing.T) {
	feed := source.NewFeed[string](1)
	feed.Push(0, "a", "b", "a")
	w := &lineWriter{seen: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	published := make(chan struct{}, 100)
	go func() {
		done <- Run(ctx, func(job *dstream.Job) {
			dstream.From(job, feed.Source("feed")).ForeachBatch(func(context.Context, dstream.Batch, rdd.RDD[string]) error {
				published <- struct{}{}
				return nil
			})
		}, Config{Name: "http", Master: "local[1]", Interval: time.Millisecond, HTTP: ":0", Log: newLog(w, 0), TokenFile: ""})
	}()
	addr := w.wait(t, "status page\" addr=")
	<-published
	get := func(path string) string {
		r, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v: %s", path, r.Status, err, b)
		}
		return string(b)
	}
	if got := get("/healthz"); got != "ok\n" {
		t.Errorf("health %q", got)
	}
	var s Status
	if err := json.Unmarshal([]byte(get("/status")), &s); err != nil {
		t.Fatal(err)
	}
	if s.Job != "http" || s.State != "running" || s.Planned != 1 || len(s.Sources) != 1 || s.Sources[0].Next != 3 || len(s.Executors) != 1 {
		t.Errorf("status %+v", s)
	}
	if got := get("/metrics"); !strings.Contains(got, "millrace_planned_batch 1") || !strings.Contains(got, `millrace_source_next_offset{partition="0",source="feed"} 3`) {
		t.Errorf("metrics %s", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestGuard(t *testing.T) {
	h := guard("secret", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	for _, c := range []struct {
		header string
		want   int
	}{{"", 401}, {"Bearer wrong", 401}, {"Bearer secret", 200}} {
		r, err := http.NewRequest("GET", "/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", c.header)
		w := &recorder{}
		h.ServeHTTP(w, r)
		if w.code != c.want {
			t.Errorf("%q: %d, want %d", c.header, w.code, c.want)
		}
	}
}

type recorder struct{ code int }

func (r *recorder) Header() http.Header         { return http.Header{} }
func (r *recorder) Write(b []byte) (int, error) { return len(b), nil }
func (r *recorder) WriteHeader(code int)        { r.code = code }

// TestMainWithListeners hears what happens in a job's binary.
func TestMainWithListeners(t *testing.T) {
	started, batches, stopped := 0, 0, 0
	first := With(Listener{JobStarted: func(JobStarted) { started++ }, BatchCompleted: func(BatchCompleted) { batches++ }})
	second := With(Listener{JobStopped: func(e JobStopped) { stopped++ }})
	var errs bytes.Buffer
	if code := runMain(t.Context(), words, []string{"--interval", "5ms"}, io.Discard, &errs, first, second); code != 0 {
		t.Fatalf("exit status %d: %s", code, errs.String())
	}
	if started != 1 || batches == 0 || stopped != 1 {
		t.Errorf("heard of %d starts, %d batches, %d ends", started, batches, stopped)
	}
}
