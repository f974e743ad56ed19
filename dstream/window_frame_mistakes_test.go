package dstream_test

import (
	_ "embed"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

//go:embed window_frame_mistakes_test.go
var windowFrameMistakesSource string

// Mistakes in windows of Frames are reported together, each with its line and what to do.
func TestMistakesOfFrameWindows(t *testing.T) {
	const h = time.Hour
	_, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) {
		f := dstream.From(job, in.Source()).Frame()
		by := func(w dstream.Window, opts ...dstream.WindowedOption) dstream.Windowed {
			return f.Window(w.ByBatchTime(), opts...)
		}
		f.Window(dstream.Tumbling(h)).TopN("a", 1, "value")                                 // want: the rows have no event time; say which column it is with EventTime
		by(dstream.Tumbling(h)).TopN("", 1, "value")                                        // want: needs a name
		by(dstream.Tumbling(0)).TopN("c", 1, "value")                                       // want: a window lasts a microsecond at least
		by(dstream.Tumbling(7*h).In("Europe/Berlin")).TopN("d", 1, "value")                 // want: does not divide a day
		by(dstream.Days(1).In("Berlin")).TopN("e", 1, "value")                              // want: zones have names like
		by(dstream.Session(h)).TopN("f", 1, "value")                                        // want: topN is for Tumbling, Sliding, Days and Months
		by(dstream.Tumbling(h), dstream.AllowedLateness(h)).TopN("g", 1, "value")           // want: AllowedLateness is for windows of event time
		by(dstream.Tumbling(h), dstream.OnChange(), dstream.Early(h)).TopN("h", 1, "value") // want: Early adds nothing to OnChange
		by(dstream.Tumbling(h), dstream.ShedOldest()).TopN("i", 1, "value")                 // want: ShedOldest needs MaxState
		by(dstream.Tumbling(h), dstream.MaxState(7)).TopN("j", 1, "value")                  // want: MaxState(7): at least a MiB
		by(dstream.Tumbling(h), dstream.EveryRows(7)).TopN("k", 1, "value")                 // want: EveryRows is for Global
		by(dstream.Tumbling(h)).GroupBy("valeu").TopN("l", 1, "value")                      // want: did you mean "value"?
		by(dstream.Tumbling(h)).TopN("m", 0, "value")                                       // want: topN: 0 rows; 1 to 10000
		by(dstream.Tumbling(h)).TopN("n", 1)                                                // want: in which order?
		by(dstream.Sliding(h, 7*time.Minute+time.Microsecond)).TopN("o", 1, "value")        // want: choose a slide that divides the size
		f.Deduplicate("p", h)                                                               // want: at least one key
		f.Deduplicate("q", h, "value", dstream.OnChange())                                  // want: deduplicate: OnChange is for windows
		f.LateRows()                                                                        // want: LateRows belongs directly behind an operator that gives them
		by(dstream.Tumbling(h)).Agg("r", expr.Count()).LateRows()                           // want: no row is ever late for these windows
		by(dstream.Tumbling(h)).GroupBy("valeu").Agg("s", expr.Count()).LateRows()          // want: did you mean "value"?
	})
	if err == nil {
		t.Fatal("no mistakes")
	}
	got := strings.Split(err.Error(), "\n")
	for i, line := range strings.Split(windowFrameMistakesSource, "\n") {
		_, want, ok := strings.Cut(line, "// want: ")
		if !ok || strings.Contains(line, "strings.Cut") {
			continue
		}
		at, found := "window_frame_mistakes_test.go:"+itoa(i+1)+": ", false
		for _, g := range got {
			found = found || strings.HasPrefix(g, at) && strings.Contains(g, want)
		}
		if !found {
			t.Errorf("no mistake %q at line %d in\n%s", want, i+1, err)
		}
	}
}
