package checkpoint

import (
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// Plan is the plan record of a batch: all that decides its bytes (P1). Placement is not in it.
type Plan struct {
	Batch      int64           `cbor:"1,keyasint"`           // 1, 2, 3, …
	Time       int64           `cbor:"2,keyasint"`           // batch time, µs since 1970 UTC (P2)
	Ranges     []Range         `cbor:"3,keyasint,omitempty"` // ordered by (source, partition); partitions without rows are left out
	New        []Partition     `cbor:"4,keyasint,omitempty"` // partitions seen for the first time, in the order of their numbers
	Layout     rdd.Layout      `cbor:"5,keyasint"`
	Program    []byte          `cbor:"6,keyasint"` // executable and plan hash
	Hash       []byte          `cbor:"7,keyasint"` // hash of all the other fields but Epoch: names blocks, states, staged files
	Epoch      int64           `cbor:"8,keyasint"`
	Final      bool            `cbor:"9,keyasint,omitempty"`  // watermark +∞, the job is finished (P30)
	Targets    []Range         `cbor:"10,keyasint,omitempty"` // first record only: table sources are read up to Until before their streams (P32)
	Values     [][]byte        `cbor:"11,keyasint,omitempty"` // hashes of shared values
	Watermarks []rdd.Watermark `cbor:"12,keyasint,omitempty"` // by event-time input, as known when t was planned, with what follows from the set of idle partitions
	Broadcasts []Pin           `cbor:"13,keyasint,omitempty"` // versions that every attempt of the batch sees
}

// Pin is a version of a broadcast.
type Pin struct {
	Name    string `cbor:"1,keyasint"`
	Version int64  `cbor:"2,keyasint"` // 1, 2, 3, … as they were taken into use, for people
	Hash    []byte `cbor:"3,keyasint"` // of its bytes, which are kept like those of a shared value
}

// Total is an accumulator's value over all batches up to a commit.
type Total struct {
	Name   string     `cbor:"1,keyasint"`
	Kind   string     `cbor:"2,keyasint"` // rdd.AccumulatorKind
	Amount rdd.Amount `cbor:"3,keyasint"`
}

// Range is the offsets [From, Until) of one source partition. Counts never come from Until-From: logs have gaps (P18).
type Range struct {
	Source    string `cbor:"1,keyasint"` // source name: node numbers change with the program, names do not
	Partition int    `cbor:"2,keyasint"` // number given by the driver
	From      int64  `cbor:"3,keyasint"`
	Until     int64  `cbor:"4,keyasint"`
}

// Partition is a source partition's identity.
type Partition struct {
	Source    string `cbor:"1,keyasint"`
	Partition int    `cbor:"2,keyasint"`
	Key       string `cbor:"3,keyasint"`
	Meta      []byte `cbor:"4,keyasint,omitempty"`
	Start     int64  `cbor:"5,keyasint"`
}

// SourcePartition names a partition.
type SourcePartition struct {
	Source    string `cbor:"1,keyasint"`
	Partition int    `cbor:"2,keyasint"`
}

// Reached is what an event-time input had come to behind a batch: its watermark, and the highest event times of partitions, µs. In a commit there are those that the
// batch changed.
type Reached struct {
	Input      string          `cbor:"1,keyasint"` // rdd.Plan.EventName
	Watermark  int64           `cbor:"2,keyasint"`
	Partitions []PartitionHigh `cbor:"3,keyasint,omitempty"` // by (source, partition)
}

// PartitionHigh is the highest event time of a partition's rows.
type PartitionHigh struct {
	Source    string `cbor:"1,keyasint"`
	Partition int    `cbor:"2,keyasint"`
	Micros    int64  `cbor:"3,keyasint"`
}

// Commit says that every lane published batch Batch.
type Commit struct {
	Batch    int64      `cbor:"1,keyasint"`
	Hash     []byte     `cbor:"2,keyasint"` // Plan.Hash
	Deltas   []DeltaRef `cbor:"3,keyasint,omitempty"`
	Rows     int64      `cbor:"4,keyasint,omitempty"` // source rows
	Bad      int64      `cbor:"5,keyasint,omitempty"`
	Micros   int64      `cbor:"6,keyasint,omitempty"` // batch latency, for show
	Fragment []byte     `cbor:"7,keyasint,omitempty"` // hash of what was built for the batch alone (P22); nil if nothing was
	Totals   []Total    `cbor:"8,keyasint,omitempty"` // of the accumulators that the batch added to, the batch included
	Reached  []Reached  `cbor:"9,keyasint,omitempty"` // of the event-time inputs that the batch moved

	// Behind are operators with changes up to this batch that no state file holds yet. The refs say so too; this is for whoever adds one.
	Behind []string `cbor:"-"`
}

// DeltaRef is one state delta file of one executor and batch (P15).
type DeltaRef struct {
	File     string    `cbor:"1,keyasint"`           // name within the state folder
	At       int64     `cbor:"9,keyasint,omitempty"` // where it begins in the file
	Bytes    int64     `cbor:"2,keyasint"`           // from there on
	Sum      uint64    `cbor:"3,keyasint"`           // xxh3 of these
	Batch    int64     `cbor:"4,keyasint"`           // version that it brings the groups to
	Since    int64     `cbor:"5,keyasint"`           // covers batches (Since, Batch]; Batch-1 unless --checkpoint-every
	Sections []Section `cbor:"6,keyasint"`
	Behind   []string  `cbor:"8,keyasint,omitempty"` // operators of which some changes up to Batch are in no file yet, in any executor: the same in all refs of a batch
	Complete int64     `cbor:"7,keyasint,omitempty"` // set by Store.Deltas on the first ref of a list: every version from this one on can be built from the list
}

// Section is a part of a delta file: the changed rows of some key groups of one operator, or all rows of them.
type Section struct {
	Operator string `cbor:"1,keyasint"` // operator name
	From     int    `cbor:"2,keyasint"` // key groups [From, Until)
	Until    int    `cbor:"3,keyasint"`
	Full     bool   `cbor:"4,keyasint,omitempty"` // all live rows at Batch, not only the changed ones
	Rows     int64  `cbor:"5,keyasint"`
	Off      int64  `cbor:"6,keyasint"` // byte range in the file
	Len      int64  `cbor:"7,keyasint"` // 0: no rows, nothing is stored
	Sum      uint64 `cbor:"8,keyasint"` // xxh3 of the byte range
}

// Operator is what the checkpoint knows of a stateful operator.
type Operator struct {
	Name string `cbor:"1,keyasint"`
	Op   string `cbor:"2,keyasint"`
	Key  string `cbor:"3,keyasint"` // row.Codec.Text of the key
	Val  string `cbor:"4,keyasint"`

	// Added are columns of the state that came after the first version of its type, in the order in which they came, and what rows of older files hold in
	// them. SetOperators fills it.
	Added []row.Default `cbor:"5,keyasint,omitempty"`
	// Defaults are what the program says of all its columns. They count for columns that come with this program, and are not recorded otherwise.
	Defaults []row.Default `cbor:"-"`
}

// Text is the total as a number.
func (t Total) Text() string {
	if strings.HasSuffix(t.Kind, "float64") {
		return strconv.FormatFloat(t.Amount.Float, 'g', -1, 64)
	}
	return strconv.FormatInt(t.Amount.Int, 10)
}
