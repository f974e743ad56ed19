package driver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

type parcel struct {
	Number int64
	Weight string // a number, mostly
}

// TestBacklogWithBadRecords drains megabytes of a log, of which blocks are read by the tasks that decode them and whose memory is used again: what did not decode, and what an
// expression did not accept, comes to the dead letters with the record that it was (P13, P26).
func TestBacklogWithBadRecords(t *testing.T) {
	const n, refusedEvery, brokenEvery = 60_000, 1009, 1511
	dir := t.TempDir()
	pad := strings.Repeat("x", 200)
	sum, dead := int64(0), map[int64]string{}
	log, err := commitlog.Create(filepath.Join(dir, "log"), commitlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	topic, err := log.Create("parcels", commitlog.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := topic.Writer(0)
	if err != nil {
		t.Fatal(err)
	}
	for lo := 0; lo < n; lo += 3000 {
		var b commitlog.Batch
		for i := lo; i < lo+3000; i++ {
			text := fmt.Sprintf(`{"number":%d,"weight":"%d","pad":"%s"}`, i, i%50, pad)
			switch {
			case i%refusedEvery == 1:
				text = fmt.Sprintf(`{"number":%d,"weight":"heavy %[1]d","pad":"%s"}`, i, pad)
				dead[int64(i)] = text
			case i%brokenEvery == 1:
				text = fmt.Sprintf(`{"number":%d,"weight":oops %[1]d %s`, i, pad)
				dead[int64(i)] = text
			default:
				sum += int64(i % 50)
			}
			if err := b.Add(nil, []byte(text), 1); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Commit(context.Background(), &b, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := driver.Config{Name: "parcels", Master: "local[2]", LogDir: filepath.Join(dir, "log"), Checkpoint: filepath.Join(dir, "checkpoint"), UntilCaughtUp: true, MaxRate: 1_000_003, Log: quiet()}
	var last int64
	err = driver.Run(soon(t), func(job *dstream.Job) {
		type total struct{ Sum *int64 }
		dstream.From(job, source.Log("parcels", source.JSON[parcel]())).DeadLetter(sink.LogJSON("dead")).Frame().
			With("kilos", expr.Col("weight").Cast(expr.Int64)).
			GroupBy().Running("all").Agg(expr.Sum(expr.Col("kilos")).As("sum")).Select("sum").As[total]().
			ForeachBatch(func(ctx context.Context, _ dstream.Batch, rows rdd.RDD[total]) error {
				all, err := rows.Collect(ctx)
				for _, r := range all {
					last = *r.Sum
				}
				return err
			})
	}, cfg)
	if err != nil || last != sum {
		t.Errorf("sum %d, want %d: %v", last, sum, err)
	}
	out, err := log.Topic("dead")
	if err != nil {
		t.Fatal(err)
	}
	parts, err := out.Partitions()
	if err != nil {
		t.Fatal(err)
	}
	for p := range parts {
		for _, record := range readAll(t, out, p) { // without a key
			var d struct {
				Offset int64
				Value  []byte
				Reason string
			}
			if err := json.Unmarshal([]byte(record), &d); err != nil {
				t.Fatal(err)
			}
			if string(d.Value) != dead[d.Offset] || d.Reason == "" {
				t.Errorf("offset %d, %s: %.60q, want %.60q", d.Offset, d.Reason, d.Value, dead[d.Offset])
			}
			delete(dead, d.Offset)
		}
	}
	if len(dead) > 0 {
		t.Errorf("%d dead letters did not come", len(dead))
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}
