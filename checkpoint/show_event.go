package checkpoint

import (
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/rdd"
)

// EventTimeSummary is what an event-time input has come to behind the last committed batch.
type EventTimeSummary struct {
	Input      string           `json:"input"`     // source and column
	Watermark  string           `json:"watermark"` // "none" before there is one, "end" behind the last batch of a finished job
	Partitions []ReachedSummary `json:"partitions"`
}

// ReachedSummary is the highest event time of a source partition's rows. Partitions whose rows have none are left out.
type ReachedSummary struct {
	Source    string `json:"source"`
	Partition int    `json:"partition"`
	Key       string `json:"key"`
	Reached   string `json:"reached"`
}

// WatermarkSummary is an input's watermarks around a batch.
type WatermarkSummary struct {
	Input  string `json:"input"`
	Before string `json:"before"`          // by which the batch judges lateness
	After  string `json:"after,omitempty"` // by which it finalises; absent as long as it is not committed
}

func (in *Inspection) eventSummaries() []EventTimeSummary {
	keys := map[SourcePartition]string{}
	for _, p := range in.Partitions {
		keys[SourcePartition{p.Source, p.Partition}] = p.Key
	}
	var list []EventTimeSummary
	for _, r := range in.Reached {
		s := EventTimeSummary{Input: r.Input, Watermark: eventStamp(r.Watermark), Partitions: []ReachedSummary{}}
		for _, p := range r.Partitions {
			s.Partitions = append(s.Partitions, ReachedSummary{p.Source, p.Partition, keys[SourcePartition{p.Source, p.Partition}], eventStamp(p.Micros)})
		}
		list = append(list, s)
	}
	return list
}

// watermarks are those around a batch. A commit that does not speak of an input has not moved it.
func watermarks(p *Plan, c Commit, committed bool) []WatermarkSummary {
	var list []WatermarkSummary
	for _, w := range p.Watermarks {
		s := WatermarkSummary{Input: w.Input, Before: eventStamp(w.Before)}
		if committed {
			s.After = s.Before
			if i := slices.IndexFunc(c.Reached, func(r Reached) bool { return r.Input == w.Input }); i >= 0 {
				s.After = eventStamp(c.Reached[i].Watermark)
			}
		}
		list = append(list, s)
	}
	return list
}

// watermarkText is the watermarks of a batch in one word each.
func watermarkText(list []WatermarkSummary) string {
	var words []string
	for _, w := range list {
		at := w.After
		if at == "" {
			at = w.Before + "..."
		}
		words = append(words, w.Input+"="+at)
	}
	return strings.Join(words, " ")
}

// eventStamp is an event time for people.
func eventStamp(micros int64) string {
	switch micros {
	case rdd.NoTime:
		return "none"
	case rdd.EndOfTime:
		return "end"
	}
	return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000000Z")
}

// eventText writes what inputs have come to.
func (s *Summary) eventText(line func(format string, args ...any)) {
	if len(s.EventTime) == 0 {
		return
	}
	line("")
	line("EVENT TIME\tWATERMARK")
	for _, e := range s.EventTime {
		line("%s\t%s", e.Input, e.Watermark)
	}
	line("")
	line("EVENT TIME\tSOURCE\tPARTITION\tKEY\tREACHED")
	for _, e := range s.EventTime {
		for _, p := range e.Partitions {
			line("%s\t%s\t%d\t%s\t%s", e.Input, p.Source, p.Partition, p.Key, p.Reached)
		}
	}
}
