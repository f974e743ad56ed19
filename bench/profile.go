package main

import (
	"os"
	"runtime/pprof"
	"time"
)

// profileEnv names a file for a CPU profile of the job's process; profileFor is how long it runs, long enough for a drain to be in full flow.
const profileEnv = "MILLRACE_BENCH_PROFILE"

const profileFor = 3 * time.Second

// startProfile profiles the process for profileFor, or not at all.
func startProfile() error {
	path := os.Getenv(profileEnv)
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	time.AfterFunc(profileFor, func() {
		pprof.StopCPUProfile()
		f.Close()
		if h, err := os.Create(path + ".heap"); err == nil {
			_ = pprof.WriteHeapProfile(h)
			h.Close()
		}
	})
	return nil
}
