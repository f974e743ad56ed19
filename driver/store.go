package driver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/checkpoint"
)

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

// openStore opens the checkpoint and puts the program's operators and values into it. Without one, processes get a temporary directory: a lost
// executor's state has to come from somewhere.
func (e *engine) openStore(ctx context.Context) error {
	e.dir, e.shared = e.cfg.Checkpoint, e.cfg.Checkpoint
	if e.dir == "" {
		if e.master.kind == masterLocal {
			return e.openMemory()
		}
		dir, err := os.MkdirTemp("", volatilePrefix)
		if err != nil {
			return err
		}
		e.dir = dir
	}
	abs, err := filepath.Abs(e.dir)
	if err != nil {
		return err
	}
	e.dir = abs
	if e.shared != "" {
		if e.unclaim, err = claim(e.dir, e.cfg.Name); err != nil {
			return err
		}
	}
	st, rec, err := checkpoint.Open(e.dir, checkpoint.Options{Log: e.log, Clock: e.clock, Job: e.cfg.Name, Volatile: e.shared == ""})
	if err != nil {
		return err
	}
	e.store, e.rec = st, rec
	if rec.Finished {
		return fmt.Errorf("checkpoint %s: the job is finished, its last batch is %d: start another one with an empty checkpoint directory", e.dir, rec.Committed)
	}
	if rec.TornBytes > 0 {
		e.log.Warn("batch log had a torn end, cut", "bytes", rec.TornBytes)
	}
	if err := st.SetOperators(operatorsOf(e.plan), e.cfg.Drop); err != nil {
		return err
	}
	rec.Deltas, rec.Operators = st.Deltas(), st.Operators()
	for _, v := range e.plan.Values {
		if err := st.PutValue(v.Hash, v.Name, v.Data); err != nil {
			return err
		}
	}
	if err := e.adoptTimeline(st); err != nil {
		return err
	}
	if err := e.checkSources(); err != nil {
		return err
	}
	if err := e.writeNonce(); err != nil {
		return err
	}
	if err := e.recoverTotals(); err != nil {
		return err
	}
	if err := e.recoverVersions(st); err != nil {
		return err
	}
	return e.lineage(ctx, st)
}

func (e *engine) openMemory() error {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	e.store = memoryStore{}
	e.rec = &checkpoint.Recovered{Fresh: true, UUID: hex.EncodeToString(id[:]), Timeline: 1, Epoch: 1}
	return nil
}

// adoptTimeline opens a new timeline, where the user asked for it (P5).
func (e *engine) adoptTimeline(st *checkpoint.Store) error {
	if !e.cfg.SinkAdopt || e.rec.Fresh {
		return nil
	}
	timeline, err := st.NewTimeline()
	if err != nil {
		return err
	}
	e.rec.Timeline = timeline
	return nil
}

// checkSources refuses a program that lacks a source of the checkpoint, unless the user drops it (P19).
func (e *engine) checkSources() error {
	have := map[string]bool{}
	for _, n := range e.plan.Sources {
		have[n.Name] = true
	}
	for _, name := range e.cfg.Drop {
		have[name] = true
	}
	for _, p := range e.rec.Partitions {
		if !have[p.Source] {
			return fmt.Errorf("checkpoint %s has source %q, and the program does not: put it back, or give its position up with --drop %s", e.dir, p.Source, p.Source)
		}
	}
	return nil
}

// writeNonce makes the file by which an executor proves that it sees the same directory (P23).
func (e *engine) writeNonce() error {
	old, _ := filepath.Glob(filepath.Join(e.dir, "nonce-*")) // of drivers that were killed
	for _, path := range old {
		_ = os.Remove(path)
	}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	e.nonce = "nonce-" + hex.EncodeToString(id[:])
	if err := os.WriteFile(filepath.Join(e.dir, e.nonce), []byte(e.nonce), 0o600); err != nil {
		return fmt.Errorf("checkpoint %s: %w", e.dir, err)
	}
	return nil
}
