package dstream_test

import (
	_ "embed"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

//go:embed window_mistakes_test.go
var windowMistakesSource string

// Mistakes in the use of windows are reported together, each with its line.
func TestMistakesOfWindows(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	_, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) {
		rows := dstream.From(job, in.Source())
		k := rows.KeyBy(dstream.Self).MapValues(func(v string) int64 { return 1 })
		rows.Window("", s, s)                                                                         // want: needs a name
		rows.Window("a", 0, s)                                                                        // want: a window of 0s: at least 1ms
		k.Window("b", s, time.Microsecond)                                                            // want: a slide of 1µs: at least 1ms
		rows.CountByWindow("c", s, ms+1)                                                              // want: batch time is in microseconds
		rows.ReduceByWindow("d", nil, s, s)                                                           // want: ReduceByWindow needs a function
		rows.ReduceByWindow("e", join, s, s, dstream.KeepEmpty())                                     // want: KeepEmpty and KeepIf belong to ReduceByKeyAndWindow
		rows.ReduceByWindow("f", join, s, s, dstream.Inverse(take))                                   // want: Inverse is a func(int64, int64) int64; the values are string: make it a func(string, string) string
		k.ReduceByKeyAndWindow("g", add, s, s, dstream.KeepEmpty())                                   // want: KeepEmpty needs Inverse
		k.ReduceByKeyAndWindow("h", add, s, s, dstream.KeepIf(func(int, int64) bool { return true })) // want: KeepIf is a func(int, int64) bool; make it a func(string, int64) bool
		k.ReduceByKeyAndWindow("i", add, s, s, dstream.Inverse[int64](nil))                           // want: Inverse needs a function
		rows.Remember("j", 0)                                                                         // want: Remember(0s): at least 1ms
		rows.Remember("k", s).Slice(nil).To(out)                                                      // want: Slice needs a function
	})
	wantMistakes(t, "window_mistakes_test.go", windowMistakesSource, err)
}

// A panic in a window's function names the operator, its line and the key, wherever it is: when values enter, leave, are combined anew or judged. The state
// is that before the batch.
func TestPanicsOfWindows(t *testing.T) {
	both := func(a, b string) string { return bomb(b) + a }
	for name, build := range map[string]func(k dstream.Keyed[string, string]) dstream.Table[string, string]{
		"enter": func(k dstream.Keyed[string, string]) dstream.Table[string, string] {
			return k.ReduceByKeyAndWindow("w", both, 3*time.Second, time.Second) // panic enter
		},
		"leave": func(k dstream.Keyed[string, string]) dstream.Table[string, string] {
			return k.ReduceByKeyAndWindow("w", join, 3*time.Second, time.Second, dstream.Inverse(both)) // panic leave
		},
		"judge": func(k dstream.Keyed[string, string]) dstream.Table[string, string] {
			return k.ReduceByKeyAndWindow("w", join, 3*time.Second, time.Second, dstream.KeepIf(func(k, v string) bool { bomb(v); return true })) // panic judge
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := runner(t, dstreamtest.Options{}, func(job *dstream.Job) { build(byFirst(job, in)).Changes().To(out) })
			input := []string{"boom", "b1", "b2", "b3", "b4"}
			if name == "enter" {
				input = []string{"b0", "boom"}
			}
			var err error
			at := 0
			for ; err == nil && at < len(input); at++ {
				_, err = r.Run(dstreamtest.At(seconds(at+1)), in.Part(0, input[at]))
			}
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range []string{"reduceByKeyAndWindow", "window_mistakes_test.go:" + itoa(lineIn(t, windowMistakesSource, "panic "+name)), "a bomb went off", "key b"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in: %s", want, err)
				}
			}
			if _, err := r.Run(dstreamtest.At(seconds(at)), in.Part(0, "c1")); err != nil && name == "enter" {
				t.Errorf("after the failed batch: %v", err)
			}
		})
	}
}
