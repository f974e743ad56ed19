package sinktest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/sink"
)

// Row is a row of the kit's schema: a string key and an int64 value, both scalars.
type Row struct {
	Key   string
	Value int64
}

// Subject is a sink under test and a way to read what it has published.
type Subject struct {
	Spec *sink.Spec
	Env  sink.Env // Job, Log and Clock are filled in where they are empty
	// Read returns all rows that a reader sees now, in the order of the output; with two lanes, one lane's rows after the other's, or mixed.
	Read func() ([]Row, error)
	// EpochsRefused says that opening a lane under an epoch below the last one of the same checkpoint and timeline is an error; otherwise the last one to open it wins.
	EpochsRefused bool
}

// Make makes the subject in a place that dir stands for: with the same dir it is the same output, with another a fresh one.
type Make func(t testing.TB, dir string) Subject

// Schema is the schema of the rows that the kit writes.
var Schema = sink.Schema{
	Arrow: arrow.NewSchema([]arrow.Field{
		{Name: "key", Type: arrow.BinaryTypes.String},
		{Name: "value", Type: arrow.PrimitiveTypes.Int64},
	}, nil),
	Keys: 1, ScalarKey: true, ScalarValue: true,
}

// Run runs the conformance tests.
func Run(t *testing.T, mk Make) {
	for _, test := range []struct {
		name string
		run  func(*harness)
	}{
		{"StagedIsInvisible", stagedIsInvisible},
		{"PublishedOnce", publishedOnce},
		{"EmptyBatches", emptyBatches},
		{"StagedAgain", stagedAgain},
		{"Discard", discard},
		{"OrderKept", orderKept},
		{"RestartAtEveryStep", restartAtEveryStep},
		{"OldOwnerIsFenced", oldOwnerIsFenced},
		{"OldOwnerFlushes", oldOwnerFlushes},
		{"MarkerOfAnotherCheckpoint", markerOfAnotherCheckpoint},
		{"TwoLanes", twoLanes},
		{"FewerLanes", fewerLanes},
		{"Route", route},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(newHarness(t, mk)) })
	}
}

// harness is one output and the owners that a test gives it.
type harness struct {
	*testing.T
	subject Subject
	out     sink.Output
	epoch   int64
}

func newHarness(t *testing.T, mk Make) *harness { return openHarness(t, mk, t.TempDir()) }

func openHarness(t *testing.T, mk Make, dir string) *harness {
	h := &harness{T: t, subject: mk(t, dir)}
	if h.subject.Spec.Err != nil {
		t.Fatal(h.subject.Spec.Err)
	}
	if check := h.subject.Spec.Check; check != nil {
		if err := check(Schema); err != nil {
			t.Fatal(err)
		}
	}
	env := h.subject.Env
	if env.Job == "" {
		env.Job = "sinktest"
	}
	if env.Log == nil {
		env.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if env.Clock == nil {
		env.Clock = clock.System{}
	}
	out, err := h.subject.Spec.Open(context.Background(), env, Schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := out.Close(); err != nil {
			t.Errorf("close the output: %v", err)
		}
	})
	if _, err := out.Lanes(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	h.out = out
	return h
}

// owner is the owner under the harness's epoch.
func (h *harness) owner() sink.Owner {
	return sink.Owner{UUID: "5f1c2b8e-0000-4000-8000-000000000001", Timeline: 1, Epoch: h.epoch, Sink: h.subject.Spec.Name}
}

// next opens a lane as a restarted driver does: under a new epoch. Lanes that are open stay open, as those of a process do that
// does not know yet that it is lost.
func (h *harness) next(n, lanes int) sink.Lane {
	h.Helper()
	h.epoch++
	return h.open(n, lanes, h.owner())
}

func (h *harness) open(n, lanes int, o sink.Owner) sink.Lane {
	h.Helper()
	lane, err := h.out.Lane(context.Background(), n, lanes, o)
	if err != nil {
		h.Fatalf("open lane %d of %d: %v", n, lanes, err)
	}
	h.Cleanup(func() { _ = lane.Close() }) // a fenced lane may complain
	return lane
}

// batchOf is what the engine says of a batch.
func batchOf(n int64) sink.Batch {
	return sink.Batch{Number: n, Time: n * 1000, PlanHash: []byte(fmt.Sprintf("plan-%04d", n))}
}

// rowsOf are the rows of batch n: three keys, values that rise with the batch.
func rowsOf(n int64) []Row {
	return []Row{{"a", n * 10}, {"b", n*10 + 1}, {"c", n*10 + 2}, {"a", n*10 + 3}}
}

// record is rows as columns.
func record(rows ...Row) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, Schema.Arrow)
	for _, r := range rows {
		b.Field(0).(*array.StringBuilder).Append(r.Key)
		b.Field(1).(*array.Int64Builder).Append(r.Value)
	}
	return b.NewRecord()
}

// records are rows as two records, as if from two tasks.
func records(rows []Row) []arrow.Record {
	return []arrow.Record{record(rows[:1]...), record(rows[1:]...)}
}

func (h *harness) stage(l sink.Lane, n int64, rows []Row) {
	h.Helper()
	var recs []arrow.Record
	if len(rows) > 0 {
		recs = h.encoded(n, records(rows))
	}
	if err := l.Stage(context.Background(), batchOf(n), recs); err != nil {
		h.Fatalf("stage batch %d: %v", n, err)
	}
}

// encoded are rows as the engine may give them to a lane: of every second batch as the bytes that the sink writes, if it takes such.
func (h *harness) encoded(batch int64, recs []arrow.Record) []arrow.Record {
	h.Helper()
	if h.subject.Spec.Encoded == nil || batch%2 == 0 {
		return recs
	}
	enc := h.subject.Spec.RowEncoder(row.Must[string](), row.Must[int64](), 1)
	var out []arrow.Record
	for _, rec := range recs {
		if err := enc.Record(rec, nil); err != nil {
			h.Fatal(err)
		}
		lanes, err := enc.Records()
		if err != nil {
			h.Fatal(err)
		}
		if lanes[0] != nil { // rec has rows
			out = append(out, lanes[0])
		}
	}
	return out
}

func (h *harness) publish(l sink.Lane, n int64) {
	h.Helper()
	if err := l.Publish(context.Background(), batchOf(n)); err != nil {
		h.Fatalf("publish batch %d: %v", n, err)
	}
}

// write stages and publishes whole batches.
func (h *harness) write(l sink.Lane, batches ...int64) {
	h.Helper()
	for _, n := range batches {
		h.stage(l, n, rowsOf(n))
		h.publish(l, n)
	}
}

func (h *harness) flush(l sink.Lane) {
	h.Helper()
	if err := l.Flush(context.Background()); err != nil {
		h.Fatalf("flush: %v", err)
	}
}

// visible checks what readers see now.
func (h *harness) visible(want ...[]Row) {
	h.Helper()
	got, err := h.subject.Read()
	if err != nil {
		h.Fatalf("read: %v", err)
	}
	var all []Row
	for _, rows := range want {
		all = append(all, rows...)
	}
	if diff := cmp.Diff(all, got); diff != "" {
		h.Fatalf("visible rows (-want +got):\n%s", diff)
	}
}

// marker checks a lane's marker; n 0 means that there must be none.
func (h *harness) marker(l sink.Lane, n int64) {
	h.Helper()
	m, ok := l.Marker()
	if n == 0 {
		if ok {
			h.Fatalf("the lane has a marker, %+v, before anything was published", m)
		}
		return
	}
	want := sink.Marker{UUID: h.owner().UUID, Timeline: 1, Batch: n, PlanHash: batchOf(n).PlanHash}
	if diff := cmp.Diff(want, m); !ok || diff != "" {
		h.Fatalf("marker (found: %v) (-want +got):\n%s", ok, diff)
	}
}
