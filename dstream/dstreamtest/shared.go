package dstreamtest

import (
	"context"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/millrace/millrace/rdd"
)

// shared are a runner's accumulators and broadcasts.
type shared struct {
	totals   []rdd.Amount
	versions []*rdd.Version // the newest of each broadcast
}

// load gives each broadcast its first version.
func (r *Runner) load() error {
	r.totals, r.versions = make([]rdd.Amount, len(r.Plan.Accumulators)), make([]*rdd.Version, len(r.Plan.Broadcasts))
	for _, b := range r.Plan.Broadcasts {
		b.Attach(func(_ context.Context, data []byte) error { return r.set(b, data) })
		if err := r.Reload(b.Name); err != nil {
			return err
		}
	}
	return nil
}

// resume gives accumulators their totals, and broadcasts the versions that they had, behind a restart.
func (r *Runner) resume() {
	for i, a := range r.Plan.Accumulators {
		a.SetTotal(r.totals[i])
	}
	for _, b := range r.Plan.Broadcasts {
		b.Attach(func(_ context.Context, data []byte) error { return r.set(b, data) })
	}
}

func (r *Runner) set(b *rdd.Broadcast, data []byte) error {
	if err := b.Check(data); err != nil {
		return fmt.Errorf("broadcast %q: %w", b.Name, err)
	}
	r.versions[b.ID] = rdd.NewVersion(b.Name, data)
	return nil
}

// Reload loads a broadcast again, as ReloadEvery would: batches from now on see what its function gives.
func (r *Runner) Reload(broadcast string) error {
	b := r.Plan.Broadcast(broadcast)
	if b == nil {
		return fmt.Errorf("the job has no broadcast %q", broadcast)
	}
	data, err := b.Load(context.Background())
	if err != nil {
		return fmt.Errorf("broadcast %q: %w", b.Name, err)
	}
	return r.set(b, data)
}

// Set makes value the newest version of a broadcast: batches from now on see it.
func (r *Runner) Set(broadcast string, value any) error {
	b := r.Plan.Broadcast(broadcast)
	if b == nil {
		return fmt.Errorf("the job has no broadcast %q", broadcast)
	}
	data, err := cbor.Marshal(value)
	if err != nil {
		return fmt.Errorf("broadcast %q: %w", b.Name, err)
	}
	return r.set(b, data)
}

// Total is an accumulator's total over the batches that have run; it panics if the job has none of that name. Acc.Value gives the same.
func (r *Runner) Total(accumulator string) rdd.Amount {
	for i, a := range r.Plan.Accumulators {
		if a.Name == accumulator {
			return r.totals[i]
		}
	}
	panic(fmt.Sprintf("the job has no accumulator %q", accumulator))
}

// fold adds what the tasks of a batch added, in their order.
func (r *Runner) fold(added []rdd.Delta) {
	for _, d := range added {
		a := r.Plan.Accumulators[d.ID]
		a.Kind.Fold(&r.totals[d.ID], d.Amount)
		a.SetTotal(r.totals[d.ID])
	}
}
