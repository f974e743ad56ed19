package workloads

import (
	"strconv"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/source"
)

// pageView is a record of the topic "pageviews".
type pageView struct {
	EventTime int64  `json:"event_time"` // ms since 1970
	ViewerID  int64  `json:"viewer_id"`
	Page      string `json:"page"`
	Referrer  string `json:"referrer"`
}

// Profile is a record of the topic "profiles", a changelog by viewer.
type Profile struct {
	Name     string `json:"name"`
	Industry string `json:"industry"`
}

// enriched is W5's output.
type enriched struct {
	EventTime int64
	ViewerID  int64
	Page      string
	Referrer  string
	Name      string
	Industry  string
}

// enrich is W5: page views joined with the latest profile of the viewer, the table loaded first.
func (s *Settings) enrich(j *dstream.Job) {
	table := dstream.Latest("profiles", dstream.From(j, s.profiles()))
	dstream.From(j, records[pageView](s, "pageviews")).
		KeyBy(func(v pageView) string { return strconv.FormatInt(v.ViewerID, 10) }).
		JoinTable(table, func(v pageView, p Profile) enriched {
			return enriched{v.EventTime, v.ViewerID, v.Page, v.Referrer, p.Name, p.Industry}
		}).
		Values().
		To(s.output("out-w5"))
}

func (s *Settings) enrichFrame(j *dstream.Job) {
	table := dstream.Latest("profiles", dstream.From(j, s.profiles())).Frame("viewer")
	dstream.From(j, records[pageView](s, "pageviews")).Frame().
		JoinTable(table, dstream.OnEqual(expr.Col("viewer_id").Cast(expr.String), expr.Col("viewer"))).
		Select("event_time", "viewer_id", "page", "referrer", "name", "industry").
		To(s.output("out-w5"))
}

func (s *Settings) profiles() source.Source[source.Change[Profile]] {
	if s.Source == "kafka" {
		return source.KafkaChangelog[Profile]("profiles")
	}
	return source.LogChangelog[Profile]("profiles")
}
