package dstream_test

import (
	"testing"

	"github.com/millrace/millrace/internal/exampletest"
)

const joinTimed = "docs/joins.md, and TestFrameJoinWithin and TestFrameJoinAsOf with their timelines"

const eventTimed = "docs/windows.md, and the timelines of window_event_test.go"

// Every operator is shown by a runnable Example.
func TestEveryOperatorHasAnExample(t *testing.T) {
	exampletest.Check(t, ".", map[string]string{
		"Window.String": "how a window prints",
		"Stream.Via":    "as Stream.Apply, with plugins.Command(path).Op(name) in place of the operator", "Grouped.Via": "as Stream.Via", "RunningGroups.Via": "as Stream.Via",
		"ViaTo": "as Stream.Via", "FuncVia": "as Stream.Via", "SourceVia": "as Stream.Via", "SinkVia": "as Stream.Via",
		"NewJob":         "drivers and test kits call it; users are given a job",
		"Job":            "what drivers ask of a job; users give it to functions",
		"Acc.Add":        "the example of Accumulator",
		"Acc.Value":      "the example of Accumulator",
		"Acc.Name":       "gives back what the declaration was given",
		"Versioned.Name": "gives back what the declaration was given",
		"Shared.Get":     "the example of Value",
		"State.Get":      "the example of Keyed.Stateful",
		"State.Set":      "the example of Keyed.Stateful",
		"State.Exists":   "the example of Keyed.Stateful",
		"State.Expired":  "the example of State.ExpireAfter",
		"State.Time":     "the example of State.ExpireAfter",
		"OnEqual":        "the example of Frame.Join", "If": "the example of On", "Suffix": "the example of On",
		"FrameTable.Changes": "the example of Frame.LatestIf", "Frame.Latest": "the example of Frame.JoinTable",
		"FrameTable": "the examples of its methods", "FrameTable.GroupBy": "the example of TableGroups.Agg", "FrameTable.Schema": "what a plan says of the table",
		"LookupText": "as LookupCSV", "LookupTable": "the example of Lookup", "LookupTable.Schema": "what a plan says of the table", "Frame.Lookup": "the example of Lookup",
		"Within": joinTimed, "MaxJoinState": joinTimed, "Frame.JoinWithin": joinTimed, "Frame.JoinAsOf": joinTimed, "Frame.JoinAsOfNow": joinTimed,
		"Keyed.TimedBy": "the example of Timed.JoinWithin", "Timed.LeftJoinWithin": "the example of Timed.JoinWithin", "Timed.JoinAsOf": "the example of Timed.LeftJoinAsOf",
		"Frame":        "Select, With, Where, Union and the like are in the examples of the other operators",
		"Stream.Frame": "as Frame",
		"Tumbling":     "the example of Windowed.Agg", "Window.ByBatchTime": "the example of Windowed.Agg", "Windowed.GroupBy": "the example of Windowed.Agg",
		"EveryRows": "the example of Global", "Desc": "the example of Windowed.TopN",
		"Sliding": eventTimed, "Days": eventTimed, "Months": eventTimed, "Session": eventTimed, "Window.Offset": eventTimed, "Window.In": eventTimed, "AllowedLateness": eventTimed,
		"Early": eventTimed, "MaxState": eventTimed, "ShedOldest": eventTimed,
		"IdleAfter":       "only a driver's clock shows it",
		"IdleAdvance":     "only a driver's clock shows it",
		"Ahead":           "a limit for times that are wrong",
		"EventTimers":     "the example of Stream.EventTime",
		"State.Watermark": "the example of Stream.EventTime is by it",
		"State.Late":      "as State.Watermark",
	})
}
