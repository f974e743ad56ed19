package host

import (
	"bytes"
	"os"
	"strconv"
)

// resident are the bytes that process groups have resident.
func resident(groups map[int]*process) map[int]int64 {
	out := map[int]int64{}
	dir, err := os.Open("/proc")
	if err != nil {
		return out
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	page := int64(os.Getpagesize())
	for _, n := range names {
		if n[0] < '0' || n[0] > '9' {
			continue
		}
		b, err := os.ReadFile("/proc/" + n + "/stat")
		i := bytes.LastIndexByte(b, ')') // behind the name, which may have anything in it
		if err != nil || i < 0 {
			continue
		}
		f := bytes.Fields(b[i+1:])
		if len(f) < 22 {
			continue
		}
		group, _ := strconv.Atoi(string(f[2]))
		if groups[group] == nil {
			continue
		}
		pages, _ := strconv.ParseInt(string(f[21]), 10, 64)
		out[group] += pages * page
	}
	return out
}
