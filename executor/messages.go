package executor

import (
	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// Messages between driver and executors are plain structs. Within a process they travel as they are, between processes as CBOR behind a
// type number. They are immutable once sent. ToExecutor and ToDriver list them.

// ToExecutor is a message from the driver: *Welcome, *Assign, *Launch, *Publish, *Committed, *Retry, *Flush, *Answer, *Share, *Forget or *Stop.
type ToExecutor interface{ toExecutor() }

// ToDriver is a message from an executor: *Join, *Assigned, *Held, *Built, *TaskDone, *Staged, *Published, *TaskFailed, *Flushed, *Deposit, *Fetch, *Heartbeat or *Lost.
type ToDriver interface{ toDriver() }

// Welcome is the first message on a connection: it fences older drivers (I9) and gives the executor what it needs to build the job.
type Welcome struct {
	Epoch      int64
	Executor   string   // the executor's name, given by the driver
	Args       []string // the driver's arguments, for the job's own flags (P21)
	Env        []string // MILLRACE_* settings
	Values     []rdd.Value
	Program    []byte // executable hash; an executor with another refuses
	PlanText   string // compared with the executor's own
	Job        string
	UUID       string
	Timeline   int64
	Checkpoint string // directory on the driver's machine ("" without a checkpoint)
	Nonce      string // name of a file in Checkpoint that proves that the directory is shared (P23)
	Settings   Settings

	Older map[string][]row.Default // by operator: what rows of older state files hold in columns that came later (P19)
}

// Settings are the driver's that executors follow.
type Settings struct {
	StopOnBad       bool
	PrefetchBytes   int64 // per executor, over all its partitions; 0: 64 MiB, below 0: nothing is read ahead
	CheckpointEvery int
	HeartbeatMillis int64
	HeldMicros      int64 // least time between two messages Held; 0: 1 ms
	Brokers         []string
	LogDir          string
	OffsetReset     bool
	Deltas          bool // write state deltas (false: local without a checkpoint)
}

// Join answers Welcome.
type Join struct {
	Executor string
	Slots    int
	Addr     string // where peers send blocks
	PID      int
	Shared   bool   // sees the checkpoint's directory; otherwise its state files and journals go to the driver by Deposit and Fetch (P23)
	Refusal  string // why it does not join: the difference of programs or plans
	Holds    int64  // state version it still has from an earlier driver, 0 for none
}

// Assign gives the executors their parts. It replaces the assignment before it: what stays keeps running, what was gained is opened and
// restored, what was lost is dropped. Batches in flight go on; blocks kept for parts that moved are sent again to the new owner.
type Assign struct {
	Generation int64
	Base       int64  // last committed batch: the version that gained state is restored to. With Rollback, the version that all state goes to
	BaseHash   []byte // Plan.Hash of batch Base, if known: with Rollback, state that went through that very batch is kept without a Committed
	Rollback   bool   // a new driver or a full retry: forget all batches above Base
	Layout     rdd.Layout
	Sources    []SourceAssign        // of all executors
	Reduce     []string              // owner of each reduce partition
	Lanes      map[string][]string   // owner of each lane, by sink name
	Peers      map[string]string     // executor -> address
	Deltas     []checkpoint.DeltaRef // chain to restore gained state from
	Owner      sink.Owner            // Sink is filled by the executor
	InFlight   []checkpoint.Plan     // planned, launched and not committed, ascending
}

// SourceAssign gives one source partition to an executor.
type SourceAssign struct {
	Source    string
	Partition checkpoint.Partition
	From      int64 // next offset to plan: prefetch starts here
	Executor  string
}

// Assigned answers Assign when state is restored, sources are open and lanes taken over.
type Assigned struct {
	Generation int64
	Markers    []LaneMarker // of the lanes that were opened now
	NextDue    int64        // earliest timer among its state after the restore, 0 none
	EventDue   int64        // the same of timers in event time: the watermark of a source that it takes, 0 none
	Err        string
}

// LaneMarker is what a lane says was published last.
type LaneMarker struct {
	Sink   string
	Lane   int
	OK     bool
	Marker sink.Marker
}

// Held says how far an executor holds source data in memory. Sent when it changed, at most once a millisecond or so.
type Held struct {
	Parts []HeldPart
}

// HeldPart is one partition's read-ahead.
type HeldPart struct {
	Source    string
	Partition int
	Until     int64 // offsets below are held
	End       int64 // last known end of the partition, -1 unknown
	Bytes     int64
	Rows      int64
	Complete  bool   // Until is the partition's end for ever
	Err       string // the reader failed: offset gone, …
}

// Launch starts a batch on an executor: all tasks whose parts it owns. Tasks of source partitions without a range do not exist.
type Launch struct {
	Plan    checkpoint.Plan
	Replay  bool     // compute state only: sinks are not fed (lineage)
	Skip    []LaneID // lanes that published this batch already
	Attempt int
	Calm    bool // nothing has gone wrong: blocks without rows may be held back as long as there are none with rows for lanes
	Quiet   bool // the batch before had none anywhere: its lanes are done
}

// LaneID names a lane.
type LaneID struct {
	Sink string
	Lane int
}

// Built answers Launch, and an assignment with a batch in flight, where the job has transforms: what this executor built for the batch, before it
// computes anything of it. All executors must have built the same (P22).
type Built struct {
	Batch     int64
	Hash      []byte         // rdd.Plan.Fragment
	Fragments []rdd.Fragment // to show the difference
}

// Retry runs failed tasks again, after taking back what they did to their state.
type Retry struct {
	Batch   int64
	Attempt int
	Tasks   []rdd.TaskID
}

// TaskDone reports the checksums of a task's blocks, for comparison with another attempt (P16), and its counters (P17).
type TaskDone struct {
	Batch    int64
	Task     rdd.TaskID
	Attempt  int
	Sums     []uint64 // in Finish's order
	Counters rdd.Counters
	Added    []rdd.Delta // to accumulators (P17)
	Outcomes []rdd.Outcome
	Highs    []int64 // of a source task: the highest event times that it met, by number of rdd.Plan.Events
}

// Staged says that all of an executor's tasks of a batch are done, its lanes staged and its delta written. After each Assign it is sent again, under
// the new generation, for every batch in flight: the driver counts only those of the current generation, and then sends Publish again.
type Staged struct {
	Batch      int64
	Generation int64
	Delta      *checkpoint.DeltaRef // holds all that the executor's parts changed, also what an earlier report's file of the batch holds
	Behind     []string             // operators whose changes up to Batch are not all in files yet (CheckpointEvery)
	Tasks      []TaskDone           // done since the last report of this batch
	NextDue    int64                // earliest timer among its state, 0 none
	EventDue   int64                // the same of timers in event time: the watermark of a source that it takes, 0 none
	Micros     int64                // time from launch
	Still      bool                 // its lanes have nothing to publish: it needs no Publish
	Quiet      bool                 // no task here gave rows to a lane, nor did any that this executor has heard of. Quiet on all: the batch is done
	Waits      bool                 // lanes wait for blocks that others hold back, unless all are quiet; then Staged comes again
}

// TaskFailed reports a task that failed in user code or engine.
type TaskFailed struct {
	Batch   int64
	Task    rdd.TaskID
	Attempt int
	Message string
	User    bool // user code; otherwise the engine's surroundings (disk, broker)
	Fatal   bool // retrying cannot help (bad record with stop, offset gone, fenced)
}

// Publish tells lanes to publish a batch that is staged everywhere and whose plan is durable (I1). Lanes publish in order. Executors that are Still get none.
type Publish struct{ Batch int64 }

// Published says that an executor's lanes have published a batch. It answers every Publish, also from an executor without lanes.
type Published struct {
	Batch      int64
	Generation int64
	Lanes      []LaneID
}

// Committed says that a batch is published everywhere: undo, blocks and read-ahead below it may go.
type Committed struct{ Batch int64 }

// Share gives an executor a version of a broadcast: once on a connection, before the first Assign or Launch with a plan that names it.
type Share struct{ Version *rdd.Version }

// Forget names versions of broadcasts that no batch needs any more.
type Forget struct{ Versions []checkpoint.Pin }

// Flush asks lanes to make everything visible (drain). Flushed answers.
type Flush struct{}

// Flushed answers Flush.
type Flushed struct{ Err string }

// Deposit is a piece of a file that the driver is to keep in the checkpoint for an executor that does not see it (P23): a journal if Source is not
// empty, else a state file. An executor sends one file at a time, and each piece after the answer to the one before it. A piece at offset 0 begins a file; what
// was not ended before is dropped.
type Deposit struct {
	ID        int64 // Answer has the same
	Batch     int64
	Attempt   int    // of the state file
	Source    string // of the journal
	Partition int
	Off       int64
	Data      []byte // at most Piece bytes
	Last      bool   // ends the file: it is kept if Sum is its checksum, and the answer comes after that
	Sum       uint64 // xxh3 of the whole
}

// Fetch asks for a piece of a state file or, if File is empty, of a journal (P23).
type Fetch struct {
	ID        int64
	File      string
	Batch     int64
	Source    string
	Partition int
	Off       int64
	Len       int // at most Piece
}

// Answer answers a Deposit or a Fetch.
type Answer struct {
	ID   int64
	File string // Deposit: name of the state file that was kept, for DeltaRef
	Data []byte // Fetch
	Size int64  // Fetch of a journal: bytes in all, NoJournal if there is none
	Sum  uint64 // Fetch of a journal: xxh3 of the whole
	Err  string
}

// Piece bounds the bytes of files in one message: what a slow line carries well within a lease.
const Piece = 256 << 10

// NoJournal is Answer.Size where a range was not journalled.
const NoJournal = -1

// Heartbeat keeps the connection's lease.
type Heartbeat struct{ Batch int64 }

// Stop ends the executor.
type Stop struct{ Reason string }

// Lost is posted by the transport when an executor's connection ended; it is never sent.
type Lost struct{ Err string }

func (*Welcome) toExecutor()   {}
func (*Assign) toExecutor()    {}
func (*Launch) toExecutor()    {}
func (*Retry) toExecutor()     {}
func (*Publish) toExecutor()   {}
func (*Committed) toExecutor() {}
func (*Flush) toExecutor()     {}
func (*Answer) toExecutor()    {}
func (*Share) toExecutor()     {}
func (*Forget) toExecutor()    {}
func (*Stop) toExecutor()      {}

func (*Join) toDriver()       {}
func (*Assigned) toDriver()   {}
func (*Held) toDriver()       {}
func (*Built) toDriver()      {}
func (*TaskDone) toDriver()   {}
func (*Staged) toDriver()     {}
func (*TaskFailed) toDriver() {}
func (*Published) toDriver()  {}
func (*Flushed) toDriver()    {}
func (*Deposit) toDriver()    {}
func (*Fetch) toDriver()      {}
func (*Heartbeat) toDriver()  {}
func (*Lost) toDriver()       {}

// Conn is one executor as the driver sees it. Send never blocks for long (bounded queue; a full queue is a lost executor).
type Conn interface {
	Send(m ToExecutor) error
	// Recv blocks for the executor's next message; an error means that it is gone.
	Recv() (ToDriver, error)
	Close() error
}
