package clumsy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// small mounts a file system of so many MiB at a folder of the place; grow gives it more. Only root can.
func (p *place) small(name string, mib int) (grow func(mib int)) {
	p.t.Helper()
	if os.Getuid() != 0 {
		p.t.Skip("only root can mount a small file system")
	}
	dir := filepath.Join(p.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	size := func(mib int) string { return fmt.Sprintf("size=%dm", mib) }
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, size(mib)); err != nil {
		p.t.Skipf("mount: %v", err)
	}
	p.t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	return func(mib int) {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, size(mib)); err != nil {
			p.t.Fatal(err)
		}
	}
}

// TestFullDisk: a job whose checkpoint, output or log is on a full disk stops and says what to do; with more space it goes on where it was.
func TestFullDisk(t *testing.T) {
	const words = 60_000
	for name, c := range map[string]struct {
		log  string
		mib  int
		args []string
		want string
	}{
		"checkpoint": {"log", 2, []string{"--checkpoint", "small/ck", "--to", "log:counts"}, "free some space"},
		"files":      {"log", 2, []string{"--checkpoint", "ck", "--to", "files:small/out"}, "free some space"},
		"log":        {"small/log", 1, []string{"--checkpoint", "ck", "--to", "log:counts"}, "free some space"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.log = c.log
			grow := p.small("small", c.mib)
			var lines []string
			for i := range words / 10 {
				line := make([]string, 10)
				for k := range line {
					line[k] = fmt.Sprintf("word-%d", i*10+k)
				}
				lines = append(lines, strings.Join(line, " "))
			}
			p.produce("lines", lines...)
			args := append(c.args, "--until-caught-up", "--max-rate", "20000")
			p.run("words", args...).refused(t, 1, c.want)
			p.run("words", args...).refused(t, 1, c.want)
			grow(200)
			p.ok("words", append(c.args, "--until-caught-up")...)
			rows := p.rows(c.args[3])
			if len(rows) != words {
				t.Errorf("%d rows, want %d", len(rows), words)
			}
			seen := map[string]bool{}
			for _, r := range rows {
				if seen[r] {
					t.Fatalf("%s came twice", r)
				}
				seen[r] = true
			}
		})
	}
}
