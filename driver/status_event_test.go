package driver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

type visit struct {
	Page string
	At   time.Time
}

// TestEventTimeStatus moves a job with event time by hand, and asks the status server about it.
//
//	batch         1 at 1 s                              2 at 2 s          3 at 7 s: both partitions are idle
//	partition 0   a 12, far ahead                       a 5 (late), a 13  –
//	partition 1   10,000 pages, all 25                  –                 –
//	watermark     12                                    13                25
func TestEventTimeStatus(t *testing.T) {
	const pages = 10_000 // a state of 1 MiB does not hold so many
	feed, clock, out := source.NewFeed[visit](2), driver.NewManualClock(epoch), &lockedText{}
	cfg := lifeConfig(t)
	cfg.Interval, cfg.Clock, cfg.HTTP, cfg.Partitions, cfg.Log = time.Second, clock, "0", 1, slog.New(slog.NewTextHandler(out, nil))
	r := start(t, func(job *dstream.Job) {
		visits := dstream.From(job, feed.Source("visits")).Frame().EventTime("at", 0, dstream.IdleAfter(5*time.Second), dstream.Ahead(time.Hour))
		views := visits.Window(dstream.Tumbling(10*time.Second)).GroupBy("page").Agg("views", expr.Count().As("n"))
		few := visits.Window(dstream.Tumbling(time.Second), dstream.MaxState(1<<20), dstream.ShedOldest()).GroupBy("page").Agg("few", expr.Count().As("n"))
		type row struct{ N int64 }
		for _, f := range []dstream.Frame{views, few} {
			f.Select("n").As[row]().ForeachBatch(func(context.Context, dstream.Batch, rdd.RDD[row]) error { return nil })
		}
	}, cfg)
	base := epoch.Add(-time.Minute)
	at := func(page string, second int) visit { return visit{page, base.Add(time.Duration(second) * time.Second)} }
	turn := func(n int64, d time.Duration) {
		t.Helper()
		if err := r.WaitRead(soon(t)); err != nil {
			t.Fatal(err)
		}
		clock.Advance(d)
		if err := r.WaitBatch(soon(t), n); err != nil {
			t.Fatal(err)
		}
	}
	addr := "http://" + out.find(`addr=(\S+)`)
	µs := func(second int) *int64 { n := base.UnixMicro() + int64(second)*1_000_000; return &n }
	lag := func(seconds int64) *int64 { n := seconds * 1_000_000; return &n }
	want := func(event driver.EventTimeStatus, operators ...driver.OperatorStatus) {
		t.Helper()
		var s driver.Status
		if err := json.Unmarshal([]byte(get(t, addr+"/status")), &s); err != nil {
			t.Fatal(err)
		}
		if few := &s.Operators[1]; few.Shed > 0 { // by how much a row of state counts
			if few.Shed < 1000 || few.Shed >= pages {
				t.Errorf("%d rows shed", few.Shed)
			}
			few.Shed = 1
		}
		if d := cmp.Diff([]driver.EventTimeStatus{event}, s.EventTime) + cmp.Diff(operators, s.Operators); d != "" {
			t.Error(d)
		}
	}
	part := func(n int, reached *int64, idle bool) driver.ReachedStatus {
		return driver.ReachedStatus{Source: "visits", Partition: n, Key: []string{"0", "1"}[n], Reached: reached, Idle: idle}
	}

	want(driver.EventTimeStatus{Input: "visits.at", Partitions: []driver.ReachedStatus{part(0, nil, false), part(1, nil, false)}},
		driver.OperatorStatus{Name: "views"}, driver.OperatorStatus{Name: "few"})
	if m := get(t, addr+"/metrics"); strings.Contains(m, "millrace_watermark") || !strings.Contains(m, `millrace_late_rows_total{operator="views"} 0`) {
		t.Errorf("metrics before the first batch: %s", m)
	}

	feed.Push(0, at("a", 12), at("a", 7200))
	for i := range pages {
		feed.Push(1, at(fmt.Sprint(i), 25))
	}
	turn(1, time.Second)
	want(driver.EventTimeStatus{Input: "visits.at", Watermark: µs(12), Lag: lag(49), Ahead: 1, Partitions: []driver.ReachedStatus{part(0, µs(12), false), part(1, µs(25), false)}},
		driver.OperatorStatus{Name: "views"}, driver.OperatorStatus{Name: "few", Shed: 1})

	feed.Push(0, at("a", 5), at("a", 13))
	turn(2, time.Second)
	want(driver.EventTimeStatus{Input: "visits.at", Watermark: µs(13), Lag: lag(49), Ahead: 1, Partitions: []driver.ReachedStatus{part(0, µs(13), false), part(1, µs(25), false)}},
		driver.OperatorStatus{Name: "views", Late: 1}, driver.OperatorStatus{Name: "few", Late: 1, Shed: 1})

	turn(3, 5*time.Second)
	want(driver.EventTimeStatus{Input: "visits.at", Watermark: µs(25), Lag: lag(42), Idle: 2, Ahead: 1, Partitions: []driver.ReachedStatus{part(0, µs(13), true), part(1, µs(25), true)}},
		driver.OperatorStatus{Name: "views", Late: 1}, driver.OperatorStatus{Name: "few", Late: 1, Shed: 1})
	metrics := get(t, addr+"/metrics")
	for _, line := range []string{
		`millrace_watermark_timestamp_seconds{input="visits.at"} 1.767268765e+09`, `millrace_watermark_lag_seconds{input="visits.at"} 42`,
		`millrace_idle_partitions{input="visits.at"} 2`, `millrace_event_time_reached_timestamp_seconds{input="visits.at",partition="0",source="visits"} 1.767268753e+09`,
		`millrace_ahead_rows_total{input="visits.at"} 1`, `millrace_late_rows_total{operator="views"} 1`, `millrace_shed_rows_total{operator="views"} 0`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("metrics lack %s", line)
		}
	}
	if strings.Contains(metrics, `millrace_shed_rows_total{operator="few"} 0`) {
		t.Error("metrics show no rows shed")
	}
}
