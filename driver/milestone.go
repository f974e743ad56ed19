package driver

import (
	"github.com/millrace/millrace/checkpoint"
)

// milestoneEvery is how many batches without a change of state may follow each other before a milestone is written.
const milestoneEvery = 256

// milestones writes a state file without sections behind batches that changed no state: at the next pause of the job, and after many such batches. It
// says that state is whole up to there. Without it a restart could not tell "nothing changed" from "not written yet" (P15): it would compute
// those batches again, and their plans would be kept.
//
// Only with state written in every batch, and where no operator is behind: then nothing is outstanding when a batch is committed.
type milestones struct {
	state *checkpoint.StateDir
	epoch int64
	last  int64 // batch of the newest state file
}

func newMilestones(e *engine) (*milestones, error) {
	if _, durable := e.store.(*checkpoint.Store); !durable || e.cfg.CheckpointEvery > 1 || len(operatorsOf(e.plan)) == 0 {
		return nil, nil
	}
	state, err := checkpoint.OpenState(e.dir)
	if err != nil {
		return nil, err
	}
	m := &milestones{state: state, epoch: e.rec.Epoch}
	for _, d := range e.rec.Deltas {
		m.last = max(m.last, d.Batch)
	}
	return m, nil
}

// mark adds a milestone to the last of the commits of a frame that is to be written, if one is due there.
func (m *milestones) mark(commits []checkpoint.Commit, pause bool) error {
	if m == nil || len(commits) == 0 {
		return nil
	}
	for i := range commits {
		if len(commits[i].Deltas) > 0 {
			m.last = commits[i].Batch
		}
	}
	c := &commits[len(commits)-1]
	if len(c.Deltas) > 0 || len(c.Behind) > 0 || !pause && c.Batch-m.last < milestoneEvery {
		return nil
	}
	ref, err := m.state.Write(c.Batch, c.Batch-1, "driver", m.epoch, 0, nil)
	if err != nil {
		return err
	}
	c.Deltas, m.last = []checkpoint.DeltaRef{ref}, c.Batch
	return nil
}
