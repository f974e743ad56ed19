package driver

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestSweep: a start removes folders of sockets that nobody uses, and nothing else.
func TestSweep(t *testing.T) {
	base, err := os.MkdirTemp("", "sweep") // t.TempDir has names too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	now := time.Now()
	for name, c := range map[string]struct {
		goes  bool
		build func(dir string)
	}{
		"killed":     {true, func(dir string) { write(t, dir, "token", "program"); listen(t, dir, "e1.sock", false) }},
		"no-sockets": {true, func(dir string) { write(t, dir, "token", "program") }},
		"lives":      {false, func(dir string) { write(t, dir, "token"); listen(t, dir, "e1.sock", true) }},
		"one-lives": {false, func(dir string) {
			write(t, dir, "token")
			listen(t, dir, "e1.sock", false)
			listen(t, dir, "e2.sock", true)
		}},
		"starts":      {false, func(dir string) { write(t, dir, "token"); namesSocket(t, filepath.Join(dir, "e1.sock")) }},
		"state-1":     {false, func(dir string) { write(t, dir, "token", "index.db") }},
		"no-token":    {false, func(dir string) { write(t, dir, "program") }},
		"no-socket":   {false, func(dir string) { write(t, dir, "token", "e1.sock") }},
		"mode":        {false, func(dir string) { write(t, dir, "token"); check(t, os.Chmod(dir, 0o755)) }},
		"other-user":  {os.Getuid() != 0, func(dir string) { write(t, dir, "token"); _ = os.Chown(dir, 1, 1) }},
		"young":       {false, func(dir string) { write(t, dir, "token") }},
		"not-a-dir":   {false, func(dir string) { check(t, os.Remove(dir)); check(t, os.WriteFile(dir, nil, 0o700)) }},
		"just-a-link": {false, func(dir string) { check(t, os.Remove(dir)); check(t, os.Symlink(t.TempDir(), dir)) }},
	} {
		dir := filepath.Join(base, procsPrefix+name)
		check(t, os.Mkdir(dir, 0o700))
		c.build(dir)
		if name != "young" && name != "just-a-link" {
			check(t, os.Chtimes(dir, now, now.Add(-2*leftoverAge)))
		}
		sweep(base, now)
		if _, err := os.Lstat(dir); os.IsNotExist(err) != c.goes {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSweepLimit: a start removes a few leftovers, not all that there are.
func TestSweepLimit(t *testing.T) {
	base := t.TempDir()
	for i := range 2 * leftoverLimit {
		dir := filepath.Join(base, procsPrefix+string(rune('a'+i)))
		check(t, os.Mkdir(dir, 0o700))
		write(t, dir, "token")
	}
	sweep(base, time.Now().Add(2*leftoverAge))
	if left, _ := filepath.Glob(filepath.Join(base, "*")); len(left) != leftoverLimit {
		t.Errorf("%d folders are left", len(left))
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		check(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
}

// listen leaves a socket, and somebody who listens if lives.
func listen(t *testing.T, dir, name string, lives bool) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(dir, name))
	check(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if lives {
		t.Cleanup(func() { _ = l.Close() })
	} else {
		check(t, l.Close())
	}
}

// namesSocket starts a process that was told to listen on a socket and does not do so yet.
func namesSocket(t *testing.T, sock string) {
	t.Helper()
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		listen(t, filepath.Dir(sock), filepath.Base(sock), true) // elsewhere only a socket shows that somebody is there
		return
	}
	cmd := exec.Command("sleep", "60")
	cmd.Env = append(os.Environ(), envSocket+`={"Socket":"`+sock+`"}`)
	check(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}
