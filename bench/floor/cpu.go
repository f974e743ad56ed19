package floor

import (
	"bytes"
	"fmt"
	"syscall"
)

// State names the machine's state by its floor, beside the lowest one that is known of it; 0: none is.
func State(nanos, lowest float64) string {
	switch {
	case lowest == 0:
		return fmt.Sprintf("%.0f ns an event, no other known", nanos)
	case nanos > 1.5*lowest:
		return fmt.Sprintf("slow: %.0f ns an event, %.1f times the lowest known", nanos, nanos/lowest)
	}
	return fmt.Sprintf("fast: %.0f ns an event", nanos)
}

// text is what stands between key and the next quote, and what follows.
func text(in []byte, key string) (val, rest []byte) {
	i := bytes.Index(in, []byte(key))
	if i < 0 {
		return nil, in
	}
	in = in[i+len(key):]
	end := bytes.IndexByte(in, '"')
	if end < 0 {
		return nil, in
	}
	return in[:end], in[end:]
}

// cpu is this process's time so far, user and system, in ns.
func cpu() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
