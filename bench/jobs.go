package main

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/gen"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
	"github.com/spf13/pflag"
)

// Flags of the jobs themselves; the engine's own come with driver.Main.
var (
	jobWork   = pflag.String("work", "w4", "w1, w2, w3, w4, w5, state, closures, window or empty")
	jobForm   = pflag.String("form", "closures", "w1 to w5: closures or frame: how the job says what it computes, in functions of Go or in expressions over columns")
	jobSource = pflag.String("source", "log", "log or kafka: where rows come from and go to")
	jobWindow = pflag.Int64("window", 10_000, "w4: length of a window of event time, in ms")
	jobSlide  = pflag.Duration("slide", time.Second, "w3: by how much the window slides, set to the batch interval")
)

// job is the workload that the flags name.
func job(j *dstream.Job) {
	if *jobForm == "frame" {
		jobOfFrames(j)
		return
	}
	switch *jobWork {
	case "w1":
		wordCount(j)
	case "w2":
		grep(j)
	case "w3":
		topTen(j)
	case "w5":
		enrich(j)
	case "state":
		visits(j)
	case "closures":
		closures(j)
	case "empty":
		campaigns(j)
		// A count acts on batches without rows, so there is one at every tick; the filter keeps it from writing.
		dstream.From(j, ads("ads").Named("again")).Count().
			Filter(func(n int64) bool { return n > 0 }).
			To(output("out-empty").Named("count"))
	default:
		campaigns(j)
	}
}

// wordCount is W1: running count per word, changed counts out in each batch.
func wordCount(j *dstream.Job) {
	dstream.From(j, text("lines")).
		FlatMap(strings.Fields).
		KeyBy(dstream.Self).
		RunningCount("words").
		To(output("out-w1"))
}

// wanted is the word that W2 looks for.
const wanted = "w777"

// hits is W2's output.
type hits struct{ Count int64 }

// grep is W2: how many lines of each batch hold a word.
func grep(j *dstream.Job) {
	dstream.From(j, text("lines")).
		Filter(holdsWord).
		Count().
		Map(func(n int64) hits { return hits{n} }).
		To(output("out-w2"))
}

// holdsWord tells whether the word is in a line, with white space or nothing before and behind it.
func holdsWord(line string) bool {
	for from := 0; ; {
		i := strings.Index(line[from:], wanted)
		if i < 0 {
			return false
		}
		i, from = from+i, from+i+len(wanted)
		if (i == 0 || line[i-1] == ' ') && (from == len(line) || line[from] == ' ') {
			return true
		}
	}
}

// topWindow is the length of W3's window, topN how many words it shows.
const (
	topWindow = 30 * time.Second
	topN      = 10
)

// ranked is a word of W3's output.
type ranked struct {
	Word  string
	Count int64
}

// shown is a ranked word with the end of its window.
type shown struct {
	End time.Time
	ranked
}

// topTen is W3: the most frequent words of a window that slides by the batch interval, by (end of the window): counts from the highest down, equal ones by word.
func topTen(j *dstream.Job) {
	dstream.From(j, text("lines")).
		FlatMap(strings.Fields).
		KeyBy(dstream.Self).
		MapValues(func(string) int64 { return 1 }).
		ReduceByKeyAndWindow("words", func(a, b int64) int64 { return a + b }, topWindow, *jobSlide, dstream.Inverse(func(a, b int64) int64 { return a - b })).
		All().
		Map(func(word string, n int64) ranked { return ranked{word, n} }).
		TopK(topN, func(a, b ranked) int { return cmp.Or(cmp.Compare(a.Count, b.Count), cmp.Compare(b.Word, a.Word)) }).
		MapTask(func(t dstream.Task, r ranked) shown { return shown{t.Time(), r} }).
		KeyBy(func(s shown) time.Time { return s.End }).
		MapValues(func(s shown) ranked { return s.ranked }).
		To(output("out-w3"))
}

// adEvent is what W4 reads of an event's seven fields.
type adEvent struct {
	AdID      string `json:"ad_id"`
	EventType string `json:"event_type"`
	EventTime int64  `json:"event_time,string"` // ms since 1970
}

// campaignWindow is W4's key.
type campaignWindow struct {
	Campaign string
	Start    int64 // ms since 1970
}

// tally is a window's count and the time of the newest event in it, by which latency is measured.
type tally struct {
	Count  int64
	Newest int64
}

// campaigns is W4: views per campaign and window of event time, changed counts out in each batch. State of windows that nothing
// happens in any more expires.
func campaigns(j *dstream.Job) {
	campaignOf := dstream.Value(j, "campaigns", gen.CampaignOf)
	window := *jobWindow
	dstream.From(j, ads("ads")).
		Filter(func(e adEvent) bool { return e.EventType == "view" }).
		KeyBy(func(e adEvent) campaignWindow {
			return campaignWindow{campaignOf.Get()[e.AdID], e.EventTime - e.EventTime%window}
		}).
		MapValues(func(e adEvent) tally { return tally{1, e.EventTime} }).
		RunningReduce("windows", func(a, b tally) tally { return tally{a.Count + b.Count, max(a.Newest, b.Newest)} }, dstream.Expire(time.Minute)).
		To(output("out-w4"))
}

type pageView struct {
	EventTime int64  `json:"event_time"`
	ViewerID  int64  `json:"viewer_id"`
	Page      string `json:"page"`
	Referrer  string `json:"referrer"`
}

type profile struct {
	Name     string `json:"name"`
	Industry string `json:"industry"`
}

type enriched struct {
	EventTime int64
	ViewerID  int64
	Page      string
	Referrer  string
	Name      string
	Industry  string
}

// enrich is W5: page views joined with the latest profile of the viewer, the table loaded first.
func enrich(j *dstream.Job) {
	table := dstream.Latest("profiles", dstream.From(j, changelog("profiles")))
	dstream.From(j, views("pageviews")).
		KeyBy(func(v pageView) string { return strconv.FormatInt(v.ViewerID, 10) }).
		JoinTable(table, func(v pageView, p profile) enriched {
			return enriched{v.EventTime, v.ViewerID, v.Page, v.Referrer, p.Name, p.Industry}
		}).
		Values().
		To(output("out-w5"))
}

func text(topic string) source.Source[string] {
	if *jobSource == "kafka" {
		return source.KafkaText(topic)
	}
	return source.LogText(topic)
}

func ads(topic string) source.Source[adEvent] {
	if *jobSource == "kafka" {
		return source.KafkaJSON[adEvent](topic)
	}
	return source.LogJSON[adEvent](topic)
}

func views(topic string) source.Source[pageView] {
	if *jobSource == "kafka" {
		return source.KafkaJSON[pageView](topic)
	}
	return source.LogJSON[pageView](topic)
}

func changelog(topic string) source.Source[source.Change[profile]] {
	if *jobSource == "kafka" {
		return source.KafkaChangelog[profile](topic)
	}
	return source.LogChangelog[profile](topic)
}

func output(topic string) sink.Sink {
	if *jobSource == "kafka" {
		return sink.KafkaJSON(topic, sink.KafkaPartitions(8))
	}
	return sink.LogJSON(topic)
}
