package driver

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/sink"
)

// canonical encodes equal values to equal bytes.
var canonical = func() cbor.EncMode {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	assert.True(err == nil, "cbor: %v", err)
	return mode
}()

// planHash is the hash of all of a plan record but its hash and epoch.
func planHash(p *checkpoint.Plan) []byte {
	bare := *p
	bare.Hash, bare.Epoch = nil, 0
	data, err := canonical.Marshal(&bare)
	assert.True(err == nil, "plan record: %v", err)
	sum := sha256.Sum256(data)
	return sum[:16]
}

// programChanged tells whether batches were planned by another program.
func (m *machine) programChanged() bool {
	for i := range m.todo {
		if !bytes.Equal(m.todo[i].Program, m.program) {
			return true
		}
	}
	return false
}

// onAssigned looks at the markers of lanes that were opened (P7). When all executors have answered, work goes on.
func (m *machine) onAssigned(from string, a *executor.Assigned) {
	if a.Generation != m.generation || !m.awaiting[from] {
		return
	}
	if a.Err != "" {
		m.fail("executor %s: %s", from, a.Err)
		return
	}
	for _, l := range a.Markers {
		if err := m.checkMarker(l); err != "" {
			m.fail("%s", err)
			return
		}
	}
	if a.NextDue > 0 {
		m.due[from] = a.NextDue
	}
	if a.EventDue > 0 {
		m.eventDue[from] = a.EventDue
	}
	delete(m.awaiting, from)
	if len(m.awaiting) == 0 {
		m.allBusy()
	}
	if len(m.awaiting) > 0 || m.phase != waiting {
		return
	}
	m.phase, m.began = running, m.now
	if m.byHand && m.interval > 0 {
		m.tick = m.now - m.now%m.interval // or it would depend on who is first whether some rows are held by now
	}
	m.note("info", "job runs", "batch", m.committed, "planned", len(m.todo), "executors", len(m.members), "partitions", m.active.Reduce)
	m.tell(JobStarted{At: at(m.now), Committed: m.committed, Planned: len(m.todo), Executors: len(m.members)})
	m.resolveProgram()
}

// checkMarker decides what a lane's marker means: nothing new, a batch that this lane need not publish again (I5), or a
// sink that belongs to another history, which stops the job (P5, P7).
func (m *machine) checkMarker(l executor.LaneMarker) string {
	if !l.OK {
		return ""
	}
	k := l.Marker
	foreign := k.UUID != m.recovered.UUID || k.Timeline > m.recovered.Timeline
	future := k.Batch > m.last
	hash, known := m.hashes[k.Batch]
	strange := known && len(hash) > 0 && !bytes.Equal(hash, k.PlanHash) && !m.acceptMixed
	if k.Timeline < m.recovered.Timeline && k.Batch > m.committed && !known {
		strange = true
	}
	if foreign && fault.Planted("P7-foreign") || future && fault.Planted("P7-future") {
		return ""
	}
	if foreign || future || strange {
		if !m.adopt {
			return m.markerChoices(l)
		}
		if !known || !bytes.Equal(hash, k.PlanHash) {
			return fmt.Sprintf("sink %s lane %d: --sink-adopt is refused: its last batch is %d of %s, and the checkpoint does not know which source offsets belong to it; choose another output, or bring back the checkpoint that wrote it",
				l.Sink, l.Lane, k.Batch, markerOrigin(k))
		}
	}
	if !m.opened || m.phase == waiting {
		for i := range m.todo {
			if b := m.todo[i].Batch; b <= k.Batch && !fault.Planted("I5-skip") {
				m.skip[b] = append(m.skip[b], executor.LaneID{Sink: l.Sink, Lane: l.Lane})
			}
		}
	}
	return ""
}

func markerOrigin(k sink.Marker) string {
	return fmt.Sprintf("checkpoint %s, timeline %d, plan %s", k.UUID, k.Timeline, hex.EncodeToString(k.PlanHash))
}

func (m *machine) markerChoices(l executor.LaneMarker) string {
	return fmt.Sprintf("sink %s lane %d was last written by batch %d of %s, which this checkpoint (%s, timeline %d, last planned batch %d) does not know: "+
		"the checkpoint was deleted, or restored from an older copy, or the output belongs to another job. Nothing was written. Choose: another output; the checkpoint that wrote this one; or --sink-adopt, which accepts what is there if the checkpoint knows its source offsets",
		l.Sink, l.Lane, l.Marker.Batch, markerOrigin(l.Marker), m.recovered.UUID, m.recovered.Timeline, m.last)
}

// resolveProgram settles batches that another program planned (P1): planned again if no lane has published them, otherwise the user decides.
func (m *machine) resolveProgram() {
	if !m.programChanged() {
		return
	}
	for i := range m.todo {
		p := &m.todo[i]
		switch lanes := m.skip[p.Batch]; {
		case len(lanes) == 0:
			p.Layout = m.layout
		case !m.acceptMixed:
			m.fail("batch %d was planned by another version of the program, and sink %s lane %d has published it already: finish it with the old binary and --finish-planned, or let this one go on with --accept-mixed (rows of batch %d then come from both)",
				p.Batch, lanes[0].Sink, lanes[0].Lane, p.Batch)
			return
		default:
			p.Layout = m.oldLayout(p.Layout)
		}
		p.Hash = nil
		kept := p.Ranges[:0:0]
		for _, r := range p.Ranges {
			if m.sources[r.Source] != nil {
				kept = append(kept, r)
			}
		}
		p.Ranges = kept
	}
	m.note("warn", "program changed, planned batches are planned again", "batches", len(m.todo))
}
