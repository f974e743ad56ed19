package driver

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/rdd"
)

// share gives the executor the versions of broadcasts that a batch was planned with, and takes those of the batches before it away. A batch that
// another program planned may lack a broadcast of this one: it sees the newest version, and p says so.
func (r *replayer) share(ctx context.Context, p *checkpoint.Plan) error {
	if len(r.e.plan.Broadcasts) == 0 {
		return nil
	}
	p.Broadcasts = append([]checkpoint.Pin(nil), p.Broadcasts...)
	now := map[versionID]checkpoint.Pin{}
	for _, b := range r.e.plan.Broadcasts {
		v, pin, err := r.version(ctx, p, b)
		if err != nil {
			return fmt.Errorf("batch %d: version %d of broadcast %q: %w", p.Batch, pin.Version, b.Name, err)
		}
		now[idOf(pin)] = pin
		if pinOf(p.Broadcasts, b.Name) < 0 {
			p.Broadcasts = append(p.Broadcasts, pin)
		}
		if v == nil {
			continue
		}
		if err := r.conn.Send(&executor.Share{Version: v}); err != nil {
			return err
		}
	}
	var gone []checkpoint.Pin
	for _, id := range sortedVersions(r.shared) {
		if _, ok := now[id]; !ok {
			gone = append(gone, r.shared[id])
		}
	}
	r.shared = now
	if len(gone) == 0 {
		return nil
	}
	return r.conn.Send(&executor.Forget{Versions: gone})
}

// version is what a batch sees of b; nil if the executor has it.
func (r *replayer) version(ctx context.Context, p *checkpoint.Plan, b *rdd.Broadcast) (*rdd.Version, checkpoint.Pin, error) {
	pin, found := checkpoint.Pin{Name: b.Name}, false
	for _, plan := range []*checkpoint.Plan{r.e.rec.Last, p} {
		if plan == nil {
			continue
		}
		if i := pinOf(plan.Broadcasts, b.Name); i >= 0 {
			pin, found = plan.Broadcasts[i], true
		}
	}
	for _, id := range sortedVersions(r.shared) {
		if id == idOf(pin) || id.name == b.Name && !found {
			return nil, r.shared[id], nil
		}
	}
	if found {
		v, err := readVersion(r.e.store.(*checkpoint.Store), pin)
		return v, pin, err
	}
	data, err := b.Load(ctx)
	if err != nil {
		return nil, pin, err
	}
	v := rdd.NewVersion(b.Name, data)
	pin.Hash = v.Hash[:]
	return v, pin, b.Check(data)
}
