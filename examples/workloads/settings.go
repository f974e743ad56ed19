package workloads

import (
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/examples/nexmark"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// Settings say which workload a job is, and where its rows come from and go to. Register gives the defaults.
type Settings struct {
	Work      string        // w1 to w5, empty, state, closures, or a query of Nexmark
	Form      string        // of w1 to w5: closures or frame
	Source    string        // log or kafka: of the input and of the output
	Campaigns string        // w4: a file with a line "ad,campaign" for each ad
	Window    time.Duration // w4: length of a window of event time
	Filter    string        // w4 as a Frame: what keeps the views: an expression, or the operator Views, compiled in (apply) or in a plugin (via, and portable: without shared memory)
	Slide     time.Duration // w3: by how much the window slides, the batch interval or a multiple of it
}

// Register adds the settings to fs as flags, and returns where their values will be.
func Register(fs *pflag.FlagSet) *Settings {
	s := &Settings{}
	fs.StringVar(&s.Work, "work", "w4", "w1 to w5, empty, state, closures, or a query of Nexmark: q0, q1, …")
	fs.StringVar(&s.Form, "form", "closures", "w1 to w5: closures or frame: how the job says what it computes, in functions of Go or in expressions over columns")
	fs.StringVar(&s.Source, "source", "log", "log or kafka: where rows come from and go to")
	fs.StringVar(&s.Campaigns, "campaigns", "campaigns.csv", "w4: file with a line \"ad,campaign\" for each ad")
	fs.StringVar(&s.Filter, "filter", "expression", "w4 as a frame: what keeps the views: expression, apply (an operator that is compiled in), via (a plugin: this binary again) or portable (the same, without shared memory)")
	fs.DurationVar(&s.Window, "window", 10*time.Second, "w4: length of a window of event time")
	fs.DurationVar(&s.Slide, "slide", time.Second, "w3: by how much the window slides, the batch interval or a multiple of it")
	return s
}

// forms are the workloads that have two.
var forms = map[string]struct{ closures, frame func(*Settings, *dstream.Job) }{
	"w1": {(*Settings).wordCount, (*Settings).wordCountFrame},
	"w2": {(*Settings).grep, (*Settings).grepFrame},
	"w3": {(*Settings).topTen, (*Settings).topTenFrame},
	"w4": {(*Settings).campaigns, (*Settings).campaignsFrame},
	"w5": {(*Settings).enrich, (*Settings).enrichFrame},
}

// others are those that have one.
var others = map[string]func(*Settings, *dstream.Job){
	"empty": (*Settings).empty, "state": (*Settings).visits, "closures": (*Settings).sales,
}

// Known tells whether there is such a workload, and TwoForms whether it has two forms.
func Known(work string) bool {
	_, query := nexmark.Queries[work]
	_, other := others[work]
	return query || other || TwoForms(work)
}

// TwoForms tells whether a workload is there as closures and as a Frame.
func TwoForms(work string) bool {
	_, ok := forms[work]
	return ok
}

// Outputs are the topics that a workload writes, the one that counts first.
func Outputs(work string) []string {
	if work == "empty" {
		return []string{"out-w4", "out-empty"}
	}
	return []string{"out-" + work}
}

// Inputs are the topics that a workload reads, the one whose records are counted last.
func Inputs(work string) []string {
	switch {
	case slices.Contains([]string{"w1", "w2", "w3"}, work):
		return []string{"lines"}
	case work == "w4", work == "empty":
		return []string{"ads"}
	case work == "w5":
		return []string{"profiles", "pageviews"}
	case work == "state":
		return []string{"touches"}
	case work == "closures":
		return nil
	}
	return []string{"person", "auction", "bid"}
}

// Job is the workload. A name that there is not is W4.
func (s *Settings) Job(j *dstream.Job) {
	if q, ok := nexmark.Queries[s.Work]; ok {
		q.Build(s.house(j)).To(s.output("out-" + s.Work))
		return
	}
	if build, ok := others[s.Work]; ok {
		build(s, j)
		return
	}
	f, ok := forms[s.Work]
	if !ok {
		f = forms["w4"]
	}
	if s.Form == "frame" {
		f.frame(s, j)
		return
	}
	f.closures(s, j)
}

func (s *Settings) house(j *dstream.Job) nexmark.House {
	if s.Source == "kafka" {
		return nexmark.OpenKafka(j)
	}
	return nexmark.Open(j)
}

func (s *Settings) text(topic string) source.Source[string] {
	if s.Source == "kafka" {
		return source.KafkaText(topic)
	}
	return source.LogText(topic)
}

// output has eight partitions, also in Kafka, where the sink makes the topic.
func (s *Settings) output(topic string) sink.Sink {
	if s.Source == "kafka" {
		return sink.KafkaJSON(topic, sink.KafkaPartitions(8))
	}
	return sink.LogJSON(topic)
}

// records reads a topic's values as JSON.
func records[T any](s *Settings, topic string) source.Source[T] {
	if s.Source == "kafka" {
		return source.KafkaJSON[T](topic)
	}
	return source.LogJSON[T](topic)
}
