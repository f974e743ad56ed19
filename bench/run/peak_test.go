package run

import (
	"os/exec"
	"runtime"
	"testing"
	"time"
)

// TestPeaks: a small child of a large process is small.
func TestPeaks(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("resident sets are read from /proc")
	}
	ballast := make([]byte, 300<<20)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	cmd := exec.Command("sh", "-c", "sleep 0.3; sleep 0.2")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := watchPeaks(cmd.Process.Pid)
	time.Sleep(200 * time.Millisecond)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if mb := p.end(); mb <= 0 || mb > 100 {
		t.Errorf("a shell had %.1f MiB", mb)
	}
	runtime.KeepAlive(ballast)
}
