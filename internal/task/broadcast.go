package task

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Broadcast is a value that changes while a job runs. The driver alone loads it. Each change is a version; a batch is planned with one, and every
// task of the batch, whenever and wherever it runs, sees that one (P1).
type Broadcast struct {
	ID   int // its place among a plan's broadcasts
	Name string
	Site string

	Every time.Duration                             // between the end of a load and the next, 0: it is loaded once
	Load  func(ctx context.Context) ([]byte, error) // the value of now, encoded
	Check func(data []byte) error                   // whether data can be decoded

	host atomic.Pointer[func(ctx context.Context, data []byte) error]
}

// Limits of broadcasts (I8): beyond them a value is refused.
const (
	MaxBroadcasts     = 64       // a job
	MaxBroadcastBytes = 64 << 20 // of one version, encoded
)

// Attach hands updates to whoever runs the job in this process, until Detach.
func (b *Broadcast) Attach(take func(ctx context.Context, data []byte) error) { b.host.Store(&take) }

// Detach ends Attach.
func (b *Broadcast) Detach() { b.host.Store(nil) }

// Update makes data the newest version. It returns when that is durable; batches that are planned later see it.
func (b *Broadcast) Update(ctx context.Context, data []byte) error {
	take := b.host.Load()
	if take == nil {
		return fmt.Errorf("broadcast %q is updated in the driver's process, while the job runs: not in functions of operators", b.Name)
	}
	return (*take)(ctx, data)
}

// Version is one version of a broadcast in a process. It is immutable, and safe for concurrent use.
type Version struct {
	Name string
	Hash [32]byte
	Data []byte // encoded

	once  sync.Once
	value atomic.Value // what was decoded
	err   error
}

// NewVersion is a version made of its bytes, which must not change any more.
func NewVersion(name string, data []byte) *Version {
	return &Version{Name: name, Hash: sha256.Sum256(data), Data: data}
}

// Decoded is what decode makes of the bytes. It is called once; everybody gets the same value.
func (v *Version) Decoded(decode func(data []byte) (any, error)) (any, error) {
	v.once.Do(func() {
		value, err := decode(v.Data)
		if v.err = err; err == nil {
			v.value.Store(value)
		}
	})
	return v.value.Load(), v.err
}

// Value is the value of b for the task's batch if it is decoded already, otherwise nil. It is what Version and Decoded give, at the price of a few loads.
func (t Task) Value(b *Broadcast) any {
	if t.ctx == nil || b.ID >= len(t.ctx.Versions) {
		return nil
	}
	if v := t.ctx.Versions[b.ID]; v != nil && v.Name == b.Name {
		return v.value.Load()
	}
	return nil
}

var errNoVersion = errors.New("there is no version of it: it is read in a batch of a running job only")

// Among is b's version among those of all of a plan's broadcasts, the ones that a batch was planned with.
func (b *Broadcast) Among(versions []*Version) (*Version, error) {
	if b.ID >= len(versions) || versions[b.ID] == nil {
		return nil, fmt.Errorf("broadcast %q: %w", b.Name, errNoVersion)
	}
	v := versions[b.ID]
	if v.Name != b.Name {
		return nil, fmt.Errorf("broadcast %q belongs to another job", b.Name)
	}
	return v, nil
}

// Version is the version of b that the task's batch was planned with.
func (t Task) Version(b *Broadcast) (*Version, error) {
	if t.ctx == nil {
		return b.Among(nil)
	}
	return b.Among(t.ctx.Versions)
}
