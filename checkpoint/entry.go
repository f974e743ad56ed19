package checkpoint

// format is the version of the batch log's encoding; a reader refuses every other.
const format = 1

// entry is what one frame of the batch log says. Only what is said is set. Within an entry commits come before the plan.
type entry struct {
	Header    *header      `cbor:"1,keyasint,omitempty"` // first frame of a segment, and only there
	Commits   []Commit     `cbor:"2,keyasint,omitempty"`
	Plan      *Plan        `cbor:"3,keyasint,omitempty"`
	Operators *operators   `cbor:"4,keyasint,omitempty"`
	Settings  []setting    `cbor:"5,keyasint,omitempty"`
	Values    []sharedMeta `cbor:"6,keyasint,omitempty"`
	Durable   int64        `cbor:"7,keyasint,omitempty"` // state files up to this batch are fsynced
	Timeline  int64        `cbor:"8,keyasint,omitempty"` // a new timeline begins (P5)
	Finished  bool         `cbor:"9,keyasint,omitempty"`
	Replaced  *replaced    `cbor:"10,keyasint,omitempty"`
}

// header begins a segment and says all that the segments before it established, so that those can go: what is left out, delta
// refs and old plans, lies in segments that are kept as long as it counts.
type header struct {
	Format     int          `cbor:"1,keyasint"`
	Number     int64        `cbor:"2,keyasint"`
	Epoch      int64        `cbor:"3,keyasint"`
	Accepted   int64        `cbor:"4,keyasint"` // bytes of segment Number-1 that count; what lies behind is void
	UUID       string       `cbor:"5,keyasint"`
	Timeline   int64        `cbor:"6,keyasint"`
	Job        string       `cbor:"7,keyasint"`
	Committed  int64        `cbor:"8,keyasint"`
	Last       *Plan        `cbor:"9,keyasint,omitempty"`  // of batch Committed
	Planned    []Plan       `cbor:"10,keyasint,omitempty"` // above Committed
	Positions  []position   `cbor:"11,keyasint,omitempty"` // behind batch Committed, by (source, partition)
	Partitions []Partition  `cbor:"12,keyasint,omitempty"` // planned up to batch Committed
	Targets    []Range      `cbor:"13,keyasint,omitempty"`
	Operators  []Operator   `cbor:"14,keyasint,omitempty"`
	Settings   []setting    `cbor:"15,keyasint,omitempty"`
	Values     []sharedMeta `cbor:"16,keyasint,omitempty"`
	Durable    int64        `cbor:"17,keyasint,omitempty"`
	Finished   bool         `cbor:"18,keyasint,omitempty"`
	Micros     int64        `cbor:"19,keyasint,omitempty"` // when the segment was begun, for show
	Totals     []Total      `cbor:"20,keyasint,omitempty"` // by name, up to batch Committed
	Reached    []Reached    `cbor:"21,keyasint,omitempty"` // by input, up to batch Committed
}

// operators replaces the set of operators. Refs to state of a dropped one no longer count.
type operators struct {
	Set     []Operator `cbor:"1,keyasint,omitempty"`
	Dropped []string   `cbor:"2,keyasint,omitempty"`
}

type setting struct {
	Key   string `cbor:"1,keyasint"`
	Value string `cbor:"2,keyasint"`
}

// sharedMeta describes a shared value; its bytes are a file.
type sharedMeta struct {
	Hash  [32]byte `cbor:"1,keyasint"`
	Name  string   `cbor:"2,keyasint"`
	Bytes int64    `cbor:"3,keyasint"`
}

// position is the next offset of a source partition.
type position struct {
	Source    string `cbor:"1,keyasint"`
	Partition int    `cbor:"2,keyasint"`
	Next      int64  `cbor:"3,keyasint"`
}

// replaced says that lineage computed the state of committed batches above After again: Deltas take the place of their refs.
type replaced struct {
	After  int64      `cbor:"1,keyasint"`
	Deltas []DeltaRef `cbor:"2,keyasint,omitempty"`
}
