// Command delay_model names the departures from New York's airports that are likely to leave late, by a model of scikit-learn in a plugin in Python.
//
//	pip install ./plugins/python -r examples/plugins/delay_model/requirements.txt
//	cd examples/plugins/delay_model
//	python3 train.py ../../flights/data/departures.jsonl.gz model.joblib
//	go run . --load --finish
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
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

var (
	load   = pflag.Bool("load", false, "first write the bundled year into the log, unless it is there")
	python = pflag.String("python", "python3", "interpreter that has the plugin's packages")
	script = pflag.String("script", "plugin.py", "the plugin")
	model  = pflag.String("model", "model.joblib", "file that train.py has written")
	risk   = pflag.Float64("risk", 0.4, "probability from which on a departure is named")
)

func main() { driver.Main(risky, loadFirst) }

// Departure is a record of the topic "departures".
type Departure struct {
	Scheduled string `json:"scheduled"` // New York's time, to the minute
	Carrier   string `json:"carrier"`
	Flight    int64  `json:"flight"`
	Origin    string `json:"origin"`
	Miles     int64  `json:"miles"`
	Delay     int64  `json:"delay"` // minutes; what the model is not told
}

func risky(job *dstream.Job) {
	file, err := filepath.Abs(*script) // the plugin's working directory is one of its own
	if err != nil {
		panic(err)
	}
	weights, err := filepath.Abs(*model)
	if err != nil {
		panic(err)
	}
	departures := dstream.From(job, source.LogJSON[Departure](flights.Topic)).Frame()
	scored := departures.Via(plugins.Command(*python, file, weights).Op("DelayRisk").Set(plugins.Settings{Start: time.Minute})) // scikit-learn takes its time
	named(scored).To(sink.Console().Named("risky"))
}

// named are the departures of high risk.
func named(scored dstream.Frame) dstream.Frame {
	return scored.Where(expr.Col("risk").Ge(*risk)).Select("scheduled", "carrier", "flight", "origin", expr.Col("risk").Round(3).As("risk"), "delay")
}

// loadFirst does what --load says, when the settings are known and nothing runs yet.
func loadFirst(c *driver.Config) {
	if !*load {
		return
	}
	if err := flights.Load(context.Background(), c.LogDir); err != nil {
		fmt.Fprintf(os.Stderr, "delay_model: --load: %v\n", err)
		os.Exit(1)
	}
}
