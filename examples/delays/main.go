// Command delays computes how late flights left New York's airports, hour by hour of the time for which they were scheduled, with the planes that flew and the weather of the
// hour. Departures come in the order in which they happened, so by schedule they are out of order, some by most of a day: the job is about event time.
//
//	go run ./examples/delays --load --finish                                   # writes the year of examples/flights into ./millrace-log, and computes it; prints
//	go run ./examples/delays --finish --delay 1h --max-rate 20000              # with less patience, in small batches: some departures come too late
//	go run ./examples/delays --finish --out delays --checkpoint delays-state   # into delays/hours and delays/late, exactly once
//
// A row is judged by the watermark of the batch before its own, so that large batches are more patient than small ones.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/examples/flights"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

var (
	load       = pflag.Bool("load", false, "first write the bundled year into the log, topics departures and weather, unless it is there")
	delay      = pflag.Duration("delay", 24*time.Hour, "how far behind the newest schedule a departure may come and still count")
	planesFile = pflag.String("planes", "examples/flights/data/planes.csv", "table of planes, CSV")
	out        = pflag.String("out", "", "folder for hours and late rows as JSON lines; needs --checkpoint (default: the terminal)")
)

// Departure is a record of the topic "departures".
type Departure struct {
	Scheduled string  `json:"scheduled"` // New York's time, to the minute
	Origin    string  `json:"origin"`
	Tailnum   *string `json:"tailnum"`
	Delay     int64   `json:"delay"` // minutes; negative is early
}

// Weather is a record of the topic "weather": an airport's in one hour.
type Weather struct {
	Origin    string
	TimeHour  time.Time
	WindSpeed *float64 // miles an hour
	Visib     *float64 // miles
}

// Plane is a line of the table of planes.
type Plane struct {
	Tailnum string
	Seats   int64
}

func main() { driver.Main(delays, loadFirst) }

func delays(job *dstream.Job) {
	departures := dstream.From(job, source.LogJSON[Departure](flights.Topic)).Frame()
	weather := dstream.From(job, source.LogCSV[Weather](flights.WeatherTopic, source.Columns(flights.WeatherColumns...), source.NullText("NA"))).Frame()
	planes := dstream.LookupCSV[Plane](job, "planes", *planesFile)

	hours := perHour(departures, planes)
	inWeather(hours, weather).To(output("hours"))
	hours.LateRows().Select("origin", "scheduled", "delay").To(output("late"))
}

func c(name string) expr.Expr { return expr.Col(name) }

// perHour is what happened at each airport to the flights that were scheduled for an hour. Event time is the schedule, and what has none that can be read is a dead letter; a flight
// counts unless its hour was closed before it left. Seats are known for five flights in six; for the others they are null, which no aggregate counts.
func perHour(departures dstream.Frame, planes dstream.LookupTable) dstream.Frame {
	small := c("seats").Lt(100)
	return departures.
		With("due", c("scheduled").TryParseTime("2006-01-02T15:04", expr.Zone("America/New_York"))).
		EventTime("due", *delay).
		Lookup(planes, dstream.On("tailnum"), dstream.LeftJoin).
		Window(dstream.Tumbling(time.Hour)).
		GroupBy("origin").
		Agg("delays",
			expr.Count().As("flights"),
			expr.Avg("delay").As("mean_delay"),
			expr.Max("delay").As("max_delay"),
			expr.Avg(expr.If(c("delay").Gt(flights.LateAfter), 1, 0)).As("late_share"),
			expr.Sum("seats").As("seats"),
			expr.Avg("delay").Where(small).As("mean_delay_small"),
			expr.Avg("delay").Where(small.Not()).As("mean_delay_large"))
}

// inWeather adds the last weather that was measured before an hour's end, unless it is old. An hour waits until the watermark of the weather has passed it too.
func inWeather(hours, weather dstream.Frame) dstream.Frame {
	tenths := func(name string) expr.Expr { return c(name).Round(1).As(name) }
	return hours.
		JoinAsOf("weather", weather.EventTime("time_hour", time.Hour), dstream.On("origin"), dstream.LeftJoin,
			dstream.If(c("time_hour").Ge(c("window_start").Sub(3*time.Hour)))).
		Select("origin", c("window_start").As("hour"), "flights", tenths("mean_delay"), "max_delay", c("late_share").Round(2).As("late_share"),
			"seats", tenths("mean_delay_small"), tenths("mean_delay_large"), tenths("wind_speed"), "visib")
}

func output(name string) sink.Sink {
	if *out != "" {
		return sink.FilesJSON(filepath.Join(*out, name)).Named(name)
	}
	return sink.Console().Named(name)
}

// loadFirst does what --load says, when the settings are known and nothing runs yet.
func loadFirst(c *driver.Config) {
	if !*load {
		return
	}
	if err := flights.Load(context.Background(), c.LogDir); err != nil {
		fmt.Fprintf(os.Stderr, "delays: --load: %v\n", err)
		os.Exit(1)
	}
}
