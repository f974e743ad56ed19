package workloads

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/plugins"
)

// Views keeps the events that are views: W4's filter as an operator of a plugin, or compiled in.
var Views = plugins.Filter("views", func(e struct {
	EventType string `arrow:"event_type"`
}) bool {
	return e.EventType == "view"
})

// Reading is a row of three columns.
type Reading struct {
	Sensor string
	At     int64
	Value  int64
}

// Same gives the record batches that it is given, and Again makes each row of them anew: what passing rows through a plugin costs.
var (
	Same = plugins.Batches("same",
		func(in *arrow.Schema) (*arrow.Schema, error) { return in, nil },
		func(_ context.Context, _ plugins.Batch, in arrow.Record) (arrow.Record, error) { return in, nil })
	Again = plugins.Rows("again", func(r Reading) Reading { return r })
)

// Plugin is what a job's binary offers when it is started as a plugin.
var Plugin = plugins.Plugin{Name: "workloads", Version: "1", Operators: []plugins.Operator{Views, Same, Again}}
