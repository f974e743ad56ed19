package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// Limits of the queues between the step goroutine and those that do its I/O. At the limit the sender waits.
const (
	eventQueue = 4096
	frameQueue = 64 // the machine has at most a frame a batch in flight and one more on its way
	stopWait   = 5 * time.Second
)

// engine runs a machine: it performs its actions and posts events back. One goroutine, in loop, calls the machine.
//
//	receivers (one an executor) ┐
//	log writer                  ├─▶ events ─▶ loop: machine.step, perform
//	discovery, timer, janitor   ┘
type engine struct {
	cfg     Config
	job     func(*dstream.Job)
	master  master
	log     *slog.Logger
	clock   clock.Clock // the machine's time: for whatever waits for something outside
	time    clock.Clock // the job's: for what the machine decides
	plan    *rdd.Plan
	exe     []byte // hash of the executable
	dir     string // where state files are; "" when nothing has to survive an executor
	shared  string // dir, if it is a checkpoint that the user named
	store   store
	rec     *checkpoint.Recovered
	nonce   string
	inputs  map[string]source.Connector
	looks   map[string]chan chan<- struct{} // to discovery, by source
	outputs map[string]sink.Output
	unclaim func() // gives the claim on the checkpoint back; nil: none
	machine *machine
	running *Running
	fleet   fleet
	hearers *audience

	events chan event
	frames chan frame
	done   chan report // to the janitor; it takes the latest
	asks   chan chan<- Status

	// Of the loop's goroutine.
	conns    map[string]executor.Conn
	versions map[versionID]*rdd.Version // of broadcasts, that the machine knows
	alarm    <-chan time.Time
	alarmAt  int64
	reads    []chan<- struct{} // closed when all that sources have is read
	summary  summary
	bad      setAside
	group    *errgroup.Group // receivers
}

// frame is what the log writer does next: write one, or let go of a version that no later one names.
type frame struct {
	appendFrame
	forget *forget
}

// begin starts the workers and the first executors. end has to follow, whatever it returns.
func (e *engine) begin(inner context.Context, workers *errgroup.Group) error {
	e.group = &errgroup.Group{}
	workers.Go(func() error { return e.writeLog(inner) })
	workers.Go(func() error { return e.keep(inner) })
	e.startInputs(inner, workers)
	e.startBroadcasts(inner, workers)
	if e.cfg.HTTP != "" {
		if err := e.serveHTTP(inner, workers); err != nil {
			return err
		}
	}
	return e.startFleet(inner, workers)
}

// end stops everything that begin has started, and waits for it. It returns err, or else what the workers have to say.
func (e *engine) end(err error, cancel context.CancelFunc, workers *errgroup.Group) error {
	e.tellBad(e.clock.Now())
	e.stopExecutors(err)
	cancel()
	_ = e.group.Wait()
	if e.fleet != nil {
		e.fleet.close()
	}
	close(e.frames)
	if werr := workers.Wait(); err == nil && werr != nil && !errors.Is(werr, context.Canceled) {
		err = werr
	}
	return err
}

// loop is the step goroutine.
func (e *engine) loop(ctx, inner context.Context) error {
	ended, asked := ctx.Done(), e.running.drains
	if stopped, err := e.perform(inner, e.machine.start(e.now())); stopped {
		return err
	}
	for {
		var ev event
		select {
		case ev = <-e.events:
		case <-e.alarm:
			e.alarm, e.alarmAt = nil, 0
			ev = tick{}
		case <-ended:
			ended, ev = nil, drain{}
		case <-asked:
			asked, ev = nil, drain{}
		case <-e.running.quits:
			_, _ = e.step(inner, abort{ErrAborted.Error()})
			return ErrAborted
		case ask := <-e.asks:
			stopped, err := e.step(inner, tick{}) // a clock that was moved is seen first
			ask <- e.status()
			if stopped {
				return err
			}
			continue
		case <-inner.Done():
			return context.Cause(inner)
		}
		if stopped, err := e.step(inner, ev); stopped {
			return err
		}
	}
}

// step gives one event to the machine and performs what it wants.
func (e *engine) step(ctx context.Context, ev event) (stopped bool, err error) {
	if c, ok := ev.(connected); ok {
		e.conns[c.name] = c.conn
		ev = c.joined
	}
	if v, ok := ev.(versioned); ok {
		e.versions[versionID{v.version.Name, v.hash}] = v.version
		ev = v.loaded
	}
	if l, ok := ev.(lost); ok {
		if c := e.conns[l.name]; c != nil {
			_ = c.Close()
			delete(e.conns, l.name)
			e.cfg.Stats.addLost()
		}
	}
	if r, ok := ev.(reading); ok {
		e.reads = append(e.reads, r.done)
		ev = tick{}
	}
	began := e.clock.Now()
	acts := e.machine.step(e.now(), ev)
	e.running.state.Store(int32(stateOf(e.machine.phase)))
	e.tellRead()
	if len(acts) == 0 {
		return false, nil
	}
	cut := e.clock.Now()
	stopped, err = e.perform(ctx, acts)
	if launched(acts) {
		e.cfg.Stats.addCut(began, cut.Sub(began), e.clock.Now().Sub(cut))
		fault.Crash("driver-launched")
	}
	return stopped, err
}

// launched tells whether a new batch is among the actions.
func launched(acts []action) bool {
	for _, a := range acts {
		if f, ok := a.(appendFrame); ok && f.plan != nil {
			return true
		}
	}
	return false
}

// perform does the actions in order. It never waits for long: what takes time is handed to a goroutine.
func (e *engine) perform(ctx context.Context, acts []action) (stopped bool, err error) {
	for _, a := range acts {
		switch a := a.(type) {
		case send:
			e.send(a)
		case share:
			e.send(send{a.to, &executor.Share{Version: e.versions[a.version]}})
		case forget:
			delete(e.versions, a.version)
			e.frames <- frame{forget: &a}
		case appendFrame:
			e.frames <- frame{appendFrame: a}
		case wake:
			e.setAlarm(a.at)
		case spawn:
			e.spawn(ctx, a)
		case dismiss:
			if c := e.conns[a.name]; c != nil {
				_ = c.Close()
			}
		case report:
			e.reported(a)
		case replay:
			e.replay(ctx, a)
		case tell:
			e.tell(a.what)
		case finished:
			if err := e.store.Finish(); err != nil {
				return true, err
			}
		case note:
			e.log.Log(ctx, levels[a.level], a.text, a.attrs...)
		case stop:
			if a.err != "" {
				return true, errors.New(a.err)
			}
			return true, nil
		default:
			return true, fmt.Errorf("driver: action %T", a)
		}
	}
	return false, nil
}

var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// send hands a message to an executor. A connection that does not take it is lost; its receiver says so.
func (e *engine) send(s send) {
	c := e.conns[s.to]
	if c == nil {
		return
	}
	if err := c.Send(s.m); err != nil {
		e.log.Debug("message not sent", "executor", s.to, "message", fmt.Sprintf("%T", s.m), "error", err)
		_ = c.Close()
	}
}

func (e *engine) setAlarm(at int64) {
	if e.alarm != nil && e.alarmAt == at {
		return
	}
	e.alarmAt = at
	if c, ok := e.time.(interface {
		At(time.Time) <-chan time.Time
	}); ok { // it may be moved between now and After
		e.alarm = c.At(time.UnixMicro(at))
		return
	}
	e.alarm = e.time.After(time.Duration(max(at-e.now(), 0)) * time.Microsecond)
}

func (e *engine) now() int64 { return e.time.Now().UnixMicro() }

// post gives the loop an event, from another goroutine.
func (e *engine) post(ctx context.Context, ev event) {
	select {
	case e.events <- ev:
	case <-ctx.Done():
	}
}

// writeLog appends frames to the batch log, one fsync each, in order.
func (e *engine) writeLog(ctx context.Context) error {
	marks, merr := newMilestones(e)
	for f := range e.frames {
		if f.forget != nil { // behind the frames of all plans that name it
			e.store.ReleaseValue([32]byte([]byte(f.forget.version.hash)), f.forget.stored)
			continue
		}
		began := e.clock.Now()
		err := errors.Join(merr, marks.mark(f.commits, f.plan == nil))
		if err == nil {
			err = e.store.Append(f.plan, f.commits)
		}
		e.cfg.Stats.addCommit(e.clock.Now().Sub(began))
		ev := appended{}
		if err != nil {
			ev.err = err.Error()
		}
		if f.plan != nil {
			ev.plan = f.plan.Batch
			fault.Crash("driver-planned")
		}
		if n := len(f.commits); n > 0 {
			ev.commits = f.commits[n-1].Batch
			fault.Crash("driver-committed")
		}
		e.post(ctx, ev)
	}
	return nil
}

// reported hears of a batch that is published and recorded.
func (e *engine) reported(r report) {
	e.cfg.Stats.addBatch(e.clock.Now(), r)
	e.log.Debug("batch committed", "batch", r.batch, "rows", r.rows, "took", time.Duration(r.micros)*time.Microsecond)
	e.tellTotals(r.totals)
	e.summarize(r)
	e.running.committed(r.batch)
	if r.told.Batch > 0 {
		e.tell(r.told)
	}
	select {
	case e.done <- r:
	default: // the janitor is busy; it takes the next
		select {
		case <-e.done:
		default:
		}
		e.done <- r
	}
}
