package driver

import (
	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// event is what the machine is told. Every event comes with the time at which it happened (step's now).
type event interface{ isEvent() }

// joined: an executor has connected and agreed on program and plan.
type joined struct {
	name  string
	slots int
	addr  string
	hosts bool // takes source and reduce partitions and lanes
	far   bool // does not see the checkpoint's directory: on another machine (P23)
	local bool // lives in the driver's process: takes the lanes that run there (console, callbacks)
}

// lost: an executor's connection ended, or it could not be started.
type lost struct{ name, err string }

// message: an executor sent m.
type message struct {
	from string
	m    executor.ToDriver
}

// discovered: what partitions a source has now.
type discovered struct {
	source string
	parts  []source.Partition
}

// appended: a frame of the batch log is durable.
type appended struct {
	plan    int64 // batch number of the plan in it, 0 for none
	commits int64 // last batch that it commits, 0 for none
	err     string
}

// replayed: lineage has recomputed state files up to batch until.
type replayed struct {
	until  int64
	deltas []checkpoint.DeltaRef
	err    string
}

// pruned: deltas are those that a restore may still need.
type pruned struct{ deltas []checkpoint.DeltaRef }

// loaded: the value of a broadcast as it was loaded, or updated, last; its bytes are durable.
type loaded struct {
	broadcast int
	hash      string
	bytes     int64
}

// loadFailed: a broadcast could not be loaded.
type loadFailed struct {
	broadcast int
	err       string
}

// tick: the timer rang. It carries nothing but the time.
type tick struct{}

// drain: finish what runs, publish it, and stop.
type drain struct{}

// abort: stop at once with an error; nothing that was recorded is lost.
type abort struct{ err string }

func (joined) isEvent()     {}
func (lost) isEvent()       {}
func (message) isEvent()    {}
func (discovered) isEvent() {}
func (appended) isEvent()   {}
func (replayed) isEvent()   {}
func (pruned) isEvent()     {}
func (loaded) isEvent()     {}
func (loadFailed) isEvent() {}
func (tick) isEvent()       {}
func (drain) isEvent()      {}
func (abort) isEvent()      {}

// action is what the machine wants done. Actions of one step are performed in order.
type action interface{ isAction() }

// appendFrame: write a frame to the batch log, durably, behind the frames before it; answered by appended.
type appendFrame struct {
	plan    *checkpoint.Plan
	commits []checkpoint.Commit
}

// send: hand m to an executor.
type send struct {
	to string
	m  executor.ToExecutor
}

// share: give a version of a broadcast to an executor, before what is sent to it next.
type share struct {
	to      string
	version versionID
}

// forget: no batch that is not committed needs this version of a broadcast. It was stored so many times.
type forget struct {
	version versionID
	stored  int
}

// spawn: start an executor after a delay (µs); answered by joined or lost.
type spawn struct {
	name  string
	after int64
}

// dismiss: end the connection to an executor, whatever it does.
type dismiss struct{ name string }

// wake: post a tick at this time (µs since 1970). It replaces the one before it.
type wake struct{ at int64 }

// replay: recompute the state of batches (from, until] by lineage and write their state files; answered by replayed.
type replay struct{ from, until int64 }

// report: a batch was published and its commit is durable.
type report struct {
	batch   int64
	time    int64 // batch time, µs
	rows    int64
	bad     int64
	micros  int64                       // from plan to published
	told    BatchCompleted              // empty if nobody listens
	offsets map[string]map[string]int64 // source -> partition key -> next offset
	totals  []checkpoint.Total          // of the accumulators that the batch added to
	came    []rdd.Outcome               // what became of its rows by their event time
}

// tell: let listeners know.
type tell struct{ what occasion }

// finished: mark the checkpoint finished (P30).
type finished struct{}

// note: a line for the log.
type note struct {
	level string // "debug", "info", "warn", "error"
	text  string
	attrs []any
}

// stop: the machine has ended; err is empty for a clean end. No action follows it.
type stop struct{ err string }

func (appendFrame) isAction() {}
func (send) isAction()        {}
func (share) isAction()       {}
func (forget) isAction()      {}
func (spawn) isAction()       {}
func (dismiss) isAction()     {}
func (wake) isAction()        {}
func (replay) isAction()      {}
func (report) isAction()      {}
func (tell) isAction()        {}
func (finished) isAction()    {}
func (note) isAction()        {}
func (stop) isAction()        {}
