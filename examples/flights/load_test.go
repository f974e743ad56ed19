package flights

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/commitlog"
)

// lengths are how many records the topics in dir hold.
func lengths(t *testing.T, dir string) (out [2]int64) {
	t.Helper()
	log, err := commitlog.Open(dir, commitlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for i, name := range []string{Topic, WeatherTopic} {
		topic, err := log.Topic(name)
		if err != nil {
			t.Fatal(err)
		}
		if out[i], err = length(topic); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// The log is filled once; what else a topic holds is left alone.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if err := Load(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		if got := lengths(t, dir); got != [2]int64{328_521, 26_115} {
			t.Fatalf("the topics hold %d records", got)
		}
	}
	other := t.TempDir()
	log, err := commitlog.Create(other, commitlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(t.Context(), log, Topic, 1, [][]byte{[]byte("mine")}); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Load(t.Context(), other); err == nil || !strings.Contains(err.Error(), "topic departures holds 1 records") {
		t.Errorf("over another's records: %v", err)
	}
	if got := lengths(t, other)[0]; got != 1 {
		t.Errorf("it holds %d records now", got)
	}
}
