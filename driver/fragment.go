package driver

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/fault"
)

// onBuilt compares what executors built for a batch: those of the assignment, and those that take over later (P22). They report before they compute, so
// none waits for blocks that nobody will send.
func (m *machine) onBuilt(from string, b *executor.Built) {
	f := m.flight(b.Batch)
	if f == nil {
		return
	}
	if f.built == nil {
		f.built, f.builder = b, from
		return
	}
	if bytes.Equal(f.built.Hash, b.Hash) || fault.Planted("P22-hash") {
		return
	}
	where := "on executor " + from
	if from == f.builder {
		where = "there, when it was built again"
	}
	node, first, second := apart(f.built, b)
	m.fail("batch %d: %s built different plans: %q on executor %s, and %q %s. "+
		"What it builds must follow from the batch, the RDDs that it is given and shared values alone (no clock, random numbers, map order or outside data); hand such data in with Value",
		b.Batch, m.shape.title(node), first, f.builder, second, where)
}

// apart finds the first lines in which two reports differ, and their transform node.
func apart(a, b *executor.Built) (node int, first, second string) {
	for i := range min(len(a.Fragments), len(b.Fragments)) {
		x, y := strings.Split(a.Fragments[i].Text, "\n"), strings.Split(b.Fragments[i].Text, "\n")
		for j := range min(len(x), len(y)) {
			if x[j] != y[j] {
				return a.Fragments[i].Node, strings.TrimSpace(x[j]), strings.TrimSpace(y[j])
			}
		}
	}
	return -1, fmt.Sprintf("hash %x", a.Hash), fmt.Sprintf("hash %x", b.Hash)
}

// compare is onBuilt for a batch that is computed again after its commit. Another program may build something else.
func (r *replayer) compare(p *checkpoint.Plan, b *executor.Built) error {
	c, ok := r.store.Commit(p.Batch)
	if !ok || len(c.Fragment) == 0 || bytes.Equal(c.Fragment, b.Hash) || !bytes.Equal(p.Program, programHash(r.e.exe, r.e.plan)) || fault.Planted("P22-replay") {
		return nil
	}
	var text strings.Builder
	for _, f := range b.Fragments {
		text.WriteString(f.Text)
	}
	return fmt.Errorf("batch %d: what was built for it when it was committed is not what is built now: Transform must follow from the batch, the RDDs that it is given and shared values alone. Now it built\n%s", p.Batch, text.String())
}
