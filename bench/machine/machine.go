// Package machine says what a figure was measured on: the machine, and the commit of the binary.
package machine

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// Info is a machine as results name it.
type Info struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int    `json:"memory_gib"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Load   string `json:"load,omitempty"` // of the last minute, when it was asked
}

// Here is this machine. What cannot be read is left empty.
func Here() Info {
	return Info{
		CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Memory: memory(field("/proc/meminfo", "MemTotal")),
		Kernel: firstWord("/proc/sys/kernel/osrelease"), Go: runtime.Version(), Load: firstWord("/proc/loadavg"),
	}
}

// Name is a machine in a few words.
func (i Info) Name() string { return fmt.Sprintf("%s, %d cores, %d GiB", i.CPU, i.Cores, i.Memory) }

// Same tells whether figures of both may be compared.
func (i Info) Same(o Info) bool { return i.CPU == o.CPU && i.Cores == o.Cores }

func memory(text string) int {
	n, _, _ := strings.Cut(text, " ")
	kb, err := strconv.ParseFloat(n, 64)
	if err != nil {
		return 0
	}
	return int(math.Round(kb / (1 << 20)))
}

// field is the value of the first line "name : value" of a file.
func field(path, name string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func firstWord(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	word, _, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	return word
}

// Commit is what this binary was built from: the build's stamp, or else what is checked out here (go run leaves no stamp). A plus sign behind it says that
// files were changed.
func Commit() string {
	rev, dirty := "", false
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				rev = s.Value
			case "vcs.modified":
				dirty = s.Value == "true"
			}
		}
	}
	if rev == "" {
		out, err := exec.Command("git", "rev-parse", "HEAD").Output()
		if err != nil {
			return "unknown"
		}
		rev = strings.TrimSpace(string(out))
		changes, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output()
		dirty = err != nil || len(changes) > 0
	}
	rev = rev[:min(len(rev), 10)]
	if dirty {
		rev += "+"
	}
	return rev
}
