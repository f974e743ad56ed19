package main

import (
	"testing"

	"github.com/millrace/millrace/bench/report"
)

func TestPeer(t *testing.T) {
	got, err := peer([]byte("noise\n" + `{"name":"kstreams-w4","settings":"exactly_once_v2","n":5,"startup_s":3.14,"events_s":100,"cpu_s_per_M":11.5,"rss_mb":928,"steady_events_s":137,"steady_cpu_s_per_M":8.4}` + "\n"))
	if want := (report.Peer{Settings: "exactly_once_v2", CPU: 8.4, Whole: 11.5, EventsS: 137, PeakMB: 928, Start: "3.1"}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if _, err := peer([]byte("{}\n")); err == nil {
		t.Error("nothing is a figure")
	}
}
