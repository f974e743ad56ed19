package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/guess"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/internal/channel"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// Back-off between a failure and the next start.
const (
	backOffFirst = 100 * time.Millisecond
	backOffMost  = 5 * time.Second
)

// remote is a plugin: an executable with arguments and settings, and the processes that run it.
type remote struct {
	pool     *Pool
	ref      plugins.Ref
	starting chan struct{} // has one element while no process that all share is being started

	mu           sync.Mutex // guards the rest
	processes    []*process // those that may be alive
	desc         *wire.DescribeResponse
	fails        int // one after another
	notBefore    time.Time
	declarations map[string]*declaration
	numbers      uint32 // of declarations
	closed       bool
}

func newRemote(p *Pool, ref plugins.Ref) *remote {
	r := &remote{pool: p, ref: ref, starting: make(chan struct{}, 1), declarations: map[string]*declaration{}}
	r.starting <- struct{}{}
	return r
}

// name is the plugin's for messages.
func (r *remote) name() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.desc == nil {
		return title(r.ref)
	}
	return fmt.Sprintf("%s %s (%s)", r.desc.Name, r.desc.Version, title(r.ref))
}

// Description is what a plugin says of itself.
type Description struct {
	plugins.Plugin
	SDK        string // for people
	Concurrent bool   // several calls work side by side
	Memory     bool   // it can do channels in shared memory
}

// describe is what the plugin offers.
func (r *remote) describe(ctx context.Context) (Description, error) {
	r.mu.Lock()
	desc := r.desc
	r.mu.Unlock()
	if desc == nil {
		p, err := r.take(ctx)
		if err != nil {
			return Description{}, err
		}
		r.give(p)
		r.mu.Lock()
		desc = r.desc
		r.mu.Unlock()
	}
	out := Description{Plugin: plugins.Plugin{Name: desc.Name, Version: desc.Version}, SDK: printable(desc.Sdk, maxName), Concurrent: desc.Concurrent, Memory: slices.Contains(desc.Features, wire.Memory)}
	for _, o := range desc.Offers {
		out.Operators = append(out.Operators, r.offered(o))
	}
	return out, nil
}

// shared tells whether one process does for all; the plugin is described.
func (r *remote) shared() bool {
	switch r.ref.Settings.Processes {
	case plugins.Shared:
		return r.desc.Concurrent
	case plugins.PerSlot:
		return false
	}
	return r.desc.Concurrent
}

// take gives a process that calls may be sent to: one that all share, or one that nobody else has. It starts one if need be, and waits as long as back-off says.
func (r *remote) take(ctx context.Context) (*process, error) {
	if p, err := r.free(); p != nil || err != nil {
		return p, err
	}
	r.mu.Lock()
	alone := r.desc == nil || r.shared()
	r.mu.Unlock()
	if alone {
		select {
		case <-r.starting:
			defer func() { r.starting <- struct{}{} }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if p, err := r.free(); p != nil || err != nil {
			return p, err
		}
	}
	return r.start(ctx)
}

// free is a process that is there and may be used.
func (r *remote) free() (*process, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errClosed
	}
	r.processes = slices.DeleteFunc(r.processes, func(p *process) bool {
		if p.alive() {
			return false
		}
		r.bury(p)
		return true
	})
	for _, p := range r.processes {
		if p.users == 0 || r.shared() {
			p.users++
			return p, nil
		}
	}
	return nil, nil
}

// give gives a process back.
func (r *remote) give(p *process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.users--
}

// bury takes leave of a process that has ended, or is to; mu is held.
func (r *remote) bury(p *process) {
	if p.failed() {
		r.failed()
	}
	r.pool.work.Go(p.end)
}

// failed makes the next start wait; mu is held.
func (r *remote) failed() {
	r.notBefore = r.pool.clock.Now().Add(min(backOffFirst<<min(r.fails, 6), backOffMost))
	r.fails++
}

// worked ends the back-off.
func (r *remote) worked(p *process) {
	if p.worked.Swap(true) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails = 0
}

func (r *remote) start(ctx context.Context) (*process, error) {
	r.mu.Lock()
	wait := r.notBefore.Sub(r.pool.clock.Now())
	r.mu.Unlock()
	if wait > 0 {
		select {
		case <-r.pool.clock.After(wait):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-r.pool.ctx.Done():
			return nil, errClosed
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(r.pool.ctx, cancel)()
	defer cancel()
	p, desc, err := startProcess(ctx, r.pool, r.ref)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		if err = r.described(p, desc); err != nil {
			p.kill(err.(*Error))
		}
	}
	switch {
	case err != nil && p != nil:
		r.bury(p)
		return nil, err
	case err != nil:
		if e := (*Error)(nil); errors.As(err, &e) && e.Kind != Refused && ctx.Err() == nil {
			r.failed()
		}
		return nil, err
	case r.closed:
		r.pool.work.Go(p.end)
		return nil, errClosed
	}
	p.users = 1
	r.processes = append(r.processes, p)
	p.out.log.Info("plugin started", "pid", p.group(), "version", desc.Version, "sdk", printable(desc.Sdk, 100))
	return p, nil
}

// described compares what a process says of itself with what an earlier one said; mu is held.
func (r *remote) described(p *process, desc *wire.DescribeResponse) error {
	if r.desc == nil {
		r.desc = desc
		return nil
	}
	same := desc.Name == r.desc.Name && desc.Version == r.desc.Version && len(desc.Offers) == len(r.desc.Offers)
	for i := 0; same && i < len(desc.Offers); i++ {
		same = desc.Offers[i].Name == r.desc.Offers[i].Name && desc.Offers[i].Kind == r.desc.Offers[i].Kind
	}
	if same {
		return nil
	}
	return &Error{Kind: Refused, Plugin: title(r.ref), Text: fmt.Sprintf("it is another plugin than when this job started: it was %s %s with %d operators, and is %s %s with %d: start the job again",
		r.desc.Name, r.desc.Version, len(r.desc.Offers), desc.Name, desc.Version, len(desc.Offers))}
}

// close ends all processes. The pool waits for them.
func (r *remote) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, p := range r.processes {
		p.retire()
		r.pool.work.Go(p.end)
	}
	r.processes = nil
}

// running are the processes that are alive.
func (r *remote) running() []*process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.processes)
}

// features are what this host can do, of what is optional.
func features(s plugins.Settings) []string {
	if channel.HasMemory && !s.Portable {
		return []string{wire.Memory}
	}
	return nil
}

const (
	maxOffers = 10_000
	maxName   = 200
)

// checkDescription says what is wrong with what a process says of itself.
func checkDescription(path string, d *wire.DescribeResponse) error {
	if d.Protocol != wire.Protocol {
		return &Error{Kind: Refused, Plugin: path, Text: versions(fmt.Sprint(d.Protocol), "1").Error()}
	}
	wrong := func(err error) error { return &Error{Kind: Protocol, Plugin: path, Text: err.Error(), Err: err} }
	if len(d.Offers) > maxOffers {
		return wrong(fmt.Errorf("it offers %d operators, where %d are the most", len(d.Offers), maxOffers))
	}
	texts := []string{d.Name, d.Version}
	for _, o := range d.Offers {
		texts = append(texts, o.Name)
	}
	for _, s := range texts {
		if s != printable(s, maxName) {
			return wrong(fmt.Errorf("a name or version of it, %q, is too long, or has control characters", printable(s, maxName)))
		}
	}
	offered := plugins.Plugin{Name: d.Name, Version: d.Version}
	for _, o := range d.Offers {
		if op := (*remote)(nil).offered(o); op.Kind() != "" {
			offered.Operators = append(offered.Operators, op)
		} else {
			return wrong(fmt.Errorf("operator %q is a %q, which this millrace does not know: upgrade millrace", o.Name, printable(o.Kind, maxName)))
		}
	}
	if err := offered.Check(); err != nil {
		return wrong(err)
	}
	return nil
}

func near(name string, names []string, list string) string {
	if n := guess.Name(name, names); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return "it has: " + list
}
