package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Inspection is a checkpoint as it was when it was looked at. It owns nothing: a driver may be running and go on.
type Inspection struct {
	*Recovered        // TornBytes may be a frame that the driver is writing just now; Epoch is the last driver's
	Job        string // job name
	Horizon    int64

	dir   string
	log   *logged
	state *StateDir
}

// Inspect reads the batch log of the checkpoint in dir and changes nothing. Damage in the log is ErrDamaged; Verify tells more.
func Inspect(dir string) (*Inspection, error) {
	if err := isCheckpoint(dir); err != nil {
		return nil, err
	}
	log, err := readLog(dir)
	if err != nil {
		return nil, explain(dir, err)
	}
	if len(log.segments) == 0 {
		return nil, fmt.Errorf("checkpoint %s has no batch yet: its log is empty", dir)
	}
	r := log.ledger.recovered()
	r.TornBytes = log.tornBytes()
	return &Inspection{
		Recovered: r, Job: log.ledger.job, Horizon: log.ledger.horizon(log.ledger.durable),
		dir: dir, log: log, state: readOnlyState(dir),
	}, nil
}

// readOnlyState is a StateDir that made no folder.
func readOnlyState(dir string) *StateDir { return &StateDir{dir: dir} }

// isCheckpoint refuses what is no checkpoint.
func isCheckpoint(dir string) error {
	info, err := os.Stat(filepath.Join(dir, logDir))
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil || errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("checkpoint %s: there is no such directory", dir)
		}
		return fmt.Errorf("%s is no checkpoint: it has no folder %q; give the directory that the job has as --checkpoint", dir, logDir)
	}
	return explain(dir, err)
}

// plan reads the plan record of batch b, nil if it was pruned.
func (in *Inspection) plan(b int64) (*Plan, error) {
	l := in.log.ledger
	if b == l.committed && l.last != nil {
		return l.last, nil
	}
	if b > l.committed && b <= l.lastPlanned() {
		return &l.planned[b-l.committed-1], nil
	}
	at, ok := l.places[b]
	if !ok {
		return nil, nil
	}
	return readPlan(in.dir, b, at)
}

// batches are the numbers of the last n batches whose plan or commit is in the log, ascending.
func (in *Inspection) batches(n int) []int64 {
	l := in.log.ledger
	seen := map[int64]bool{}
	for b := range l.places {
		seen[b] = true
	}
	for _, c := range l.stats {
		seen[c.Batch] = true
	}
	var list []int64
	for b := range seen {
		list = append(list, b)
	}
	slices.Sort(list)
	return list[max(0, len(list)-n):]
}

// version is the last batch whose state the files hold for an operator; batches behind it changed nothing of it or were not written yet
// (--checkpoint-every, CheckpointEvery).
func (in *Inspection) version(op string) int64 { return version(in.Deltas, op, in.Committed) }
