package dstream

import "github.com/millrace/millrace/rdd"

// StateOption is a setting of every operator that keeps state, tables and windows too: CheckpointEvery.
type StateOption interface {
	RunningOption
	WindowOption
}

// CheckpointEvery writes what changed of the operator's state every n batches only, each key's last state once, instead of in each batch: Spark's
// checkpoint(interval). It spares files where the same keys change in each batch. n is at most 10,000 and is rounded up to a multiple of
// --checkpoint-every. The changes wait in memory until then. After a crash the job computes all batches since the operator's last write again, before it goes
// on, and their plans and source ranges are kept for that: results are the same.
func CheckpointEvery(n int) StateOption { return checkpointEvery(n) }

type checkpointEvery int

func (n checkpointEvery) ofRunning(o *runningOptions) { o.every = (*int)(&n) }

func (n checkpointEvery) ofWindow(o *windowOptions) { o.every = (*int)(&n) }

// maxCheckpointEvery bounds how long changes wait in memory, as it does for --checkpoint-every.
const maxCheckpointEvery = 10_000

// stateOptions are the settings of every operator that keeps state.
type stateOptions struct {
	every *int // CheckpointEvery, nil: every batch
}

func stateSettings(j *Job, at rdd.Site, name string, list []StateOption) stateOptions {
	var o runningOptions
	for _, set := range list {
		set.ofRunning(&o)
	}
	o.check(j, at, name)
	return o.stateOptions
}

// check reports what is wrong with an operator's name or these settings.
func (o stateOptions) check(j *Job, at rdd.Site, name string) {
	if name == "" {
		j.mistakef(at, "an operator that keeps state needs a name: a checkpoint finds the state under it")
	}
	if o.every != nil && (*o.every < 1 || *o.every > maxCheckpointEvery) {
		j.mistakef(at, "CheckpointEvery(%d): 1 to %d batches", *o.every, maxCheckpointEvery)
	}
}

// interval is how many batches apart the operator's state is written, 0: every batch.
func (o stateOptions) interval() int64 {
	if o.every == nil {
		return 0
	}
	return int64(*o.every)
}
