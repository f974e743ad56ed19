// Package flights is millrace's demo: all departures from New York's airports in 2013, replayed in the order in which they happened, and a job
// that keeps for each carrier how many flights left, how late on average, and how many of them over a quarter of an hour late.
package flights

import (
	"context"
	"embed"
	"encoding/csv"
	"fmt"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// Data is the year: departures.jsonl.gz and the tables beside it; data/README.md says where they come from.
//
//go:embed data
var data embed.FS

// Topic is the log topic that the departures are replayed into.
const Topic = "departures"

// Departure is one flight as it left: the fields of a record that the job reads.
type Departure struct {
	Carrier string `json:"carrier"`
	Delay   int64  `json:"delay"` // minutes; negative is early
}

// Punctuality is what is kept per carrier.
type Punctuality struct {
	Departures int64
	Delay      int64 // minutes, summed
	Late       int64 // departures over LateAfter
}

// LateAfter is how many minutes a flight may be behind before it counts as late.
const LateAfter = 15

// Row is one carrier's line of the result.
type Row struct {
	Carrier    string
	Name       string
	Departures int64
	MeanDelay  float64 // minutes
	LateShare  float64 // of the departures, 0 to 1
}

// Job is the streaming job: departures in, a changed row per carrier and batch out to show.
func Job(show func(ctx context.Context, b dstream.Batch, rows rdd.RDD[Row]) error) func(*dstream.Job) {
	return func(job *dstream.Job) {
		names := dstream.Value(job, "airlines", airlines)
		departures := dstream.From(job, source.LogJSON[Departure](Topic))

		departures.
			KeyBy(func(d Departure) string { return d.Carrier }).
			MapValues(observe).
			RunningReduce("punctuality", Punctuality.Add).
			Map(func(carrier string, p Punctuality) Row { return p.row(carrier, names.Get()[carrier]) }).
			ForeachBatch(show)
	}
}

func observe(d Departure) Punctuality {
	p := Punctuality{Departures: 1, Delay: d.Delay}
	if d.Delay > LateAfter {
		p.Late = 1
	}
	return p
}

// Add is the sum of two observations.
func (p Punctuality) Add(q Punctuality) Punctuality {
	return Punctuality{p.Departures + q.Departures, p.Delay + q.Delay, p.Late + q.Late}
}

func (p Punctuality) row(carrier, name string) Row {
	n := float64(max(p.Departures, 1))
	return Row{carrier, name, p.Departures, float64(p.Delay) / n, float64(p.Late) / n}
}

// airlines is the static table: carrier to name.
func airlines() map[string]string {
	f, err := data.Open("data/airlines.csv")
	if err != nil {
		panic(fmt.Sprintf("embedded table of airlines: %v", err))
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		panic(fmt.Sprintf("embedded table of airlines: %v", err))
	}
	names := map[string]string{}
	for _, r := range rows[1:] {
		names[r[0]] = r[1]
	}
	return names
}
