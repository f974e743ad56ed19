package kill

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/driver"
)

// TestReplayBytes computes every committed batch again from its record, under recorded layouts of 1, 2 and 5 partitions: twice with equal bytes, and
// equal to what was published, row for row (I2). Across layouts batches are equal as multisets (P27).
func TestReplayBytes(t *testing.T) {
	needProc(t)
	seed := seedOf(t)
	const batches = 10
	for _, job := range []string{"words", "enrich"} {
		t.Run(job, func(t *testing.T) {
			var across map[int64][]string
			for _, layout := range []string{"1", "2", "5"} {
				w := scriptedWorld(t, job, "log", seed, batches)
				w.master = "local[2]"
				w.flags = append(w.flags, "--partitions", layout)
				w.start(t).finish(t)
				out := w.verify(t)
				got := map[int64][]string{}
				for b := int64(1); b <= batches; b++ {
					w.replayed(t, b, out)
					for _, rows := range out {
						for _, r := range rows {
							if r.batch == b {
								got[b] = append(got[b], r.key+"="+r.value)
							}
						}
					}
					slices.Sort(got[b])
				}
				if across == nil {
					across = got
				}
				if diff := cmp.Diff(across, got); diff != "" {
					w.failf(t, "layout 1 and layout %s differ:\n%s", layout, diff)
				}
			}
		})
	}
}

// replayed computes batch b twice and compares it with what was published.
func (w *world) replayed(t *testing.T, b int64, out published) {
	t.Helper()
	t.Setenv(envSink, w.sink)
	t.Setenv(envWorld, w.dir)
	cfg := driver.Config{Name: "kill", Checkpoint: w.checkpt(), LogDir: w.logDir(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	var images [2][]byte
	for i := range images {
		lanes, err := driver.Replay(t.Context(), jobs[w.job], cfg, b)
		if err != nil {
			w.failf(t, "replay of batch %d: %v", b, err)
		}
		recs := lanes["log:"+outTopic]
		images[i] = image(t, recs)
		if i == 0 {
			w.compareLanes(t, b, recs, out)
		}
	}
	if !bytes.Equal(images[0], images[1]) {
		w.failf(t, "batch %d: two replays differ in their bytes (I2)", b)
	}
}

func (w *world) compareLanes(t *testing.T, b int64, recs map[int][]arrow.Record, out published) {
	t.Helper()
	for lane, rows := range out {
		var want, got []row
		for _, r := range rows {
			if r.batch == b {
				want = append(want, r)
			}
		}
		for _, rec := range recs[lane] {
			for i := range int(rec.NumRows()) {
				got = append(got, w.recordRow(t, b, rec, i))
			}
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
			w.failf(t, "batch %d lane %d (-published +replayed):\n%s", b, lane, diff)
		}
	}
}

// recordRow is row i of a sink's record.
func (w *world) recordRow(t *testing.T, b int64, rec arrow.Record, i int) row {
	t.Helper()
	cell := map[string]string{}
	null := map[string]bool{}
	for c, f := range rec.Schema().Fields() {
		cell[f.Name], null[f.Name] = rec.Column(c).ValueStr(i), rec.Column(c).IsNull(i)
	}
	if w.job == "words" {
		return row{b, cell["key"], cell["value"]}
	}
	var seq int64
	if _, err := fmt.Sscan(cell["seq"], &seq); err != nil {
		t.Fatalf("record %v: %v", rec.Schema(), err)
	}
	name := cell["name"]
	if null["name"] {
		name = ""
	}
	return row{batch: b, value: enrichedText(seq, cell["page"], name, !null["name"])}
}

// image is all lanes' records as Arrow streams.
func image(t *testing.T, lanes map[int][]arrow.Record) []byte {
	t.Helper()
	var buf bytes.Buffer
	for lane := range 16 {
		fmt.Fprintf(&buf, "lane %d\n", lane)
		for _, rec := range lanes[lane] {
			out := ipc.NewWriter(&buf, ipc.WithSchema(rec.Schema()))
			if err := out.Write(rec); err != nil {
				t.Fatal(err)
			}
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return buf.Bytes()
}
