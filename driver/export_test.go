package driver

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ChildrenIn are the executors of the driver whose DRIVER_TEST_DRIVER is dir.
func ChildrenIn(dir string) []int {
	envs, _ := filepath.Glob("/proc/[0-9]*/environ")
	var pids []int
	for _, path := range envs {
		env, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(env), envSocket+"=") || !strings.Contains(string(env), "DRIVER_TEST_DRIVER="+dir+"\x00") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}
