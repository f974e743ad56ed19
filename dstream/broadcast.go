package dstream

import (
	"context"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/millrace/millrace/internal/task"
	"github.com/millrace/millrace/internal/userstack"
	"github.com/millrace/millrace/rdd"
)

// Versioned is a broadcast: a value for functions of the job that changes while it runs, such as a list of rates. See Broadcast.
type Versioned[T any] struct{ decl *rdd.Broadcast }

// BroadcastOption is a setting of Broadcast.
type BroadcastOption func(*rdd.Broadcast)

// ReloadEvery has the value loaded again d after it was loaded last. Without it, it is loaded at each start of the job, and changes by Update only.
func ReloadEvery(d time.Duration) BroadcastOption {
	return func(b *rdd.Broadcast) { b.Every = d }
}

// Broadcast is a value that load brings, in the driver's process: when the job starts, and again as the options say. If it has changed (its encoded bytes
// differ) it is a new version: stored in the checkpoint, sent to each executor once, and seen by batches that are planned from then on. A batch's version is in its
// plan record: every attempt sees the same, after restarts too (P1). A job does not begin before it has a first version.
//
// A load that fails leaves the version before in use; the log says why, once, and metrics count it. After a restart that version is the one of the last
// planned batch. load should return soon after its context is done: the job's end waits for it.
//
// T must survive encoding as CBOR: exported fields, maps, slices and scalars. A version is at most 64 MiB encoded, and a job has at most 64 broadcasts. The
// versions of batches in flight and the newest are in memory, encoded in the driver and encoded and decoded in each process that uses them.
func Broadcast[T any](job *Job, name string, load func(ctx context.Context) (T, error), opts ...BroadcastOption) *Versioned[T] {
	at := rdd.Caller()
	job.b.Need(at, "Broadcast", load == nil)
	b := &rdd.Broadcast{Name: name, Check: func(data []byte) error {
		_, err := decodeValue[T](data)
		return err
	}}
	b.Load = func(ctx context.Context) (data []byte, err error) {
		defer func() {
			if cause := recover(); cause != nil {
				err = fmt.Errorf("load (%s): panic: %v", b.Site, cause)
			}
		}()
		value, err := load(ctx)
		if err != nil {
			return nil, fmt.Errorf("load (%s): %w", b.Site, err)
		}
		return canonical.Marshal(value)
	}
	job.declare(at, b, opts)
	return &Versioned[T]{b}
}

// declare gives b its place among the job's broadcasts, unless something is wrong with its name or options.
func (j *Job) declare(at rdd.Site, b *rdd.Broadcast, opts []BroadcastOption) {
	b.ID, b.Site = len(j.shared.Broadcasts), at.String()
	for _, o := range opts {
		o(b)
		if b.Every <= 0 {
			j.mistakef(at, "broadcast %q: ReloadEvery wants a time above 0", b.Name)
		}
	}
	if b.Name == "" {
		j.mistakef(at, "a broadcast needs a name: its versions are kept under it")
		return
	}
	for _, other := range j.shared.Broadcasts {
		if other.Name == b.Name {
			j.mistakef(at, "there is a broadcast %q already, from %s; names of broadcasts are unique", b.Name, other.Site)
			return
		}
	}
	if len(j.shared.Broadcasts) == task.MaxBroadcasts {
		j.mistakef(at, "broadcast %q is one more than %d: put several values into one struct", b.Name, task.MaxBroadcasts)
		return
	}
	j.shared.Broadcasts = append(j.shared.Broadcasts, b)
}

// Get is the value that t's batch was planned with. Callers must not change what it refers to: all tasks of a process see the same. A function that is
// called for each row may call it for each row; a large struct is better broadcast as a pointer or map, since Get copies T.
func (v *Versioned[T]) Get(t Task) T {
	if value, ok := t.Value(v.decl).(*T); ok {
		return *value
	}
	return v.read(t.Version(v.decl))
}

// At is Get for functions that build what a batch has of its own (Transform): the value that batch b was planned with.
func (v *Versioned[T]) At(b rdd.BatchInfo) T { return v.read(b.Version(v.decl)) }

func (v *Versioned[T]) read(version *rdd.Version, err error) T {
	if err != nil {
		panic(userstack.Misuse{Err: err})
	}
	value, err := version.Decoded(decodeValue[T])
	if err != nil {
		panic(userstack.Misuse{Err: fmt.Errorf("broadcast %q: a version that was recorded cannot be read as %T any more: %w", v.decl.Name, *new(T), err)})
	}
	return *value.(*T)
}

// Update makes value the newest version, as if it had been loaded. It is for code in the driver's process while the job runs, ForeachBatch above all, and
// returns when the version is stored: batches that are planned later see it, those in flight do not. The value is encoded before Update returns.
func (v *Versioned[T]) Update(ctx context.Context, value T) error {
	data, err := canonical.Marshal(value)
	if err != nil {
		return fmt.Errorf("broadcast %q: %w", v.decl.Name, err)
	}
	return v.decl.Update(ctx, data)
}

// Name is the broadcast's name.
func (v *Versioned[T]) Name() string { return v.decl.Name }

func decodeValue[T any](data []byte) (any, error) {
	value := new(T)
	if err := cbor.Unmarshal(data, value); err != nil {
		return nil, err
	}
	return value, nil
}
