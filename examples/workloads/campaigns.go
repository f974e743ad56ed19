package workloads

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/plugins"
)

// adEvent is what W4 reads of an event's seven fields.
type adEvent struct {
	AdID      string `json:"ad_id"`
	EventType string `json:"event_type"`
	EventTime int64  `json:"event_time,string"` // ms since 1970
}

// campaign is a row of W4's static table.
type campaign struct {
	AdID     string
	Campaign string
}

// readCampaigns reads the table.
func (s *Settings) readCampaigns(context.Context) ([]campaign, error) {
	f, err := os.Open(s.Campaigns)
	if err != nil {
		return nil, fmt.Errorf("--campaigns: %w", err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("--campaigns %s: %w", s.Campaigns, err)
	}
	var rows []campaign
	for n, l := range lines {
		if len(l) != 2 {
			return nil, fmt.Errorf("--campaigns %s line %d: %d fields, want ad and campaign", s.Campaigns, n+1, len(l))
		}
		rows = append(rows, campaign{l[0], l[1]})
	}
	return rows, nil
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
func (s *Settings) campaigns(j *dstream.Job) {
	campaignOf := dstream.Value(j, "campaigns", func() map[string]string {
		rows, err := s.readCampaigns(context.Background())
		if err != nil {
			panic(err) // the job does not start
		}
		table := map[string]string{}
		for _, r := range rows {
			table[r.AdID] = r.Campaign
		}
		return table
	})
	window := s.Window.Milliseconds()
	dstream.From(j, records[adEvent](s, "ads")).
		Filter(func(e adEvent) bool { return e.EventType == "view" }).
		KeyBy(func(e adEvent) campaignWindow {
			return campaignWindow{campaignOf.Get()[e.AdID], e.EventTime - e.EventTime%window}
		}).
		MapValues(func(e adEvent) tally { return tally{1, e.EventTime} }).
		RunningReduce("windows", func(a, b tally) tally { return tally{a.Count + b.Count, max(a.Newest, b.Newest)} }, dstream.Expire(time.Minute)).
		To(s.output("out-w4"))
}

// campaignsFrame is W4. Windows are a column here and not the operator Window, whose results are complete ones: W4's are changed counts.
func (s *Settings) campaignsFrame(j *dstream.Job) {
	table := dstream.Lookup(j, "campaigns", s.readCampaigns)
	at := expr.Col("event_time")
	s.views(dstream.From(j, records[adEvent](s, "ads")).Frame()).
		Lookup(table, dstream.On("ad_id")).
		GroupBy("campaign", at.Sub(at.Mod(s.Window.Milliseconds())).As("start")).
		Running("windows", dstream.Expire(time.Minute)).
		Agg(expr.Count().As("count"), expr.Max(at).As("newest")).
		KeyBy("campaign", "start").
		To(s.output("out-w4"))
}

// views keeps the events that are views, in the way that is asked for.
func (s *Settings) views(events dstream.Frame) dstream.Frame {
	switch s.Filter {
	case "apply":
		return events.Apply(Views)
	case "via", "portable":
		self, err := os.Executable()
		if err != nil {
			panic(err)
		}
		return events.Via(plugins.Command(self).Op("views").Set(plugins.Settings{Portable: s.Filter == "portable"}))
	}
	return events.Where(expr.Col("event_type").Eq("view"))
}

// empty is W4's job and a count, which acts on batches without rows, so that there is one at every tick; the filter keeps it from writing.
func (s *Settings) empty(j *dstream.Job) {
	s.campaigns(j)
	dstream.From(j, records[adEvent](s, "ads").Named("again")).Count().
		Filter(func(n int64) bool { return n > 0 }).
		To(s.output("out-empty").Named("count"))
}
