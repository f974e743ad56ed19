// Command enrich joins page views with what is known of their viewers: a table of profiles, kept from a changelog topic, which is read to its
// end before the first page view is joined.
//
//	millrace log create ./millrace-log --topic profiles --partitions 4
//	millrace log create ./millrace-log --topic pageviews --partitions 4
//	go run ./examples/enrich --checkpoint ./enrich-state
//
// With --kafka the same topics are read from, and written to, the brokers of --brokers.
package main

import (
	"strconv"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

var kafka = pflag.Bool("kafka", false, "read and write Kafka topics instead of the embedded log's")

func main() { driver.Main(enrich) }

// PageView is a record of the topic "pageviews".
type PageView struct {
	EventTime int64  `json:"event_time"` // ms since 1970
	ViewerID  int64  `json:"viewer_id"`
	Page      string `json:"page"`
	Referrer  string `json:"referrer"`
}

// Profile is a record of the topic "profiles", a changelog: its key is the viewer's number, the newest record of a key counts, and one
// without a value deletes the profile.
type Profile struct {
	Name     string `json:"name"`
	Industry string `json:"industry"`
}

// Enriched is a page view with its viewer's profile; name and industry are absent for viewers that nothing is known of.
type Enriched struct {
	EventTime int64
	ViewerID  int64
	Page      string
	Referrer  string
	Name      *string
	Industry  *string
}

func enrich(job *dstream.Job) {
	views, profiles, out := connectors()
	table := dstream.Latest("profiles", dstream.From(job, profiles))
	dstream.From(job, views).
		KeyBy(func(v PageView) string { return strconv.FormatInt(v.ViewerID, 10) }).
		LeftJoinTable(table, join).
		Values().
		To(out)
}

func join(v PageView, p *Profile) Enriched {
	e := Enriched{EventTime: v.EventTime, ViewerID: v.ViewerID, Page: v.Page, Referrer: v.Referrer}
	if p != nil {
		e.Name, e.Industry = &p.Name, &p.Industry
	}
	return e
}

func connectors() (source.Source[PageView], source.Source[source.Change[Profile]], sink.Sink) {
	if *kafka {
		return source.KafkaJSON[PageView]("pageviews"), source.KafkaChangelog[Profile]("profiles"), sink.KafkaJSON("enriched")
	}
	return source.LogJSON[PageView]("pageviews"), source.LogChangelog[Profile]("profiles"), sink.LogJSON("enriched")
}
