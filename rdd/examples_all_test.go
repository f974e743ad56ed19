package rdd_test

import (
	"testing"

	"github.com/millrace/millrace/internal/exampletest"
)

// Every operator and every action is shown by a runnable Example.
func TestEveryOperatorHasAnExample(t *testing.T) {
	const engine = "for packages that make sources, operators and runners"
	exampletest.Check(t, ".", map[string]string{
		"RDD.Node": engine, "RDD.Builder": engine, "Keyed.Node": engine, "Keyed.Builder": engine,
		"From": engine, "Of": engine, "KeyedOf": engine, "Pinned": engine, "Expanding": engine, "CodecOf": engine, "KeyCodecOf": engine,
		"Bounded": engine, "Caller": engine, "NewPipeline": engine, "NewVersion": engine, "RunnerOf": engine, "WithRunner": engine,
		"On": "the example of Frame.Join", "OnEqual": "dstream shows it", "If": "dstream shows it", "Suffix": "dstream shows it",
		"JoinSettings": engine, "MaxJoinState": "for package dstream", "JoinSettings.Stateless": engine, "JoinSettingsOf": engine, "JoinSettings.Spec": engine, "JoinSettings.Text": engine, "JoinSettings.KeyText": engine,
		"Frame": "Select, With, Where, Union and the like are in the examples of the other operators", "RDD.Frame": "as Frame", "FrameOf": engine, "FrameCodec": engine, "ReadBy": engine, "Grouped": "dstream shows them", "KeysCodec": engine, "KeyedFrame.Node": engine,
		"RDD.EventTime": "dstream shows it: without a job there are no watermarks", "IdleAfter": "as EventTime", "IdleAdvance": "as EventTime", "Ahead": "as EventTime",
		"EventTime": engine, "Timeline": engine, "NewTimeline": engine,
		"Builder": engine, "Plan": engine, "Node": engine, "WideSpec": engine, "Pipeline": engine, "Site": engine,
		"BatchInfo": "fields that Transform's functions read; dstream shows them", "BadRecordError": "an error", "UserError": "an error", "Mistakes": "an error",
	})
}
