package dstreamtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/rdd"
)

// stage is a moment in the life of a batch on an executor.
type stage int

const (
	launched  stage = iota // the batch is on its way to it
	task                   // a task is done, its blocks are on their way
	staged                 // all of it is computed and staged; the driver knows
	published              // its lanes have published, or staged with nothing to publish; the driver does not know
	reported               // its lanes have published, or have nothing to publish; the driver knows, and the commit is not recorded
)

// death is one executor's end: where, and which one.
type death struct {
	stage stage
	batch int64
	part  int       // of the executor that has this reduce partition or lane, or did this task
	node  *rdd.Node // stage task
}

func (d death) String() string {
	switch d.stage {
	case launched:
		return fmt.Sprintf("in batch %d the executor that has reduce partition %d dies when it is told of the batch", d.batch, d.part)
	case task:
		return fmt.Sprintf("in batch %d the executor that computes partition %d of %s dies behind that task", d.batch, d.part, nodeText(d.node.Op, d.node.Name, d.node.Site))
	case staged:
		return fmt.Sprintf("in batch %d the executor that has lane %d dies when it has staged", d.batch, d.part)
	case published:
		return fmt.Sprintf("in batch %d the executor that has lane %d dies when it has published, before the driver hears of it", d.batch, d.part)
	}
	return fmt.Sprintf("in batch %d the executor that has lane %d dies when it has published, before that is recorded", d.batch, d.part)
}

// deathWays have an executor die in each batch. In round r the deaths of batch b is the (r+b)th of all that the batch has: so all batches see all stages in
// as many rounds as there are stages.
func (c *claim) deathWays() []way {
	var ways []way
	layouts := c.set.layouts()
	rounds := []layout{layouts[c.turn("deaths", len(layouts))]}
	if *exhaustive {
		rounds = layouts
	}
	for _, l := range rounds {
		stages, err := c.stages()
		if err != nil {
			return append(ways, way{string(Deaths), "engine", func() error { return err }})
		}
		for round := range stages {
			for victim := range l.reduce {
				if !*exhaustive && victim != c.turn(fmt.Sprint("victim", round), l.reduce) {
					continue
				}
				ways = append(ways, c.deathWay(l, round, victim))
			}
		}
	}
	return ways
}

// stages is how many moments a batch has at which an executor can die.
func (c *claim) stages() (int, error) {
	r, err := c.began()
	if err != nil {
		return 0, err
	}
	return 4 + len(r.Plan.Sources) + len(r.Plan.Wides), nil
}

// began is a Runner that has begun with the case: it has the plan, and the first versions of broadcasts.
func (c *claim) began() (*Runner, error) {
	r, err := New(Options{}, c.job(c.deal(1, 0), Collect(outName)))
	if err != nil {
		return nil, mistakes{err}
	}
	return r, nil
}

func (c *claim) deathWay(l layout, round, victim int) way {
	w := way{name: fmt.Sprintf("%s/%d/%d/%d", Deaths, l.reduce, round, victim)}
	w.says = fmt.Sprintf("engine, %s, one dies in each batch, %v, state written every %s", many(l.reduce, "executor"), l, []string{"batch", "other batch"}[round%2])
	w.run = func() error {
		if err := c.exactOf(l); err != nil {
			return err
		}
		p := c.production(l)
		f := &fleet{deaths: map[int64]death{}, hit: map[int64]bool{}, quiet: map[int64]bool{}, log: p.log().Info}
		for i := range c.want {
			d, err := c.death(l, i, round+i, victim)
			if err != nil {
				return err
			}
			f.deaths[d.batch] = d
		}
		err := p.run(0, len(c.want), func(cfg *driver.Config) {
			cfg.Master, cfg.Start, cfg.CheckpointEvery = fmt.Sprintf("procs[%d,1]", l.reduce), f.start, 1+round%2
		})
		f.wait()
		if err == nil {
			err = p.judge(l, 0, len(c.want))
		}
		if err == nil {
			err = f.survived()
		}
		if err != nil {
			return fmt.Errorf("%w\n%s", err, f.told())
		}
		return nil
	}
	return w
}

// death is the nth end that batch i (from 0) has. Where there is no such task in the batch, it is that of the launch.
func (c *claim) death(l layout, i, n, victim int) (death, error) {
	r, err := c.began()
	if err != nil {
		return death{}, err
	}
	plan, err := r.Plan.For(rdd.BatchInfo{
		Number: int64(i + 1), Time: c.times[i].UnixMicro(), Final: c.set.finish && i == len(c.want)-1, Versions: r.versions,
	})
	if err != nil {
		return death{}, err
	}
	all := []death{{stage: launched, part: victim}}
	for k, n := range plan.Sources {
		parts := min(l.sources, c.feeds[k].sizes[i])
		if parts == 0 {
			all = append(all, all[0])
			continue
		}
		all = append(all, death{stage: task, node: n, part: victim % parts})
	}
	for _, n := range plan.Wides {
		all = append(all, death{stage: task, node: n, part: victim})
	}
	for _, s := range []stage{staged, published, reported} {
		all = append(all, death{stage: s, part: victim})
	}
	d := all[n%len(all)]
	d.batch = int64(i + 1)
	return d, nil
}

// fleet are executors in this process, each with a plan, memory and sockets of its own, that die as they are told to.
type fleet struct {
	log   func(string, ...any)
	group errgroup.Group

	mu     sync.Mutex       // guards what follows
	deaths map[int64]death  // still to come, by batch
	hit    map[int64]bool   // batches whose death came
	quiet  map[int64]bool   // batches in which the executor that was to die had lanes that waited for nothing, as far as is known
	assign *executor.Assign // the last one that was sent
	died   []string
}

// errDead is what a driver hears of an executor that died.
var errDead = errors.New("this executor was made to die")

// start is driver.Config.Start.
func (f *fleet) start(ctx context.Context, x executor.Config) (executor.Conn, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e := &mortal{f: f, name: x.Name, cancel: cancel, dead: make(chan struct{}), ended: make(chan struct{})}
	x.Done = e.done
	f.group.Go(func() error {
		defer close(e.ended)
		defer cancel()
		return executor.ServeSocket(ctx, x.Listen.Addr, x.Listen.Security.Token, x, engineLimit)
	})
	for {
		conn, err := executor.Dial(ctx, x.Listen.Network, x.Listen.Addr, x.Listen.Security)
		if err == nil {
			e.Conn = conn
			return e, nil
		}
		select {
		case <-e.ended:
			return nil, err
		case <-clock.System{}.After(time.Millisecond / 4):
		}
	}
}

// wait waits until nothing of any executor is left.
func (f *fleet) wait() { _ = f.group.Wait() }

// survived says who should have died and did not: then nothing was proved.
func (f *fleet) survived() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.deaths {
		if d.stage >= published && f.hit[d.batch+1] {
			continue // a batch is launched while the one before is published: the next one's death came first, and took this one's executor
		}
		if d.stage >= published && f.quiet[d.batch] {
			continue // no lane of any executor got a row: nobody has published anything
		}
		return fmt.Errorf("this did not happen, a mistake of the kit: %v", d)
	}
	return nil
}

// told is what happened.
func (f *fleet) told() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	text := "What happened before:"
	if len(f.died) == 0 {
		text = "No executor had died."
	}
	for _, d := range f.died {
		text += "\n  " + d
	}
	return text
}

// mortal is the driver's end of an executor that may die.
type mortal struct {
	executor.Conn
	f      *fleet
	name   string
	cancel context.CancelFunc
	dead   chan struct{}
	ended  chan struct{} // closed when nothing of it runs any more
	once   sync.Once
}

// fate takes the death of a batch if it is this executor's and now is its moment.
func (e *mortal) fate(s stage, batch int64, mine func(death, *executor.Assign) bool) bool {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	d, ok := e.f.deaths[batch]
	if !ok || d.stage != s || e.f.assign == nil || e.gone() || !mine(d, e.f.assign) {
		return false
	}
	delete(e.f.deaths, batch)
	e.f.hit[batch] = true
	e.f.died = append(e.f.died, d.String())
	e.f.log("executor dies", "executor", e.name, "where", d.String())
	return true
}

// die drops everything: connection, memory, tasks, peers. It does not wait for the end of what runs. The driver hears of it when all has ended: a process that
// was killed does nothing behind its death, such as opening a lane that another has by then.
func (e *mortal) die() {
	e.once.Do(func() {
		close(e.dead)
		e.cancel()
		e.f.group.Go(e.Conn.Close)
	})
}

func (e *mortal) gone() bool {
	select {
	case <-e.dead:
		return true
	default:
		return false
	}
}

// done is executor.Config.Done.
func (e *mortal) done(id rdd.TaskID, batch int64) {
	if e.fate(task, batch, func(d death, _ *executor.Assign) bool { return d.node.ID == id.Node && d.part == id.Part }) {
		e.die()
	}
}

// Send implements executor.Conn.
func (e *mortal) Send(m executor.ToExecutor) error {
	if e.gone() {
		return errDead
	}
	var told []checkpoint.Plan // batches that the message starts
	switch m := m.(type) {
	case *executor.Assign:
		e.f.mu.Lock()
		e.f.assign = m
		e.f.mu.Unlock()
		told = m.InFlight
	case *executor.Launch:
		told = []checkpoint.Plan{m.Plan}
	}
	err := e.Conn.Send(m)
	for i := range told {
		if e.fate(launched, told[i].Batch, e.hasPart) {
			e.die()
		}
	}
	return err
}

// Recv implements executor.Conn.
func (e *mortal) Recv() (executor.ToDriver, error) {
	m, err := e.Conn.Recv()
	switch {
	case e.gone():
		<-e.ended
		return nil, errDead
	case err != nil:
		return nil, err
	}
	switch m := m.(type) {
	case *executor.Staged:
		if e.fate(staged, m.Batch, e.hasLane) {
			e.die()
		}
		e.waits(m)
		if m.Still && !m.Waits {
			return m, e.out(m.Batch)
		}
	case *executor.Published:
		return m, e.out(m.Batch)
	}
	return m, nil
}

// out is the moment at which all that an executor has of a batch is visible. The error is for a death of which the driver hears in place of it.
func (e *mortal) out(batch int64) error {
	if e.fate(published, batch, e.hasLane) {
		e.die()
		<-e.ended
		return errDead
	}
	if e.fate(reported, batch, e.hasLane) {
		e.die()
	}
	return nil
}

// waits notes whether the lanes of the executor that is to die have waited in vain.
func (e *mortal) waits(m *executor.Staged) {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	if d, ok := e.f.deaths[m.Batch]; ok && e.f.assign != nil && e.hasLane(d, e.f.assign) {
		e.f.quiet[m.Batch] = m.Waits
	}
}

// Close implements executor.Conn.
func (e *mortal) Close() error {
	e.die()
	return nil
}

func (e *mortal) hasPart(d death, a *executor.Assign) bool {
	return d.part < len(a.Reduce) && a.Reduce[d.part] == e.name
}

func (e *mortal) hasLane(d death, a *executor.Assign) bool {
	lanes := a.Lanes[outName]
	return d.part < len(lanes) && lanes[d.part] == e.name
}
