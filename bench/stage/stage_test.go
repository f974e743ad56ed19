package stage

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"math"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

const wide, src = module + "executor.(*wideWork).do", module + "executor.(*sourceWork).do"

func TestOf(t *testing.T) {
	for _, c := range []struct {
		want  string
		stack string // from the leaf on
	}{
		{Decode, "runtime.memmove " + module + "internal/decode.(*Columns).Append " + src},
		{Read, "internal/runtime/syscall/linux.Syscall6 syscall.pread os.(*File).ReadAt " + module + "commitlog.(*Reader).Next " + module + "executor.(*reader).loop"},
		{Sink, module + "commitlog.(*Writer).Append " + module + "sink.(*logLane).Publish"},
		{Sync, "syscall.Syscall golang.org/x/sys/unix.Fdatasync " + module + "commitlog.(*committer).commit"},
		{Map, "strings.Fields " + module + "examples/workloads.holdsWord " + module + "internal/ops.KernelFunc.Process " + src},
		{Map, module + "internal/row.(*Dict).find " + module + "internal/ops.(*Scratch).Add " + src},
		{Reduce, module + "internal/row.(*Dict).find " + module + "internal/ops.(*Scratch).Add " + wide},
		{State, module + "internal/row.(*Keys).Key " + module + "internal/state.sortKeys " + wide},
		{State, "syscall.write " + module + "executor.folder.write " + module + "executor.(*deltaWork).do"},
		{Shuffle, module + "internal/batch.Marshal " + src},
		{Read, "hash/crc32.update github.com/twmb/franz-go/pkg/kgo.ProcessFetchPartition github.com/twmb/franz-go/pkg/kgo.(*source).fetch"},
		{Engine, "runtime.selectgo " + module + "driver.(*engine).loop"},
		{Start, "crypto/sha256.block " + module + "driver.executableHash " + module + "driver.Main"},
		{GC, "runtime.scanobject runtime.gcDrain runtime.gcBgMarkWorker"},
		{Other, "runtime.findRunnable runtime.schedule runtime.mcall"},
		{Other, ""},
	} {
		if got := Of(strings.Fields(c.stack)); got != c.want {
			t.Errorf("%s: %s, want %s", c.stack, got, c.want)
		}
	}
}

func TestShares(t *testing.T) {
	s := Shares(Profile{{[]string{module + "expr.f"}, 30}, {[]string{module + "sink.g"}, 60}, {nil, 10}})
	if len(s) != 3 || s[Map] != 0.3 || s[Sink] != 0.6 || s[Other] != 0.1 {
		t.Errorf("%v", s)
	}
}

// spin is a function to find in a profile.
//
//go:noinline
func spin(d time.Duration) (x float64) {
	for began := time.Now(); time.Since(began) < d; {
		for i := range 10_000 {
			x += math.Sqrt(float64(i))
		}
	}
	return x
}

// A real profile holds the function that this test kept busy.
func TestParse(t *testing.T) {
	var b bytes.Buffer
	if err := pprof.StartCPUProfile(&b); err != nil {
		t.Skip(err) // go test -cpuprofile
	}
	spin(300 * time.Millisecond)
	pprof.StopCPUProfile()
	p, err := Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	found, sum := int64(0), int64(0)
	for _, s := range p {
		sum += s.Nanos
		if strings.Contains(strings.Join(s.Stack, " "), "stage.spin") {
			found += s.Nanos
		}
	}
	if sum < int64(50*time.Millisecond) || found*2 < sum {
		t.Errorf("%v of %v in spin", time.Duration(found), time.Duration(sum))
	}
}

// Damaged profiles are errors, never a crash.
func FuzzParse(f *testing.F) {
	zip := func(raw []byte) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(raw)
		z.Close()
		return b.Bytes()
	}
	sample := append([]byte{2<<3 | 2, 6, 1<<3 | 2, 1, 1, 2<<3 | 2, 1, 9}, 4<<3|2, 6, 1<<3, 1, 4<<3|2, 2, 1<<3, 1)
	f.Add(zip(binary.AppendUvarint(sample, 5<<3)))
	f.Add([]byte("no gzip"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = Parse(data)
		_, _ = Parse(zip(data))
	})
}
