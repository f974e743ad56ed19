package driver_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

type pluginWord struct{ Word string }

// pluginCount is an operator of kind keyed that counts words in a state of type S.
func pluginCount[S any](n func(*S) *int64) plugins.Operator {
	type count struct{ N int64 }
	return plugins.Stateful("count", func(_ string, words []pluginWord, st *plugins.State[S]) []count {
		s := st.Get()
		*n(&s) += int64(len(words))
		st.Set(s)
		return []count{{*n(&s)}}
	})
}

// servePlugin is this binary as a plugin, in the version that the environment names: its state gains a field, and then loses one.
func servePlugin() {
	version := os.Getenv("DRIVER_TEST_VARIANT")
	op := map[string]plugins.Operator{
		"1": pluginCount(func(s *struct{ N int64 }) *int64 { return &s.N }),
		"2": pluginCount(func(s *struct {
			N     int64
			Label string
			Since time.Time
		}) *int64 {
			return &s.N
		}),
		"3": pluginCount(func(s *struct{ Count int64 }) *int64 { return &s.Count }),
	}[version]
	plugins.ServePlugin(plugins.Plugin{Name: "counts", Version: version, Operators: []plugins.Operator{op}})
}

// pluginCounts counts words with a version of the plugin.
func pluginCounts(t *testing.T, version string) func(*dstream.Job) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ref := plugins.Command(exe).Set(plugins.Settings{Env: map[string]string{"DRIVER_TEST_VARIANT": version}})
	return func(job *dstream.Job) {
		words := dstream.From(job, source.LogText("lines")).FlatMap(strings.Fields).Map(func(w string) pluginWord { return pluginWord{w} })
		words.Frame().GroupBy("word").Running("words").Via(ref).To(sink.LogJSON("counts"))
	}
}

// TestStateOfPluginChanges: the state of a plugin's operator belongs to the checkpoint. Another version of the plugin may add fields to it, and is refused before it is
// given rows that it would not understand.
func TestStateOfPluginChanges(t *testing.T) {
	f := newFixture(t, "local[1]")
	run := func(version string) error {
		f.write("a b a")
		return driver.Run(t.Context(), pluginCounts(t, version), f.cfg)
	}
	state := func(rows ...string) {
		t.Helper()
		for _, row := range rows {
			if got := f.state(); !strings.Contains(got, row) {
				t.Errorf("no %s in\n%s", row, got)
			}
		}
	}
	if err := run("1"); err != nil {
		t.Fatal(err)
	}
	state(`{"key":{"word":"a"},"value":{"n":2}}`)
	if err := run("2"); err != nil {
		t.Fatal(err)
	}
	state(`{"key":{"word":"a"},"value":{"n":4,"label":"","since":"0001-01-01T00:00:00Z"}}`, `{"key":{"word":"b"},"value":{"n":2,"label":"","since":"0001-01-01T00:00:00Z"}}`)
	for version, want := range map[string]string{"1": "field label is gone\n", "3": "- state  n: int64\n"} {
		err := run(version)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `operator "words" (via)`) || !strings.Contains(err.Error(), "--drop words") {
			t.Errorf("version %s: %v", version, err)
		}
	}
	f.cfg.Drop = []string{"words"}
	if err := run("3"); err != nil {
		t.Fatalf("version 3 with --drop: %v", err)
	}
}
