package driver

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/rdd"
)

// versioned is loaded with the bytes; the loop keeps those and passes loaded on.
type versioned struct {
	loaded
	version *rdd.Version
}

// loader loads one broadcast, in a goroutine of its own: user code that waits for others never holds the step goroutine up.
type loader struct {
	e       *engine
	b       *rdd.Broadcast
	updates chan update // unbuffered: whoever updates waits until the version is stored
	last    [32]byte    // what was stored last
	stored  bool
}

// update is a value that the job's own code gives.
type update struct {
	data []byte
	done chan error // buffered
}

// startBroadcasts starts a loader a broadcast. They end with ctx.
func (e *engine) startBroadcasts(ctx context.Context, g *errgroup.Group) {
	for _, b := range e.plan.Broadcasts {
		l := &loader{e: e, b: b, updates: make(chan update)}
		g.Go(func() error {
			b.Attach(func(caller context.Context, data []byte) error { return l.update(ctx, caller, data) })
			defer b.Detach()
			l.run(ctx)
			return nil
		})
	}
}

// run loads at once, then every so often, and takes updates in between.
func (l *loader) run(ctx context.Context) {
	l.load(ctx)
	for {
		var again <-chan time.Time
		if l.b.Every > 0 {
			again = l.e.time.After(l.b.Every)
		}
		for due := false; !due; {
			select {
			case <-ctx.Done():
				return
			case u := <-l.updates:
				u.done <- l.take(ctx, u.data)
			case <-again:
				due = true
			}
		}
		l.load(ctx)
	}
}

// load calls the job's function. What it cannot load is told to the machine, which decides what follows.
func (l *loader) load(ctx context.Context) {
	data, err := l.b.Load(ctx)
	if err == nil {
		err = l.take(ctx, data)
	}
	if err != nil && ctx.Err() == nil {
		l.e.post(ctx, loadFailed{l.b.ID, err.Error()})
	}
}

// take makes data a version, if it differs from the one before: durable first, then known to the machine, which alone plans with it (P1).
func (l *loader) take(ctx context.Context, data []byte) error {
	if len(data) > rdd.MaxBroadcastBytes {
		return fmt.Errorf("the value has %d bytes encoded, the limit is %d: keep it in a table that is joined, or in files that tasks read", len(data), rdd.MaxBroadcastBytes)
	}
	v := rdd.NewVersion(l.b.Name, data)
	if l.stored && v.Hash == l.last {
		return nil
	}
	if err := l.b.Check(data); err != nil {
		return err
	}
	if err := l.e.store.PutValue(v.Hash, v.Name, data); err != nil {
		return err
	}
	l.last, l.stored = v.Hash, true
	l.e.post(ctx, versioned{loaded{l.b.ID, string(v.Hash[:]), int64(len(data))}, v})
	return nil
}

// update hands a value to the loader's goroutine. caller is whoever waits, job the run's life.
func (l *loader) update(job, caller context.Context, data []byte) error {
	u := update{data, make(chan error, 1)}
	select {
	case l.updates <- u:
	case <-caller.Done():
		return caller.Err()
	case <-job.Done():
		return fmt.Errorf("broadcast %q: the job has ended", l.b.Name)
	}
	return <-u.done
}

// recoverVersions reads what batches that run again need, and the newest versions, which stay if loading fails.
func (e *engine) recoverVersions(st *checkpoint.Store) error {
	read := func(p *checkpoint.Plan) error {
		for _, b := range e.plan.Broadcasts {
			i := pinOf(p.Broadcasts, b.Name)
			if i < 0 || e.versions[idOf(p.Broadcasts[i])] != nil {
				continue
			}
			v, err := readVersion(st, p.Broadcasts[i])
			if err != nil {
				return fmt.Errorf("batch %d needs version %d of broadcast %q: %w", p.Batch, p.Broadcasts[i].Version, b.Name, err)
			}
			e.versions[idOf(p.Broadcasts[i])] = v
		}
		return nil
	}
	for i := range e.rec.Planned {
		if err := read(&e.rec.Planned[i]); err != nil {
			return err
		}
	}
	if e.rec.Last != nil {
		if err := read(e.rec.Last); err != nil {
			e.log.Warn("the newest version of a broadcast is not there any more", "error", err) // loading brings another
		}
	}
	return nil
}

func readVersion(st *checkpoint.Store, p checkpoint.Pin) (*rdd.Version, error) {
	data, err := st.Value([32]byte(p.Hash))
	if err != nil {
		return nil, err
	}
	v := rdd.NewVersion(p.Name, data)
	if string(v.Hash[:]) != string(p.Hash) {
		return nil, fmt.Errorf("its file holds another value: %w", checkpoint.ErrDamaged)
	}
	return v, nil
}

// recoverTotals takes accumulators' totals over from the checkpoint, for show; the machine has its own.
func (e *engine) recoverTotals() error {
	for _, a := range e.plan.Accumulators {
		for _, t := range e.rec.Totals {
			switch {
			case t.Name != a.Name:
			case t.Kind != a.Kind.String():
				return fmt.Errorf("accumulator %q is a %v, and a %s in checkpoint %s: give it another name", a.Name, a.Kind, t.Kind, e.dir)
			default:
				a.SetTotal(t.Amount)
			}
		}
	}
	return nil
}

// tellTotals shows totals of a batch that is recorded to the job's own code.
func (e *engine) tellTotals(totals []checkpoint.Total) {
	for _, t := range totals {
		for _, a := range e.plan.Accumulators {
			if a.Name == t.Name {
				a.SetTotal(t.Amount)
			}
		}
	}
}
