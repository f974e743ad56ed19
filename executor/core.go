package executor

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// Limits of the core's queues. The driver's messages fail when theirs is full: that driver has lost its executor. Everything
// else waits.
const (
	controlQueue = 1024
	eventQueue   = 1024
	reportQueue  = 1024
	behindAssign = 1024 // messages that wait until an assignment can be applied
)

const defaultDepth = 2

// core is an executor's state machine. One goroutine (loop) owns everything below inbox; others post events and wait.
type core struct {
	cfg   Config
	log   *slog.Logger
	clock clock.Clock
	group errgroup.Group // every goroutine of this executor

	control chan command  // from drivers
	events  chan any      // from slots, lanes, peers and preparations
	dirty   chan struct{} // from readers: something is held that was not
	work    chan work     // to slots; as many as slots at once
	gate    gate          // bounds blocks that arrive early
	shared  atomic.Pointer[rdd.Plan]

	driverHost string // where this executor dials its driver; "" if it does not

	driver  *link
	epoch   int64
	name    string
	hello   *Welcome
	set     Settings
	plan    *rdd.Plan
	readers map[int][]int // stateful node -> wide nodes that read its table
	state   depot         // nil: nothing is kept
	courier *courier      // state, where the driver keeps it

	assign     *Assign
	generation int64
	mayQuiet   bool // batches under it may be quiet
	rejoined   bool // a driver was welcomed and has not assigned anything yet
	preparing  *preparation
	behind     []command // what waits for preparing or for the slots to be idle
	opened     bool      // the first assignment is prepared: routers are there
	outputs    map[int]sink.Output
	routers    map[int]rdd.Router
	connectors map[string]source.Connector

	committed int64
	runs      []*run // ascending by batch
	early     map[runKey][]arrival
	parts     map[int]*part
	lanes     map[LaneID]*lane
	sources   map[checkpoint.SourcePartition]*reader
	versions  versions
	pool      *pool
	peers     map[string]*peer

	ready   []*task // for a slot, best first
	files   []work  // delta files, before tasks
	busy    int     // slots at work
	touched []int   // partitions whose wide tasks may start
	woken   []*task // lane tasks that may start

	heldAt   time.Time
	heldWake <-chan time.Time
	beat     <-chan time.Time
	flushing int
	flushErr []string
	stopping bool
	replays  bool // lineage: every batch ends a delta file
}

// command is a driver's message.
type command struct {
	from *link
	m    ToExecutor
}

// link is a driver's connection as the core sees it.
type link struct {
	out  chan ToDriver
	down chan struct{} // closed when the connection has ended
	once sync.Once
	beat bool // the driver's lease needs heartbeats
	past bool // the core's: refused, or replaced by a newer driver
}

func newLink(beat bool) *link {
	return &link{out: make(chan ToDriver, reportQueue), down: make(chan struct{}), beat: beat}
}

func (l *link) close() { l.once.Do(func() { close(l.down) }) }

// work is what a slot does; do returns the event that tells the core of it.
type work interface{ do(ctx context.Context) any }

func newCore(cfg Config) *core {
	if cfg.Clock == nil {
		cfg.Clock = clock.Fine{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Depth == 0 {
		cfg.Depth = defaultDepth
	}
	if cfg.BlockBytes == 0 {
		cfg.BlockBytes = 256 << 20
	}
	e := &core{
		cfg: cfg, log: cfg.Log, clock: cfg.Clock, name: cfg.Name,
		control: make(chan command, controlQueue), events: make(chan any, eventQueue), dirty: make(chan struct{}, 1),
		work:    make(chan work, max(cfg.Slots, 1)),
		outputs: map[int]sink.Output{}, routers: map[int]rdd.Router{}, connectors: map[string]source.Connector{},
		early: map[runKey][]arrival{}, parts: map[int]*part{}, lanes: map[LaneID]*lane{},
		sources: map[checkpoint.SourcePartition]*reader{}, peers: map[string]*peer{}, pool: &pool{stats: cfg.Stats},
	}
	e.gate.init(cfg.BlockBytes)
	return e
}

// run is the executor's life: it returns when a driver said Stop or ctx ended, after everything it started has ended. cancel ends ctx.
func (e *core) run(ctx context.Context, cancel context.CancelFunc) error {
	for range e.cfg.Slots {
		e.group.Go(func() error { return e.slot(ctx) })
	}
	e.loop(ctx)
	cancel()
	e.gate.close()
	for _, p := range e.peers {
		p.close()
	}
	err := e.group.Wait()
	e.closeAll()
	if e.driver != nil {
		e.driver.close()
	}
	return err
}

// slot runs one piece of work at a time.
func (e *core) slot(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-e.work:
			if !e.post(ctx, w.do(ctx)) {
				return nil
			}
		}
	}
}

// post hands an event to the core; false when the executor is ending.
func (e *core) post(ctx context.Context, ev any) bool {
	select {
	case e.events <- ev:
		return true
	case <-ctx.Done():
		return false
	}
}

// say reports to the driver. Without one there is nobody to tell: a new driver asks again.
func (e *core) say(m ToDriver) {
	if e.driver == nil {
		return
	}
	select {
	case e.driver.out <- m:
	case <-e.driver.down:
	}
}

// loop takes events one at a time, and settles what follows from each before the next.
func (e *core) loop(ctx context.Context) {
	for !e.stopping {
		var down <-chan struct{}
		if e.driver != nil {
			down = e.driver.down
		}
		select {
		case <-ctx.Done():
			return
		case c := <-e.control:
			e.onCommand(ctx, c)
		case ev := <-e.events:
			e.onEvent(ctx, ev)
		case <-e.dirty:
			e.reportHeld()
		case <-e.heldWake:
			e.heldWake = nil
			e.reportHeld()
		case <-e.beat:
			e.heartbeat()
		case <-down:
			e.log.Warn("driver lost", "executor", e.name)
			e.driver, e.beat = nil, nil
		}
		e.settle(ctx)
	}
}

func (e *core) heartbeat() {
	e.say(&Heartbeat{Batch: e.committed})
	e.beat = e.clock.After(heartbeatOf(e.set.HeartbeatMillis))
}

// onEvent takes what slots, lanes, peers and preparations post.
func (e *core) onEvent(ctx context.Context, ev any) {
	switch ev := ev.(type) {
	case taskDone:
		e.busy--
		e.onTaskDone(ev)
	case built:
		e.onBuilt(ev)
	case deltaDone:
		e.busy--
		e.onDeltaDone(ev)
	case laneDone:
		e.onLaneDone(ctx, ev)
	case prepared:
		e.onPrepared(ctx, ev)
	case inbound:
		e.onInbound(ev)
	case *peer:
		e.onPeerUp(ev)
	default:
		e.log.Error("unknown event", "type", fmt.Sprintf("%T", ev))
	}
}

// onCommand takes a driver's message. All but Welcome and Stop count only from the driver that was welcomed last.
func (e *core) onCommand(ctx context.Context, c command) {
	if w, ok := c.m.(*Welcome); ok {
		e.onWelcome(c.from, w)
		return
	}
	if s, ok := c.m.(*Stop); ok && !c.from.past { // also from a driver of another program, which sends no Welcome (P20)
		level := slog.LevelInfo
		if e.cfg.Plan != nil {
			level = slog.LevelDebug // the driver is in the same process, and says it itself
		}
		e.log.Log(ctx, level, "executor stops", "executor", e.name, "reason", s.Reason)
		e.stopping = true
		return
	}
	if c.from != e.driver {
		return // an older driver (I9)
	}
	if a, ok := c.m.(*Answer); ok { // what waits may wait for it
		if e.courier != nil {
			e.courier.take(a)
		}
		return
	}
	if len(e.behind) > 0 || e.mustWait(c.m) {
		if len(e.behind) == behindAssign {
			e.log.Error("too many messages wait for an assignment", "messages", behindAssign)
			e.driver.close()
			return
		}
		e.behind = append(e.behind, c)
		return
	}
	e.follow(ctx, c.m)
}

// mustWait tells whether a message has to wait: an assignment for the one before it to be prepared, and a rollback for the slots.
func (e *core) mustWait(m ToExecutor) bool {
	a, ok := m.(*Assign)
	return ok && (e.preparing != nil || a.Rollback && e.busy > 0)
}

// catchUp takes messages that waited, as far as they can go now.
func (e *core) catchUp(ctx context.Context) {
	for len(e.behind) > 0 && !e.mustWait(e.behind[0].m) {
		c := e.behind[0]
		e.behind = e.behind[1:]
		if c.from == e.driver {
			e.follow(ctx, c.m)
		}
	}
}

// follow does what the driver says.
func (e *core) follow(ctx context.Context, m ToExecutor) {
	switch m := m.(type) {
	case *Assign:
		e.onAssign(ctx, m)
	case *Launch:
		e.onLaunch(ctx, m)
	case *Retry:
		e.onRetry(ctx, m)
	case *Publish:
		e.onPublish(m)
	case *Committed:
		e.commit(m.Batch)
	case *Share:
		e.versions.add(m.Version)
	case *Forget:
		e.versions.forget(m.Versions)
	case *Flush:
		e.onFlush()
	}
}

// settle starts what can start now.
func (e *core) settle(ctx context.Context) {
	e.catchUp(ctx)
	for len(e.touched) > 0 || len(e.woken) > 0 {
		touched, woken := e.touched, e.woken
		e.touched, e.woken = nil, nil
		for _, p := range touched {
			e.startWide(p)
		}
		for _, t := range woken {
			e.startLane(t)
		}
	}
	e.finishRuns()
	e.dispatch()
}

// ownParts are the reduce partitions that this executor owns, ascending.
func (e *core) ownParts() []int {
	own := make([]int, 0, len(e.parts))
	for n := range e.parts {
		own = append(own, n)
	}
	slices.Sort(own)
	return own
}

// find is the run of a batch, nil if it is not in flight here.
func (e *core) find(batch int64) *run {
	for _, r := range e.runs {
		if r.key.batch == batch {
			return r
		}
	}
	return nil
}

// closeAll closes connectors and sinks. All goroutines have ended, and closed their readers and lanes.
func (e *core) closeAll() {
	for _, o := range e.outputs {
		if err := o.Close(); err != nil {
			e.log.Warn("sink not closed", "err", err)
		}
	}
	for _, c := range e.connectors {
		if err := c.Close(); err != nil {
			e.log.Warn("source not closed", "err", err)
		}
	}
}
