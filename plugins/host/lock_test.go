package host

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/plugins"
)

func TestLockFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if _, err := ReadLock(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a lock that is not there: %v", err)
	}
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	l := &Lock{}
	l.Put(Locked{a, 5, "./z", "p", "1"}, Locked{b, 6, "path with spaces", "q", "2 beta"})
	l.Put(Locked{b, 7, "./z", "p", "1.1"})
	if err := l.Write(path); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	if want := lockHead + b + "\t7\t./z\tp\t1.1\n" + b + "\t6\tpath with spaces\tq\t2 beta\n"; string(text) != want {
		t.Errorf("wrote\n%s\nwant\n%s", text, want)
	}
	got, err := ReadLock(path)
	if err != nil || len(got.Files) != 2 || got.Files[1] != l.Files[1] {
		t.Errorf("read %+v, %v", got, err)
	}
	l.Put(Locked{a, 1, "x\ty", "p", "1"})
	if err := l.Write(path); err == nil || !strings.Contains(err.Error(), "has a tab or a line break") {
		t.Errorf("a path with a tab: %v", err)
	}
	for text, want := range map[string]string{
		"x":                                     "line 1: 1 fields where there are 5",
		"# x\n\nzz\t1\tp\tn\tv":                 `line 3: "zz" is no sha256`,
		a + "\tx\tp\tn\tv":                      `line 1: "x" is no size`,
		a + "\t1\tp\tn\tv\n" + a + "\t1\tp\t\t": `line 2: path p comes twice: remove the file, and write it again with "millrace plugin lock"`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadLock(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// changed is the test binary with other bytes, in a folder.
func changed(t *testing.T, dir, more string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "plugin")
	if err := os.WriteFile(path+".new", append(b, more...), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestChecksum(t *testing.T) {
	p, _ := pool(t)
	r := ref(t, "honest", "slow")
	r.Path = changed(t, t.TempDir(), "one")
	f, err := sumFile(r.Path)
	if err != nil {
		t.Fatal(err)
	}
	r.Settings.Sum = f.Sum
	m, _ := mapOf(t, p, r)
	changed(t, filepath.Dir(r.Path), "two")
	if _, err := m.Process(ctx, plugins.Batch{}, rows(0, 1, 1)); err != nil {
		t.Errorf("a process that runs: %v", err)
	}
	now, err := sumFile(r.Path)
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	q, _ := pool(t)
	_, _, err = q.Resolve(ctx, r)
	failsWith(t, err, Refused, r.Path+" has other bytes than it must have: its sha256 is "+now.Sum, "Settings.Sum is "+f.Sum+": if the change is meant, change Settings.Sum")
	r.Settings.Sum = "123"
	_, _, err = q.Resolve(ctx, r)
	failsWith(t, err, Refused, `Settings.Sum "123" is no sha256: 64 hex digits in lower case are wanted`)
}

func TestLock(t *testing.T) {
	p, _ := pool(t)
	dir := t.TempDir()
	r := ref(t, "honest", "slow")
	r.Path = changed(t, dir, "one")
	script := filepath.Join(dir, "script with space.py")
	if err := os.WriteFile(script, []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Args = []string{"-u", script}
	d, files, err := p.Lock(ctx, r)
	if err != nil || d.Name != "honest" || d.Version != "1.0" || !d.Concurrent || len(d.Operators) != 19 || len(files) != 2 || files[1].Path != script {
		t.Fatalf("%v %v, %v", d, files, err)
	}
	l := &Lock{}
	r.Settings.Lock = filepath.Join(dir, "lock")
	_, _, err = p.Resolve(ctx, r)
	failsWith(t, err, Refused, "there is no lock file "+r.Settings.Lock)
	l.Put(files[0])
	if err := l.Write(r.Settings.Lock); err != nil {
		t.Fatal(err)
	}
	_, _, err = p.Resolve(ctx, r)
	command := "\n    millrace plugin lock --lock " + r.Settings.Lock + " " + r.Path + " -u '" + script + "'"
	failsWith(t, err, Refused, script+" is not in the lock file "+r.Settings.Lock+": if it is meant to run, add it with"+command)
	l.Put(files[1])
	if err := l.Write(r.Settings.Lock); err != nil {
		t.Fatal(err)
	}
	if _, _, err = p.Resolve(ctx, r); err != nil {
		t.Errorf("as it is locked: %v", err)
	}
	p.Close()
	q, _ := pool(t)
	if err := os.WriteFile(script, []byte("2"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err = q.Resolve(ctx, r)
	failsWith(t, err, Refused, script+" has other bytes than it must have: its sha256 is ", "the lock file has "+files[1].Sum+": if the change is meant, lock it again with"+command)
	changed(t, dir, "two")
	if err := l.Files[0].Check(); err == nil || !strings.Contains(err.Error(), files[0].Sum) {
		t.Errorf("Check of what has changed: %v", err)
	}
}

// What is checked is what is executed, even if the path leads elsewhere in between.
func TestSwappedBehindTheCheck(t *testing.T) {
	dir := t.TempDir()
	r := ref(t, "honest", "slow")
	r.Path = changed(t, dir, "one")
	f, err := sumFile(r.Path)
	if err != nil {
		t.Fatal(err)
	}
	r.Settings.Sum = f.Sum
	r.Args = []string{"-test.run", "^$"}
	r.Settings.Env = map[string]string{modeEnv: ""}
	cmd, done, err := command(r)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if err := os.WriteFile(r.Path+".new", []byte("#!/bin/sh\nexit 42\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(r.Path+".new", r.Path); err != nil {
		t.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("what was put in its place runs: %v\n%s", err, out)
	}
}

// Scripts run under their interpreter by path, checked as well.
func TestScript(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell")
	}
	p, _ := pool(t)
	dir := t.TempDir()
	self, _ := os.Executable()
	path := filepath.Join(dir, "plugin.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\ncase $0 in */plugin.sh) exec "+self+";; esac\nexit 9\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := ref(t, "honest", "slow")
	r.Path = path
	f, _ := sumFile(path)
	r.Settings.Sum = f.Sum
	m, _ := mapOf(t, p, r)
	if _, err := m.Process(ctx, plugins.Batch{}, rows(0, 1, 1)); err != nil {
		t.Error(err)
	}
}
