package driver

import "github.com/millrace/millrace/checkpoint"

// store is the part of a checkpoint that the engine writes; memoryStore stands in where nothing has to survive.
type store interface {
	Append(plan *checkpoint.Plan, commits []checkpoint.Commit) error
	Deltas() []checkpoint.DeltaRef
	Sync(batch int64) error
	Prune(keep int64) error
	Finish() error
	PutValue(hash [32]byte, name string, data []byte) error
	ReleaseValue(hash [32]byte, n int)
	Close() error
}

// memoryStore forgets everything: a local job without a checkpoint.
type memoryStore struct{}

func (memoryStore) Append(*checkpoint.Plan, []checkpoint.Commit) error { return nil }
func (memoryStore) Deltas() []checkpoint.DeltaRef                      { return nil }
func (memoryStore) Sync(int64) error                                   { return nil }
func (memoryStore) Prune(int64) error                                  { return nil }
func (memoryStore) Finish() error                                      { return nil }
func (memoryStore) PutValue([32]byte, string, []byte) error            { return nil }
func (memoryStore) ReleaseValue([32]byte, int)                         {}
func (memoryStore) Close() error                                       { return nil }
