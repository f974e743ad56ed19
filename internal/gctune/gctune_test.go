package gctune

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestPercentFor(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		live, scanned uint64
		want          int
	}{
		{0, 0, percentMax}, {8 * mb, mb, 1200}, {64 * mb, mb, 150}, // Room
		{160 * mb, 0, 60}, {192 * mb, 0, 33}, {256 * mb, 0, 25}, // up to Goal
		{160 * mb, 160 * mb, 60}, {200 * mb, 200 * mb, 60}, // more where there are pointers
		{8192 * mb, 0, 25}, {8192 * mb, 8192 * mb, 60}, {8192 * mb, 4096 * mb, 42},
		{200 * mb, 400 * mb, 60}, // what is scanned is counted at another time
	} {
		if got := percentFor(c.live, c.scanned); got != c.want {
			t.Errorf("%d MB live, %d MB scanned: GOGC %d, want %d", c.live/mb, c.scanned/mb, got, c.want)
		}
	}
}

func TestRunSetsAndEnds(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	Run(ctx)
	if got := debug.SetGCPercent(100); got == 100 {
		t.Error("the setting was left as it was")
	}
}

// The setting follows what is live, up and down, behind each collection.
func TestRunFollowsTheHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	stop := Start()
	wait := func(what string, is func(percent uint64) bool) {
		t.Helper()
		setting := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			runtime.GC()
			if metrics.Read(setting); is(setting[0].Value.Uint64()) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: GOGC is %d", what, setting[0].Value.Uint64())
			}
		}
	}
	much := make([]byte, 512<<20) // no page of it is touched
	wait("512 MB are live", func(percent uint64) bool { return percent <= 30 })
	runtime.KeepAlive(much)
	much = nil
	wait("little is live", func(percent uint64) bool { return percent > 300 })
	stop()
}
