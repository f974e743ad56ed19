package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/gen"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/expr"
)

// jobOfFrames is the workload that the flags name, said in expressions: what it puts out is what the closures' form does.
func jobOfFrames(j *dstream.Job) {
	switch *jobWork {
	case "w1":
		wordCountFrame(j)
	case "w2":
		grepFrame(j)
	case "w3":
		topTenFrame(j)
	case "w5":
		enrichFrame(j)
	default:
		campaignsFrame(j)
	}
}

// wordsOf are those of the lines, a row each.
func wordsOf(j *dstream.Job) dstream.Frame {
	return dstream.From(j, text("lines")).Frame().
		Select(expr.Col("value").Split(" ").As("words")).
		Explode("words", "word")
}

// wordCountFrame is W1.
func wordCountFrame(j *dstream.Job) {
	wordsOf(j).
		GroupBy("word").
		Running("words").
		Agg(expr.Count().As("count")).
		KeyBy("word").
		To(output("out-w1"))
}

// grepFrame is W2. A cheap condition goes before one that is dear and exact.
func grepFrame(j *dstream.Job) {
	line := expr.Col("value")
	dstream.From(j, text("lines")).Frame().
		Where(line.Contains(wanted)).
		Where(expr.Concat(" ", line, " ").Contains(" " + wanted + " ")).
		GroupBy().
		Agg(expr.Count().As("count")).
		To(output("out-w2"))
}

// topTenFrame is W3.
func topTenFrame(j *dstream.Job) {
	wordsOf(j).
		Window(dstream.Sliding(topWindow, *jobSlide).ByBatchTime()).
		GroupBy("word").
		Agg("words", expr.Count().As("count")).
		GroupBy("window_end").
		TopN(topN, expr.Col("count").Desc(), "word").
		Select("window_end", "word", "count").
		KeyBy("window_end").
		To(output("out-w3"))
}

// campaign is a row of W4's static table.
type campaign struct {
	AdID     string
	Campaign string
}

// campaignsFrame is W4. Windows are a column here and not the operator Window, whose results are complete ones: W4's are changed counts.
func campaignsFrame(j *dstream.Job) {
	table := dstream.Lookup(j, "campaigns", func(context.Context) ([]campaign, error) {
		var rows []campaign
		for ad, of := range gen.CampaignOf() {
			rows = append(rows, campaign{ad, of})
		}
		slices.SortFunc(rows, func(a, b campaign) int { return strings.Compare(a.AdID, b.AdID) })
		return rows, nil
	})
	at := expr.Col("event_time")
	dstream.From(j, ads("ads")).Frame().
		Where(expr.Col("event_type").Eq("view")).
		Lookup(table, dstream.On("ad_id")).
		GroupBy("campaign", at.Sub(at.Mod(*jobWindow)).As("start")).
		Running("windows", dstream.Expire(time.Minute)).
		Agg(expr.Count().As("count"), expr.Max(at).As("newest")).
		KeyBy("campaign", "start").
		To(output("out-w4"))
}

// enrichFrame is W5.
func enrichFrame(j *dstream.Job) {
	table := dstream.Latest("profiles", dstream.From(j, changelog("profiles"))).Frame("viewer")
	dstream.From(j, views("pageviews")).Frame().
		JoinTable(table, dstream.OnEqual(expr.Col("viewer_id").Cast(expr.String), expr.Col("viewer"))).
		Select("event_time", "viewer_id", "page", "referrer", "name", "industry").
		To(output("out-w5"))
}
