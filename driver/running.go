package driver

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/internal/clock"
)

// ErrAborted is what a job ends with behind Abort, if nothing else ended it before.
var ErrAborted = errors.New("the job was aborted: what was planned and not published is done by the next start")

// State is where a job is in its life. It only goes forward.
type State int

// The states of a job.
const (
	Initialized State = iota // checked; it waits for executors and for its sources' partitions
	Active                   // batches are cut, or those that an earlier start had planned run again
	Draining                 // nothing new is cut; what runs is finished, or ended, and everything is closed
	Stopped                  // all of it has ended; the checkpoint may be used by another start
)

var stateNames = [...]string{"initialized", "active", "draining", "stopped"}

func (s State) String() string { return stateNames[s] }

// stateOf is the state that a machine's phase stands for. An ended machine still has everything to close.
func stateOf(p phase) State {
	switch p {
	case waiting:
		return Initialized
	case running:
		return Active
	}
	return Draining
}

// Running is a job that was started. Its methods may be called from any goroutine, also from a ForeachBatch function or a listener of the job itself. A job that has
// stopped does not start again: Start anew with the same Config.Checkpoint goes on where it ended.
type Running struct {
	e       *engine
	work    sync.WaitGroup
	drains  chan struct{} // closed by stop
	quits   chan struct{} // closed by abort
	stop    func()
	abort   func()
	state   atomic.Int32
	settled chan struct{} // closed when the machine has ended
	last    Status        // after settled
	done    chan struct{} // closed when everything has ended
	err     error         // after done

	mu    sync.Mutex    // guards what follows
	batch int64         // the last that is recorded
	moved chan struct{} // closed and replaced with it
}

// Run runs a job until its input ends, ctx is done (then it drains: the running batch is finished and recorded), or it fails. Mistakes in
// settings and job are reported before anything runs. It is Start and AwaitTermination.
func Run(ctx context.Context, job func(*dstream.Job), cfg Config) error {
	r, err := Start(ctx, job, cfg)
	if err != nil {
		return err
	}
	return r.AwaitTermination(context.WithoutCancel(ctx)) // the end of ctx stops the job, and it has to be awaited then too
}

// Start starts a job and returns when it is checked, its checkpoint, sources and sinks are open and executors are on their way. Mistakes in
// settings and job are its error. The end of ctx stops the job as Stop does.
//
// With a checkpoint the job goes on where an earlier start ended, and begins anew where the directory is empty: what other systems
// call get-or-create needs no other call. One job of a process may use a checkpoint at a time; a second one is refused until the first has stopped. Any number of
// jobs with checkpoints of their own may run at once.
func Start(ctx context.Context, job func(*dstream.Job), cfg Config) (*Running, error) {
	e, err := prepare(ctx, job, cfg)
	if err != nil {
		return nil, err
	}
	r := newRunning(e)
	// The workers outlive ctx: its end means to drain, and draining needs them.
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	workers, inner := errgroup.WithContext(inner)
	if err := e.begin(inner, workers); err != nil {
		return nil, errors.Join(e.end(err, cancel, workers), e.close())
	}
	e.hearers = newAudience(e)
	r.work.Go(func() {
		err := e.loop(ctx, inner)
		r.last = e.status()
		close(r.settled)
		r.ended(errors.Join(e.end(err, cancel, workers), e.close()))
	})
	return r, nil
}

func newRunning(e *engine) *Running {
	r := &Running{
		e: e, drains: make(chan struct{}), quits: make(chan struct{}), settled: make(chan struct{}), done: make(chan struct{}),
		batch: e.rec.Committed, moved: make(chan struct{}),
	}
	r.stop = sync.OnceFunc(func() { close(r.drains) })
	r.abort = sync.OnceFunc(func() { close(r.quits) })
	e.running = r
	return r
}

// ended tells everyone who waits.
func (r *Running) ended(err error) {
	r.err = err
	r.state.Store(int32(Stopped))
	r.e.hearers.close(JobStopped{At: r.e.time.Now().UTC(), Err: err})
	close(r.done)
}

// Stop asks the job to end as SIGTERM does: nothing new is cut; the batches in flight are finished, published and recorded. It returns at once, so that the batch
// that is to be finished may be the caller's own; AwaitTermination waits. Asked again, or of a job that has ended, it does nothing.
func (r *Running) Stop() { r.stop() }

// Abort ends the job now: what runs is given up, and done by the next start from its plan record. It also ends a job that drains. It returns at once; AwaitTermination waits, and
// gives ErrAborted. Functions of the user that run are waited for, since nothing can end them; their contexts are cancelled. Asked again, or of a job that has ended, it does nothing.
func (r *Running) Abort() { r.abort() }

// State is the job's state now.
func (r *Running) State() State { return State(r.state.Load()) }

// AwaitTermination waits until the job has stopped and returns its error, nil for a job whose input ended or that was stopped. If ctx is done before, it
// returns ctx's error, and the job goes on. A ForeachBatch function or a listener must not wait for its own job.
func (r *Running) AwaitTermination(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	default:
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AwaitTerminationOrTimeout waits at most d of the machine's time for the job to stop, and tells whether it has, and its error.
func (r *Running) AwaitTerminationOrTimeout(d time.Duration) (ended bool, err error) {
	select {
	case <-r.done:
		return true, r.err
	default:
	}
	select {
	case <-r.done:
		return true, r.err
	case <-clock.System{}.After(d):
		return false, nil
	}
}

// Status is what /status shows: the job now, or as it ended.
func (r *Running) Status() Status {
	answer := make(chan Status, 1)
	select {
	case r.e.asks <- answer:
		return <-answer
	case <-r.settled:
		return r.last
	}
}
