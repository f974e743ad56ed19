package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/plugins"
)

// A child of the process goes with it: when the pool is closed, when the process is killed, and when it ends.
func TestChildren(t *testing.T) {
	for _, how := range []string{"close", "kill"} {
		t.Run(how, func(t *testing.T) {
			p, _ := pool(t)
			m, _ := mapOf(t, p, ref(t, "honest", "fork"))
			got, err := m.Process(ctx, plugins.Batch{}, rows(0, 1, 1))
			if err != nil {
				t.Fatal(err)
			}
			child, _ := strconv.Atoi(got.Rec.Column(0).(*array.String).Value(0))
			if !living(child) {
				t.Fatalf("no child %d", child)
			}
			if how == "close" {
				p.Close()
			} else {
				_ = syscall.Kill(p.list()[0].running()[0].group(), syscall.SIGKILL)
			}
			eventually(t, "the child is gone", func() string {
				if living(child) {
					return "it lives"
				}
				return ""
			})
		})
	}
}

// A child that has left the process's group outlives it, and is not waited for.
func TestChildThatLeft(t *testing.T) {
	p, _ := pool(t)
	m, _ := mapOf(t, p, ref(t, "honest", "fork").With([]byte("away")))
	got, err := m.Process(ctx, plugins.Batch{}, rows(0, 1, 1))
	if err != nil {
		t.Fatal(err)
	}
	child, _ := strconv.Atoi(got.Rec.Column(0).(*array.String).Value(0))
	p.Close()
	if !living(child) {
		t.Error("the child is gone, and this test proves nothing")
	}
	_ = syscall.Kill(child, syscall.SIGKILL)
}

// A host that is killed takes its plugins along, those too that do not look at their standard input.
func TestKilledHost(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "mr") // short, and nobody else's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	for _, mode := range []string{"honest", "deaf"} {
		t.Run(mode, func(t *testing.T) {
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			c := exec.Command(exe)
			c.Env = append(os.Environ(), modeEnv+"=host", "OF="+mode)
			in, err := c.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			var pid int
			var folder string
			if _, err := fmt.Fscan(out, &pid, &folder); err != nil || !living(pid) {
				t.Errorf("no plugin: %d, %v", pid, err)
			}
			_ = c.Process.Kill()
			_ = c.Wait()
			eventually(t, "the plugin is gone", func() string {
				if living(pid) {
					return fmt.Sprintf("process %d lives", pid)
				}
				return ""
			})
			p, _ := pool(t) // it has a folder of its own, which stays
			if _, err := p.Describe(ctx, ref(t, "honest", "")); err != nil {
				t.Fatal(err)
			}
			own := p.list()[0].running()[0].folder
			sweep(filepath.Dir(folder), time.Now())
			if _, err := os.Stat(folder); err != nil {
				t.Errorf("a folder that is new: %v", err)
			}
			sweep(filepath.Dir(folder), time.Now().Add(2*time.Minute))
			if _, err := os.Stat(folder); err == nil {
				t.Error("the folder of a host that was killed is there")
			}
			if _, err := os.Stat(own); err != nil {
				t.Errorf("the folder of a host that lives: %v", err)
			}
		})
	}
}

// The kernel's own limits are set.
func TestConfined(t *testing.T) {
	p, _ := pool(t)
	if _, err := p.Describe(ctx, ref(t, "honest", "", func(s *plugins.Settings) { s.Memory = 1 << 30 })); err != nil {
		t.Fatal(err)
	}
	pid := p.list()[0].running()[0].group()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, "Max data size") && !strings.Contains(l, strconv.Itoa(5<<30)) {
			t.Errorf("%s, want %d", l, 5<<30)
		}
	}
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid)); err != nil || strings.TrimSpace(string(b)) != "500" {
		t.Errorf("oom_score_adj %s, %v", b, err)
	}
	if b := resident(map[int]*process{pid: nil}); len(b) != 0 {
		t.Errorf("resident of a process that is not asked for: %v", b)
	}
	if b := resident(map[int]*process{pid: {}})[pid]; b < 1<<20 || b > 1<<30 {
		t.Errorf("%d bytes resident", b)
	}
}

// Plugins that can do TLS do, and others are behind their folder.
func TestAuthentication(t *testing.T) {
	p, _ := pool(t)
	for mode, tls := range map[string]bool{"honest": true, "plain": false} {
		r := ref(t, mode, "op")
		if _, err := p.Describe(ctx, r); err != nil {
			t.Fatal(err)
		}
		remote, err := p.remote(r)
		if err != nil {
			t.Fatal(err)
		}
		x := remote.running()[0]
		if got := x.config.TLSConfig != nil; got != tls {
			t.Errorf("%s: TLS %v, want %v", mode, got, tls)
		}
		if s, err := os.Stat(x.folder); err != nil || s.Mode().Perm() != 0o700 {
			t.Errorf("%s: folder %v, %v", mode, s.Mode(), err)
		}
	}
	m, _ := mapOf(t, p, ref(t, "plain", "op"))
	if _, err := m.Process(ctx, plugins.Batch{}, rows(0, 3, 1)); err != nil {
		t.Error(err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("LANG", "C.UTF-8")
	p, _ := pool(t)
	m, _ := mapOf(t, p, ref(t, "honest", "env", func(s *plugins.Settings) { s.Env["MODEL"], s.Memory = "m.bin", 1<<30 }))
	got, err := m.Process(ctx, plugins.Batch{}, rows(0, 1, 1))
	if err != nil {
		t.Fatal(err)
	}
	text := got.Rec.Column(0).(*array.String)
	dir := strings.TrimPrefix(text.Value(0), "dir=")
	if s, err := os.Stat(filepath.Dir(dir)); err != nil || s.Mode().Perm() != 0o700 || filepath.Base(dir) != "work" {
		t.Errorf("works in %s: %v", dir, err)
	}
	for _, kv := range strings.Split(text.Value(1), "\n") {
		k, v, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(k, "PLUGIN_"), strings.HasPrefix(kv, "MILLRACE_"), k == "PATH", k == "HOME", k == "TZ", k == "TMPDIR", kv == "LANG=C.UTF-8", kv == "MODEL=m.bin", k == "GOMEMLIMIT" && v == "805306368":
		case strings.Contains(v, "secret"):
			t.Errorf("a secret: %s", kv)
		case v == "" || k == "PWD" || strings.HasPrefix(kv, "-----") || !strings.Contains(k, "_") && strings.ToUpper(k) != k: // lines of the certificate
		default:
			t.Errorf("environment has %s", kv)
		}
	}
}
