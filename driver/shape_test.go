package driver

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// TestGates: the machine holds a source back as the plan says (P32). A table that is joined with another table waits for it.
func TestGates(t *testing.T) {
	job := dstream.NewJob(dstream.JobOptions{})
	keyed := func(name string) dstream.Keyed[string, string] {
		return dstream.From(job, source.Memory[string]().Named(name)).KeyBy(func(s string) string { return s })
	}
	nowhere := func(name string) sink.Sink {
		return sink.New(&sink.Spec{Name: name, Kind: "memory", Text: "memory " + name})
	}
	first := func(a, _ string) string { return a }
	c := keyed("c").Latest("c table")
	b := keyed("b").JoinTable(c, first).Latest("b table")
	keyed("a").JoinTable(b, first).To(nowhere("out"))
	self := keyed("self")
	self.JoinTable(self.Latest("self table"), first).To(nowhere("self out"))
	plan, err := job.Plan()
	if err != nil {
		t.Fatal(err)
	}
	want := []sourceShape{
		{name: "c", table: true}, {name: "b", after: []string{"c"}, table: true}, {name: "a", after: []string{"b"}}, {name: "self"},
	}
	got := shapeOf(plan).sources
	for i := range got {
		got[i].bounded = false
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(sourceShape{})); d != "" {
		t.Error(d)
	}
}
