package run

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// peakEvery is how often resident sets are looked at. Their high-water marks only rise, so that what is missed is what a process adds in its last moments.
const peakEvery = 10 * time.Millisecond

// peaks watches the resident sets of a process and its children. What the system says at a process's end will not do: it counts in the memory of the process that
// started it, which holds the data of a run.
type peaks struct {
	stop, done chan struct{}
	largest    int64 // KiB, of the largest process; for who has seen done closed
}

func watchPeaks(pid int) *peaks {
	p := &peaks{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for {
			now := treePeak(pid)
			if now == 0 && p.largest > 0 {
				return // it has ended
			}
			p.largest = max(p.largest, now)
			select {
			case <-p.stop:
				return
			case <-time.After(peakEvery):
			}
		}
	}()
	return p
}

// end is the largest resident set of one process so far, in MiB; 0 where the system does not tell.
func (p *peaks) end() float64 {
	close(p.stop)
	<-p.done
	return float64(p.largest) / 1024
}

// OwnPeak is the high-water mark of this process's resident set, in MiB; 0 where the system does not tell.
func OwnPeak() float64 { return float64(ownPeak(os.Getpid())) / 1024 }

// treePeak is the largest high-water mark of a resident set, in KiB, of a process and its children that run.
func treePeak(pid int) (largest int64) {
	largest = ownPeak(pid)
	list, _ := children(pid)
	for _, c := range list {
		largest = max(largest, treePeak(c))
	}
	return largest
}

// ownPeak is that of the process alone.
func ownPeak(pid int) (peak int64) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // it may have ended
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			peak, _ = strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		}
	}
	return peak
}
