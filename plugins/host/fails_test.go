package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/plugins"
)

var alloc = memory.DefaultAllocator

func soon(s *plugins.Settings) { s.Start = 2 * time.Second }

// Each way in which a process does not start, with what a person reads.
func TestStartFails(t *testing.T) {
	for _, c := range []struct {
		mode  string
		kind  Kind
		texts []string
	}{
		{"garbage", Protocol, []string{"its first line on standard output is not that of a plugin: is it one, and does it print before it serves? Standard output is the engine's, print to standard error. It printed:\n    loading model …"}},
		{"half", Protocol, []string{"print to standard error. It printed:\n    no line break"}},
		{"exit", Start, []string{"it ended (exit status 1) before it said where it listens: is it a plugin of millrace?\nits last lines on standard error:\n    ImportError: no module named numpy"}},
		{"silent", Start, []string{"it did not say where it listens within 2s: if it is a plugin of millrace and needs longer, set Settings.Start\nits last lines on standard error:\n    still thinking"}},
		{"mute", Start, []string{"it said where it listens, and did not answer there within 2s: if it needs longer, set Settings.Start"}},
		{"future", Protocol, []string{"it speaks version 7 of the plugin protocol, and this millrace speaks 1: upgrade millrace, or build the plugin with an older SDK"}},
		{"elsewhere", Protocol, []string{"it listens at unix /var/run/docker.sock, which must be a unix socket in the folder PLUGIN_UNIX_SOCKET_DIR"}},
		{"tcp", Protocol, []string{"it listens at tcp 127.0.0.1:80, which must be a unix socket"}},
		{"version2", Refused, []string{"it speaks version 2 of the plugin protocol, and this millrace speaks 1: upgrade millrace"}},
		{"name", Protocol, []string{`a name or version of it, "x?[31m", is too long, or has control characters`}},
		{"kind", Protocol, []string{`operator "op" is a "window", which this millrace does not know: upgrade millrace`}},
		{"twice", Protocol, []string{`two operators are named "op"`}},
	} {
		t.Run(c.mode, func(t *testing.T) {
			p, _ := pool(t)
			change := func(*plugins.Settings) {}
			if c.mode == "silent" || c.mode == "mute" {
				change = soon
			}
			_, _, err := p.Resolve(ctx, ref(t, c.mode, "op", change))
			failsWith(t, err, c.kind, append(c.texts, "plugin ")...)
		})
	}
}

func TestStartIsGivenUp(t *testing.T) {
	p, _ := pool(t)
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	_, _, err := p.Resolve(ctx, ref(t, "silent", "op"))
	failsWith(t, err, Start, "its start was given up: context deadline exceeded")
	if !errors.Is(err, context.DeadlineExceeded) || p.list()[0].fails != 0 {
		t.Errorf("error %v, %d failures", err, p.list()[0].fails)
	}
}

func TestNoExecutable(t *testing.T) {
	p, _ := pool(t)
	_, _, err := p.Resolve(ctx, plugins.Command("./score-no-such"))
	failsWith(t, err, Refused, `"./score-no-such" cannot be found: give the path of an executable, absolute or from the job's working directory, /`)
	file := filepath.Join(t.TempDir(), "no-program")
	if err := os.WriteFile(file, []byte("hello"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, _, err = p.Resolve(ctx, plugins.Command(file))
	failsWith(t, err, Start, "it cannot be executed: exec format error: it must be a program that is built for this machine, "+runtime.GOOS)
	f, err := sumFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = p.Resolve(ctx, plugins.Command(file).Set(plugins.Settings{Sum: f.Sum})) // by its open file
	failsWith(t, err, Start, "it cannot be executed: exec format error: it must be a program")
	if err := os.WriteFile(file, []byte("#!/no/such/interpreter\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, _, err = p.Resolve(ctx, plugins.Command(file).Set(plugins.Settings{Portable: true}))
	failsWith(t, err, Start, "the interpreter or loader that it names is not on this machine")
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err = p.Resolve(ctx, plugins.Command(file).Set(plugins.Settings{Processes: plugins.PerSlot}))
	failsWith(t, err, Start, "it cannot be executed: permission denied: if it is a program, chmod +x "+file, `plugins.Command("python3", "`+file+`")`)
	_, _, err = p.Resolve(ctx, plugins.Command("sh").Set(plugins.Settings{Dir: file + ".d"}))
	failsWith(t, err, Start, "it cannot be started in Settings.Dir: stat "+file+".d: no such file or directory: make the folder")
	_, _, err = p.Resolve(ctx, plugins.Command("sh", "score.py"))
	failsWith(t, err, Start, `before it said where it listens: the argument "score.py" is no file in the job's working directory, /`, "give the whole path")
	script := filepath.Join(t.TempDir(), "score.py")
	if err := os.WriteFile(script, []byte("exit 3"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err = p.Resolve(ctx, plugins.Command("sh", script))
	failsWith(t, err, Start, "plugin sh "+script+": it ended (exit status 3) before it said where it listens: is it a plugin of millrace?")
	_, _, err = p.Resolve(ctx, plugins.Command("echo", "hello"))
	failsWith(t, err, Protocol, "print to standard error. It printed:\n    hello")
}

func TestChoice(t *testing.T) {
	p, _ := pool(t)
	_, _, err := p.Resolve(ctx, ref(t, "honest", "duble"))
	failsWith(t, err, Refused, `plugin honest 1.0 (`, `it has no operator "duble"; did you mean "double"?`)
	_, _, err = p.Resolve(ctx, ref(t, "honest", "nothing like it"))
	failsWith(t, err, Refused, `it has no operator "nothing like it"; it has: plus, sum, last`)
	_, _, err = p.Resolve(ctx, ref(t, "honest", ""))
	failsWith(t, err, Refused, "it has 19 operators, so that one must be chosen with Op: plus, sum")
}

func TestRefusedDeclaration(t *testing.T) {
	p, _ := pool(t)
	_, op, err := p.Resolve(ctx, ref(t, "honest", "refuse"))
	if err != nil {
		t.Fatal(err)
	}
	m, _ := op.Map(nil)
	_, err = m.Declare(rowsSchema)
	failsWith(t, err, Refused, `plugin honest 1.0 (`, `, operator "refuse": column "price" is missing`)
}

// What a process declares, and what is wrong with it.
func TestHostileDeclarations(t *testing.T) {
	for mode, text := range map[string]string{
		"bytes": "what it declares makes no sense: schema of 9 bytes: no stream of Arrow messages", "reads": "reads columns [9] of 2", "keeps": "types differ",
		"hangs": "no answer within 500ms: it was killed",
	} {
		t.Run(mode, func(t *testing.T) {
			p, _ := pool(t)
			_, op, err := p.Resolve(ctx, ref(t, mode, "op", func(s *plugins.Settings) { s.Call = 500 * time.Millisecond }))
			if err != nil {
				t.Fatal(err)
			}
			m, _ := op.Map(nil)
			_, err = m.Declare(rowsSchema)
			kind := Protocol
			if mode == "hangs" {
				kind = Timeout
			}
			failsWith(t, err, kind, `operator "op"`, text)
		})
	}
}

// What a process answers, and what is wrong with it.
func TestHostileAnswers(t *testing.T) {
	for mode, text := range map[string]string{
		"schema":     `answer to request 1: part 0 of 1: `,
		"rows":       "an answer of 5 rows with columns of 3: it was killed, and is started again at the next call",
		"negative":   "an answer with numbers [-1], where the count of rows is due",
		"no numbers": "an answer with numbers [], where the count of rows is due",
		"no columns": "an answer of 3 rows without their columns",
		"from":       "row 2 of an answer comes from row 3 of 3",
		"count":      "an answer of 1 rows for 3 that does not say where they come from, and columns are kept",
		"id":         "an answer to request 2, where that to request 1 is due",
		"endless":    "3 rows become 3003 and more, where 1000 for each are the limit: it was killed. If as many are meant, set Settings.Grow higher",
		"drip":       "no answer within 1s: it was killed",
		"parts":      "answer to request 1: 3 parts, want 2",
		"protocol":   "it does not understand a request: declaration 1 is not there",
	} {
		t.Run(mode, func(t *testing.T) {
			p, _ := pool(t)
			m, _ := mapOf(t, p, ref(t, mode, "op", func(s *plugins.Settings) {
				if mode == "drip" {
					s.Call = time.Second
				}
			}))
			_, err := m.Process(ctx, plugins.Batch{Number: 4, Partition: 2}, rows(0, 3, 1))
			kind := map[string]Kind{"endless": Limit, "drip": Timeout}[mode]
			if kind == 0 {
				kind = Protocol
			}
			failsWith(t, err, kind, `plugin hostile 1 (`, `, operator "op", batch 4 partition 2: `, text)
			if r := p.list()[0]; len(r.running()) > 0 && r.running()[0].alive() {
				t.Error("the process is alive")
			}
		})
	}
}

func TestHostileSource(t *testing.T) {
	for mode, text := range map[string]string{"offsets": "row 2 has offset 1, where it must be above 1 and below 3", "back": "rows from offset 0 on end before it, at -5"} {
		t.Run(mode, func(t *testing.T) {
			p, _ := pool(t)
			_, op, err := p.Resolve(ctx, ref(t, mode, "in"))
			if err != nil {
				t.Fatal(err)
			}
			s, _ := op.Source(nil)
			_, err = s.Read(ctx, plugins.Partition{Key: "a"}, 0, 1000)
			failsWith(t, err, Protocol, `operator "in": `, text)
			_, err = s.Partitions(ctx)
			failsWith(t, err, Protocol, `partition 1 of the list, "a" from 0 to -1, comes twice or ends before its start`)
		})
	}
}

// A declaration must be the same in each process.
func TestDeclarationChanges(t *testing.T) {
	p, _ := pool(t)
	m, _ := mapOf(t, p, ref(t, "changes", "op", func(s *plugins.Settings) { s.Env["STATE"] = t.TempDir() + "/state" }))
	if _, err := m.Process(ctx, plugins.Batch{}, rows(0, 3, 1)); err != nil {
		t.Fatal(err)
	}
	_, err := m.Process(ctx, plugins.Batch{Number: 1}, rows(0, 3, 1))
	failsWith(t, err, Crash, "its process ended (exit status 9) before it answered")
	_, err = m.Process(ctx, plugins.Batch{}, rows(0, 3, 1))
	failsWith(t, err, Protocol, "it declares something else than an earlier process of it: a declaration must depend on configuration and schemas alone")
}

// An operator's own errors leave the process alone.
func TestOperatorFails(t *testing.T) {
	eachWay(t, func(t *testing.T, p *Pool, ref func(string) plugins.Ref) {
		m, _ := mapOf(t, p, ref("fail"))
		in := rows(0, 40_000, 1) // several requests, and each fails
		for b := range int64(6) {
			_, err := m.Process(ctx, plugins.Batch{Number: b}, in)
			if b%2 == 0 {
				if err != nil {
					t.Fatalf("batch %d: %v", b, err)
				}
				continue
			}
			failsWith(t, err, Operator, `plugin honest 1.0 (`, `operator "fail", batch `+strconv.FormatInt(b, 10)+` partition 0: batch `+strconv.FormatInt(b, 10)+` is odd`)
		}
		pm, _ := mapOf(t, p, ref("panic"))
		_, err := pm.Process(ctx, plugins.Batch{Number: 1}, rows(0, 1, 1))
		e := failsWith(t, err, Operator, "panic: on purpose", "operators_test.go")
		if len(e.Output) > 0 {
			t.Errorf("output of a process that goes on: %v", e.Output)
		}
		for _, r := range p.list() {
			for _, x := range r.running() {
				if x.failed() && !x.alive() {
					t.Errorf("process %d has ended", x.group())
				}
			}
		}
	})
}

func TestExitInTheMiddle(t *testing.T) {
	eachWay(t, func(t *testing.T, p *Pool, ref func(string) plugins.Ref) {
		m, _ := mapOf(t, p, ref("exit").With([]byte("5")))
		for b := range int64(8) {
			_, err := m.Process(ctx, plugins.Batch{Number: b}, rows(0, 10, 1))
			if b == 5 {
				failsWith(t, err, Crash, `operator "exit", batch 5 partition 0: its process ended (exit status 3) before it answered, and is started again at the next call`,
					"its last lines on standard error:\n    giving up: no model file")
			} else if err != nil {
				t.Fatalf("batch %d: %v", b, err)
			}
		}
	})
}

// What a plugin prints right before it ends is in the error, each time.
func TestLastWords(t *testing.T) {
	eachWay(t, func(t *testing.T, p *Pool, ref func(string) plugins.Ref) {
		m, _ := mapOf(t, p, ref("exit").With([]byte("5")))
		for range 20 {
			if _, err := m.Process(ctx, plugins.Batch{Number: 4}, rows(0, 10, 1)); err != nil {
				t.Fatal(err)
			}
			_, err := m.Process(ctx, plugins.Batch{Number: 5}, rows(0, 10, 1))
			failsWith(t, err, Crash, "its process ended (exit status 3)", "its last lines on standard error:\n    giving up: no model file")
		}
	})
}

// Killed from outside, at any moment: the call that is out fails, and the next works.
func TestKill9(t *testing.T) {
	eachWay(t, func(t *testing.T, p *Pool, ref func(string) plugins.Ref) {
		m, _ := mapOf(t, p, ref("slow"))
		kill := func() {
			for _, x := range p.list()[0].running() {
				_ = syscall.Kill(x.group(), syscall.SIGKILL)
			}
		}
		kill() // before anything is sent
		failed := 0
		for i := range 6 {
			var g sync.WaitGroup
			g.Go(func() {
				time.Sleep(time.Duration(i*7) * time.Millisecond)
				kill() // before, during or behind an answer
			})
			_, err := m.Process(ctx, plugins.Batch{Number: 1}, rows(0, 10, 1))
			g.Wait()
			if err != nil {
				failed++
				e, ok := err.(*Error)
				if !ok || e.Kind != Crash && e.Kind != Start || !strings.Contains(err.Error(), "signal: killed") {
					t.Errorf("error %v", err)
				}
			}
		}
		if failed == 0 {
			t.Error("nothing failed")
		}
		eventually(t, "it works again", func() string {
			if _, err := m.Process(ctx, plugins.Batch{Number: 1}, rows(0, 10, 1)); err != nil {
				return err.Error()
			}
			return ""
		})
	})
}

func TestNeverAnswers(t *testing.T) {
	eachWay(t, func(t *testing.T, p *Pool, ref func(string) plugins.Ref) {
		r := ref("hang")
		r.Settings.Call = time.Second
		m, _ := mapOf(t, p, r)
		for _, b := range []int64{1, 7, 8} {
			_, err := m.Process(ctx, plugins.Batch{Number: b}, rows(0, 10, 1))
			if b == 7 {
				failsWith(t, err, Timeout, `operator "hang", batch 7 partition 0: no answer within 1s: it was killed, and is started again at the next call. If it needs longer for a record batch, set Settings.Call higher`)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error("it is no DeadlineExceeded")
				}
			} else if err != nil {
				t.Fatal(err)
			}
		}
		waiting, cancel := context.WithCancel(ctx)
		go cancel()
		if _, err := m.Process(waiting, plugins.Batch{Number: 7}, rows(0, 10, 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("a call that was given up: %v", err)
		}
		if _, err := m.Process(ctx, plugins.Batch{Number: 8}, rows(0, 10, 1)); err != nil {
			t.Errorf("behind a call that was given up: %v", err)
		}
	})
}

// hangs waits until a call does.
func hangs(t *testing.T, l *logs) {
	t.Helper()
	eventually(t, "a call is out", func() string {
		if !strings.Contains(l.String(), "it hangs") {
			return "not yet"
		}
		return ""
	})
}

// Calls of others that a killed process had say whose fault it was.
func TestOthersAreTold(t *testing.T) {
	p, l := pool(t)
	hang, _ := mapOf(t, p, ref(t, "honest", "hang"))
	m, _ := mapOf(t, p, ref(t, "honest", "hang"))
	var g sync.WaitGroup
	g.Go(func() {
		_, err := m.Process(ctx, plugins.Batch{Number: 7, Partition: 1}, rows(0, 1, 1))
		failsWith(t, err, Crash, "batch 7 partition 1: its process was ended because of another call: ", `operator "hang", batch 7 partition 0: something`)
	})
	hangs(t, l)
	if err := hang.Send(ctx, plugins.Batch{Number: 7}, rows(0, 1, 1)); err != nil {
		t.Fatal(err)
	}
	_ = hang.(*mapper).l.broken(&plugins.Batch{Number: 7}, errors.New("something"))
	g.Wait()
	_ = hang.Close()
}

func TestGrow(t *testing.T) {
	p, _ := pool(t)
	m, _ := mapOf(t, p, ref(t, "honest", "times", func(s *plugins.Settings) { s.Grow = 10 }).With([]byte("11")))
	_, err := m.Process(ctx, plugins.Batch{Number: 2}, rows(0, 100, 1))
	failsWith(t, err, Limit, "100 rows become 1100 and more, where 10 for each are the limit: it was killed. If as many are meant, set Settings.Grow higher")
}

func TestMemory(t *testing.T) {
	p, _ := pool(t)
	m, _ := mapOf(t, p, ref(t, "honest", "eat", func(s *plugins.Settings) { s.Memory = 256 << 20 }))
	_, err := m.Process(ctx, plugins.Batch{Number: 2}, rows(0, 1, 1))
	failsWith(t, err, Limit, `operator "eat", batch 2 partition 0: its process and those it started had `, " MiB resident, where 256.0 MiB is the limit: it was killed, and is started again at the next call. "+
		"If it needs as much, set Settings.Memory higher; if it grows with every batch, it keeps what it should not")
}

func TestRowTooLarge(t *testing.T) {
	p, _ := pool(t)
	m, _ := mapOf(t, p, ref(t, "honest", "slow", portable))
	_, err := m.Process(ctx, plugins.Batch{Number: 2}, rows(0, 1, 5<<20))
	failsWith(t, err, Limit, "PROCESS with 1 rows has 5.0 MiB, where 4.0 MiB is the most that is sent at once: this cannot be split further. Make rows smaller, or fewer of a key")
	if _, err := m.Process(ctx, plugins.Batch{Number: 2}, rows(0, 1, 1)); err != nil {
		t.Errorf("behind it: %v", err)
	}
}

func TestPrints(t *testing.T) {
	p, l := pool(t)
	m, _ := mapOf(t, p, ref(t, "honest", "print"))
	for b := range int64(3) {
		if _, err := m.Process(ctx, plugins.Batch{Number: b}, rows(0, 3, 1)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "it is in the log", func() string {
		for _, want := range []string{"plugin prints to standard output, which is the engine's: it should print to standard error", `stream=stdout line="printed by the operator"`, `line="said by the operator"`} {
			if !strings.Contains(l.String(), want) {
				return "not in the log: " + want
			}
		}
		return ""
	})
}

// A restart that fails again and again waits longer and longer, and stops waiting once something is answered.
func TestBackOff(t *testing.T) {
	p, _ := pool(t)
	m, _ := mapOf(t, p, ref(t, "honest", "exit").With([]byte("5")))
	r := p.list()[0]
	for i := range 3 {
		_, err := m.Process(ctx, plugins.Batch{Number: 5}, rows(0, 1, 1))
		failsWith(t, err, Crash)
		if _, err := r.free(); err != nil { // notes the failure
			t.Fatal(err)
		}
		r.mu.Lock()
		fails, wait := r.fails, r.notBefore.Sub(p.clock.Now())
		r.mu.Unlock()
		if want := 100 * time.Millisecond << i; fails != i+1 || wait > want || wait < want-90*time.Millisecond {
			t.Errorf("after %d failures: %d counted, waits %v, want %v", i+1, fails, wait, want)
		}
	}
	if _, err := m.Process(ctx, plugins.Batch{Number: 6}, rows(0, 1, 1)); err != nil {
		t.Fatal(err)
	}
	if r.fails != 0 {
		t.Errorf("%d failures counted behind an answer", r.fails)
	}
	ended, cancel := context.WithCancel(ctx)
	_, _ = m.Process(ctx, plugins.Batch{Number: 5}, rows(0, 1, 1))
	cancel()
	if _, err := m.Process(ended, plugins.Batch{Number: 6}, rows(0, 1, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that was given up: %v", err)
	}
}

func TestClosed(t *testing.T) {
	p, l := pool(t)
	m, _ := mapOf(t, p, ref(t, "honest", "hang"))
	var g sync.WaitGroup
	g.Go(func() {
		if _, err := m.Process(ctx, plugins.Batch{Number: 7}, rows(0, 1, 1)); err == nil || !strings.Contains(err.Error(), "the pool of plugins is closed") {
			t.Errorf("a call that is out: %v", err)
		}
	})
	hangs(t, l)
	p.Close()
	g.Wait()
	if _, err := m.Process(ctx, plugins.Batch{}, rows(0, 1, 1)); !errors.Is(err, errClosed) {
		t.Errorf("a call behind Close: %v", err)
	}
	if _, _, err := p.Resolve(ctx, ref(t, "honest", "hang")); !errors.Is(err, errClosed) {
		t.Errorf("Resolve behind Close: %v", err)
	}
}
