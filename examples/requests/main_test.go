package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

func failed(path string) Request { return Request{"ada", path, 503} }

// TestFailing: the window is a minute long and slides by five seconds.
//
//	0 s   5 s                60 s  65 s  70 s
//	├─────┼──── … ────────────┼─────┼─────┤
//	 aaa b                      a           the minute's failures of /a: 3, …, 3, 1 (below the limit), of /b: 1
func TestFailing(t *testing.T) {
	times := []time.Time{dstreamtest.At(1 * time.Second), dstreamtest.At(5 * time.Second), dstreamtest.At(62 * time.Second), dstreamtest.At(65 * time.Second)}
	input := [][]Request{{failed("/a"), failed("/a"), failed("/b"), failed("/a"), {"bob", "/a", 200}}, {}, {failed("/a")}, {}}
	want := [][]dstream.Pair[string, int64]{{}, {dstreamtest.KV("/a", int64(3))}, {}, {}}
	dstreamtest.CheckKeyed(t, failing, input, want, dstreamtest.Times(times...))
}

// TestVisits: a user who has been idle for 30 seconds has left.
func TestVisits(t *testing.T) {
	j := dstreamtest.Run(t, func(job *dstream.Job) {
		visits(dstream.From(job, dstreamtest.Input[Request]("requests").Source())).To(dstreamtest.Sink("gone"))
	})
	requests := dstreamtest.Input[Request]("requests")
	j.Batch(requests.Part(0, failed("/a"), failed("/b")))
	b := j.Advance(31 * time.Second)
	if d := cmp.Diff([]dstream.Pair[string, Gone]{{Key: "ada", Value: Gone{2}}}, dstreamtest.Pairs[string, Gone](b[len(b)-1], "gone")); d != "" {
		t.Error(d)
	}
}

// What the guide quotes is what runs: every line of its Go blocks stands in the job or in this test, but for those of the last block.
func TestGuideQuotesTheJob(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "guide.md"))
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, name := range []string{"main.go", "main_test.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(text)
	}
	blocks := strings.Split(string(guide), "```go\n")[1:]
	for i, b := range blocks[:len(blocks)-1] {
		block, _, _ := strings.Cut(b, "```")
		if !strings.Contains(code.String(), block) {
			t.Errorf("block %d of docs/guide.md is not in the example:\n%s", i+1, block)
		}
	}
}
