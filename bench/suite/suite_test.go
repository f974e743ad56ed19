package suite

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/bench/run"
)

// Every step is one that run takes, its name is there once, and all works and both stores are there.
func TestSteps(t *testing.T) {
	names, works := map[string]bool{}, map[string]bool{}
	for _, s := range Steps(run.Defaults()) {
		if names[s.ID] {
			t.Errorf("%s is there twice", s.ID)
		}
		names[s.ID] = true
		works[s.Group()+" "+s.Options.Work+" "+s.Options.Source] = true
		if err := s.Options.Check(); err != nil {
			t.Errorf("%s: %v", s.ID, err)
		}
	}
	for _, work := range strings.Fields("w1 w2 w3 w4 w5 q0 q1 q2 q3 q4 q5 q6 q7 q8") {
		if !works["drain "+work+" log"] || !works["drain "+work+" kafka"] {
			t.Errorf("no drain of %s from log or from Kafka", work)
		}
	}
}

func TestChoose(t *testing.T) {
	all := Steps(run.Defaults())
	for only, want := range map[string]int{"": len(all), "scaling": 6, "drain/w4": 4, "state/10000": 1, "drain/q*/kafka": 9, "scaling,state/1000": 7} {
		var list []string
		if only != "" {
			list = strings.Split(only, ",")
		}
		got, err := Choose(all, list)
		if err != nil || len(got) != want {
			t.Errorf("%q: %d steps, %v; want %d", only, len(got), err, want)
		}
	}
	if _, err := Choose(all, []string{"scaling", "drain/w9"}); err == nil || !strings.Contains(err.Error(), "drain/w9") {
		t.Errorf("unknown: %v", err)
	}
}

func TestScale(t *testing.T) {
	s := Scale(Step{"state/1000", run.Options{Work: "state", Records: 10, Profiles: 1000, Keys: 1000, Seconds: 20}}, 0.1)
	if o := s.Options; o.Records != 1 || o.Profiles != 100 || o.Keys != 100 || o.Seconds != 2 {
		t.Errorf("%+v", o)
	}
}
