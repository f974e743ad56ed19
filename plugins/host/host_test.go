package host

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/plugins"
)

// modeEnv says what the test binary is, when it is started as a plugin.
const modeEnv = "MILLRACE_HOST_TEST"

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeEnv); mode != "" {
		be(mode)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// logs is where a pool's log goes.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// pool is one that is closed with the test, which then must have left nothing behind.
func pool(t *testing.T) (*Pool, *logs) {
	t.Helper()
	fds, routines := openFiles(t), runtime.NumGoroutine()
	folders := leftovers(t)
	l := &logs{}
	p := New(Options{Log: slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	t.Cleanup(func() {
		var pids []int
		for _, r := range p.list() {
			for _, x := range r.running() {
				pids = append(pids, x.group())
			}
		}
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		for _, pid := range pids {
			if living(pid) {
				t.Errorf("process %d is there behind Close", pid)
			}
		}
		eventually(t, "nothing is left", func() string {
			if n := openFiles(t); n > fds {
				return fmt.Sprintf("%d open files, %d before", n, fds)
			}
			if n := runtime.NumGoroutine(); n > routines {
				b := make([]byte, 6<<10)
				return fmt.Sprintf("%d goroutines, %d before\n%s", n, routines, b[:runtime.Stack(b, true)])
			}
			if n := leftovers(t); n > folders {
				return fmt.Sprintf("%d folders, %d before", n, folders)
			}
			return ""
		})
		if t.Failed() {
			t.Logf("log:\n%s", l)
		}
	})
	return p, l
}

// eventually waits until wrong has nothing to say.
func eventually(t *testing.T, what string, wrong func() string) {
	t.Helper()
	var why string
	for range 500 {
		if why = wrong(); why == "" {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%s: %s", what, why)
}

func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("open files are counted on Linux alone")
	}
	return len(names)
}

// leftovers are folders of processes.
func leftovers(t *testing.T) int {
	t.Helper()
	n := 0
	for _, base := range []string{os.TempDir(), "/tmp"} {
		names, err := filepath.Glob(fmt.Sprintf("%s/millrace-%d-*", base, os.Getpid()))
		if err != nil {
			t.Fatal(err)
		}
		n += len(names)
	}
	return n
}

// living tells whether there is such a process, other than one that waits to be reaped.
func living(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	return !strings.HasPrefix(string(b[bytes.LastIndexByte(b, ')')+1:]), " Z")
}

// ref is the test binary in a mode, with an operator.
func ref(t testing.TB, mode, operator string, change ...func(*plugins.Settings)) plugins.Ref {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := plugins.Settings{Env: map[string]string{modeEnv: mode}, Start: time.Minute, Call: time.Minute}
	for _, c := range change {
		c(&s)
	}
	return plugins.Command(exe).Op(operator).Set(s)
}

func portable(s *plugins.Settings) { s.Portable = true }
func perSlot(s *plugins.Settings)  { s.Processes = plugins.PerSlot }

// mapOf is a Map of a plugin, declared for rows.
func mapOf(t *testing.T, p *Pool, r plugins.Ref) (plugins.Pipelined, plugins.Declaration) {
	t.Helper()
	_, op, err := p.Resolve(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	m, err := op.Map(r.Config)
	if err != nil {
		t.Fatal(err)
	}
	d, err := m.Declare(rowsSchema)
	if err != nil {
		t.Fatal(err)
	}
	return m.(plugins.Pipelined), d
}

var rowsSchema = arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}, {Name: "s", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)

// rows has the numbers [from, to), and a text of about size bytes in most.
func rows(from, to, size int) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, rowsSchema)
	for i := from; i < to; i++ {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		if i%7 == 3 {
			b.Field(1).AppendNull()
			continue
		}
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprint(i, strings.Repeat("x", size)))
	}
	return b.NewRecord()
}

// failsWith is a test that err is an Error of a kind, with all of texts.
func failsWith(t *testing.T, err error, kind Kind, texts ...string) *Error {
	t.Helper()
	e, ok := err.(*Error)
	if !ok {
		t.Fatalf("error %v (%T), want an Error with %q", err, err, texts)
	}
	if e.Kind != kind {
		t.Errorf("kind %v, want %v: %v", e.Kind, kind, e)
	}
	for _, want := range texts {
		if !strings.Contains(e.Error(), want) {
			t.Errorf("not in the error: %q\n%v", want, e)
		}
	}
	return e
}
