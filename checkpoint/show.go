package checkpoint

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Summary is what show tells of a checkpoint. Its JSON form is for scripts.
type Summary struct {
	Dir       string            `json:"dir"`
	Job       string            `json:"job"`
	UUID      string            `json:"uuid"`
	Timeline  int64             `json:"timeline"`
	Epoch     int64             `json:"epoch"`
	Committed int64             `json:"committed"` // last committed batch
	Planned   int64             `json:"planned"`   // last planned batch
	Durable   int64             `json:"durable"`   // state is fsynced up to this batch
	Horizon   int64             `json:"horizon"`   // oldest batch that a restore may need
	Finished  bool              `json:"finished"`
	TornBytes int64             `json:"torn_bytes,omitempty"`
	Operators []OperatorSummary `json:"operators"`
	Offsets   []OffsetSummary   `json:"offsets"`

	EventTime    []EventTimeSummary   `json:"event_time,omitempty"`
	Accumulators []AccumulatorSummary `json:"accumulators,omitempty"`
	Broadcasts   []BroadcastSummary   `json:"broadcasts,omitempty"`

	Batches  []BatchSummary   `json:"batches"`
	Segments []SegmentSummary `json:"segments"`
}

// OperatorSummary describes a stateful operator.
type OperatorSummary struct {
	Name  string `json:"name"`
	Op    string `json:"op"`
	Key   string `json:"key"`
	State string `json:"state"`
	Rows  int64  `json:"rows"`  // in the files that a restore would read: changes of one key count each
	Bytes int64  `json:"bytes"` // of them
	Files int    `json:"files"`
}

// AccumulatorSummary is an accumulator's total up to the last committed batch.
type AccumulatorSummary struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Value string `json:"value"` // a number in decimal; text, since JSON has no NaN
}

// BroadcastSummary is the version of a broadcast that the last batch was planned with.
type BroadcastSummary struct {
	Name    string `json:"name"`
	Version int64  `json:"version"`
	Bytes   int64  `json:"bytes"`
	Hash    string `json:"sha256"`
}

// OffsetSummary is a source partition and the offset that the next batch starts at.
type OffsetSummary struct {
	Source    string `json:"source"`
	Partition int    `json:"partition"`
	Key       string `json:"key"`
	Next      int64  `json:"next"`
}

// BatchSummary describes a batch that the log still holds.
type BatchSummary struct {
	Batch     int64   `json:"batch"`
	Time      string  `json:"time"`
	Committed bool    `json:"committed"`
	Rows      int64   `json:"rows"`
	Bad       int64   `json:"bad"`
	Millis    float64 `json:"millis"`
	State     int64   `json:"state_bytes"`
	Ranges    []Range `json:"-"`
	Offsets   string  `json:"offsets"`
	Hash      string  `json:"plan_hash"`

	Watermarks []WatermarkSummary `json:"watermarks,omitempty"`
}

// SegmentSummary describes a file of the batch log.
type SegmentSummary struct {
	File  string `json:"file"`
	Epoch int64  `json:"epoch"`
	First int64  `json:"first"` // batches that it speaks of
	Last  int64  `json:"last"`
	Bytes int64  `json:"bytes"`
	Void  int64  `json:"void_bytes,omitempty"` // written by a driver that had been replaced
	Begun string `json:"begun"`
}

// Summarize gathers what show prints, with the last n batches.
func (in *Inspection) Summarize(n int) (*Summary, error) {
	s := &Summary{
		Dir: in.dir, Job: in.Job, UUID: in.UUID, Timeline: in.Timeline, Epoch: in.Epoch, Committed: in.Committed, Planned: in.log.ledger.lastPlanned(),
		Durable: in.Durable, Horizon: in.Horizon, Finished: in.Finished, TornBytes: in.TornBytes,
		Operators: in.operatorSummaries(), Offsets: in.offsetSummaries(), EventTime: in.eventSummaries(), Accumulators: in.accumulatorSummaries(), Broadcasts: in.broadcastSummaries(),
	}
	var err error
	if s.Batches, err = in.batchSummaries(n); err != nil {
		return nil, err
	}
	for _, g := range in.log.segments {
		s.Segments = append(s.Segments, SegmentSummary{segmentName(g.number), g.epoch, g.first, g.last, g.bytes, g.void, stamp(g.micros)})
	}
	return s, nil
}

func (in *Inspection) operatorSummaries() []OperatorSummary {
	var list []OperatorSummary
	for _, o := range in.Operators {
		sum := OperatorSummary{Name: o.Name, Op: o.Op, Key: o.Key, State: o.Val}
		need, _ := Chain(in.Deltas, o.Name, 0, allGroups, in.version(o.Name))
		for _, d := range need {
			sum.Files++
			for _, s := range d.Sections {
				sum.Rows += s.Rows
				sum.Bytes += s.Len
			}
		}
		list = append(list, sum)
	}
	return list
}

func (in *Inspection) offsetSummaries() []OffsetSummary {
	var list []OffsetSummary
	for _, p := range in.Partitions {
		list = append(list, OffsetSummary{p.Source, p.Partition, p.Key, in.Positions[p.Source][p.Partition]})
	}
	return list
}

func (in *Inspection) accumulatorSummaries() []AccumulatorSummary {
	var list []AccumulatorSummary
	for _, t := range in.Totals {
		list = append(list, AccumulatorSummary{t.Name, t.Kind, t.Text()})
	}
	return list
}

func (in *Inspection) broadcastSummaries() []BroadcastSummary {
	if in.Last == nil {
		return nil
	}
	var list []BroadcastSummary
	for _, b := range in.Last.Broadcasts {
		var hash [32]byte
		copy(hash[:], b.Hash)
		list = append(list, BroadcastSummary{b.Name, b.Version, in.log.ledger.values[hash].Bytes, fmt.Sprintf("%x", b.Hash)})
	}
	return list
}

func (in *Inspection) batchSummaries(n int) ([]BatchSummary, error) {
	commits, bytes := map[int64]Commit{}, map[int64]int64{}
	for _, c := range in.log.ledger.stats {
		commits[c.Batch] = c
	}
	for _, d := range in.log.ledger.deltas {
		bytes[d.Batch] += d.Bytes
	}
	var list []BatchSummary
	for _, b := range in.batches(n) {
		c, committed := commits[b]
		sum := BatchSummary{Batch: b, Committed: committed, Rows: c.Rows, Bad: c.Bad, Millis: float64(c.Micros) / 1000, State: bytes[b], Hash: fmt.Sprintf("%x", c.Hash)}
		p, err := in.plan(b)
		if err != nil {
			return nil, err
		}
		if p != nil {
			sum.Time, sum.Ranges, sum.Offsets, sum.Hash = stamp(p.Time), p.Ranges, rangeText(p.Ranges), fmt.Sprintf("%x", p.Hash)
			sum.Watermarks = watermarks(p, c, committed)
		}
		list = append(list, sum)
	}
	return list, nil
}

// rangeText is ranges in one word each: "lines/0:10-20".
func rangeText(ranges []Range) string {
	var words []string
	for _, r := range ranges {
		words = append(words, fmt.Sprintf("%s/%d:%d-%d", r.Source, r.Partition, r.From, r.Until))
	}
	return strings.Join(words, " ")
}

func stamp(micros int64) string {
	if micros == 0 {
		return ""
	}
	return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000000Z")
}

// JSON writes the summary as one indented object.
func (s *Summary) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(s)
}

// Text writes the summary as aligned tables.
func (s *Summary) Text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }
	line("checkpoint\t%s", s.Dir)
	line("job\t%s", s.Job)
	line("uuid\t%s, timeline %d, epoch %d", s.UUID, s.Timeline, s.Epoch)
	line("batches\t%d committed, %d planned%s", s.Committed, s.Planned, map[bool]string{true: ", finished"}[s.Finished])
	line("state\tdurable up to batch %d, kept from batch %d on", s.Durable, s.Horizon)
	if s.TornBytes > 0 {
		line("torn\t%d bytes at the end of the log", s.TornBytes)
	}
	line("")
	line("OPERATOR\tKIND\tKEY\tSTATE\tROWS\tBYTES\tFILES")
	for _, o := range s.Operators {
		line("%s\t%s\t%s\t%s\t%d\t%d\t%d", o.Name, o.Op, o.Key, o.State, o.Rows, o.Bytes, o.Files)
	}
	line("")
	line("SOURCE\tPARTITION\tKEY\tNEXT OFFSET")
	for _, o := range s.Offsets {
		line("%s\t%d\t%s\t%d", o.Source, o.Partition, o.Key, o.Next)
	}
	s.eventText(line)
	if len(s.Accumulators) > 0 {
		line("")
		line("ACCUMULATOR\tKIND\tVALUE")
		for _, a := range s.Accumulators {
			line("%s\t%s\t%s", a.Name, a.Kind, a.Value)
		}
	}
	if len(s.Broadcasts) > 0 {
		line("")
		line("BROADCAST\tVERSION\tBYTES\tSHA256")
		for _, b := range s.Broadcasts {
			line("%s\t%d\t%d\t%s", b.Name, b.Version, b.Bytes, b.Hash)
		}
	}
	line("")
	timed := slices.ContainsFunc(s.Batches, func(b BatchSummary) bool { return len(b.Watermarks) > 0 })
	line("BATCH\tTIME\tSTATUS\tROWS\tBAD\tMS\tSTATE BYTES%s\tOFFSETS", map[bool]string{true: "\tWATERMARK"}[timed])
	for _, b := range s.Batches {
		marks := ""
		if timed {
			marks = "\t" + watermarkText(b.Watermarks)
		}
		line("%d\t%s\t%s\t%d\t%d\t%.1f\t%d%s\t%s", b.Batch, b.Time, map[bool]string{true: "committed", false: "planned"}[b.Committed], b.Rows, b.Bad, b.Millis, b.State, marks, b.Offsets)
	}
	line("")
	line("SEGMENT\tEPOCH\tBATCHES\tBYTES\tBEGUN")
	for _, g := range s.Segments {
		line("%s\t%d\t%d-%d\t%d\t%s", g.File, g.Epoch, g.First, g.Last, g.Bytes, g.Begun)
	}
	return t.Flush()
}
