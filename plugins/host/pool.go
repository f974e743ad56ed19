package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/plugins"
)

// Options configure a Pool. The zero value works.
type Options struct {
	Log   *slog.Logger // nil: slog.Default()
	Clock clock.Clock  // nil: the machine's
}

// Pool has the plugin processes of this process: one set for each executable, arguments and settings, whoever asks for them. It is safe for concurrent use.
type Pool struct {
	clock  clock.Clock
	logger atomic.Pointer[slog.Logger]
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex // guards the rest
	remotes map[string]*remote
	watched bool
	closed  bool
}

// New makes a pool. It starts nothing.
func New(o Options) *Pool {
	p := &Pool{clock: o.Clock, remotes: map[string]*remote{}}
	if p.clock == nil {
		p.clock = clock.System{}
	}
	p.SetLog(o.Log)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// SetLog changes where lines of processes that are started from now on go; nil: slog.Default().
func (p *Pool) SetLog(l *slog.Logger) { p.logger.Store(l) }

func (p *Pool) log() *slog.Logger {
	if l := p.logger.Load(); l != nil {
		return l
	}
	return slog.Default()
}

var errClosed = errors.New("the pool of plugins is closed")

// Close ends all processes, and waits until they are gone. Calls that are out fail.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	remotes := p.remotes
	p.remotes = map[string]*remote{}
	p.mu.Unlock()
	p.cancel()
	for _, r := range remotes {
		r.close()
	}
	p.work.Wait()
	return nil
}

// Resolve starts a plugin's process, if there is none, and finds an operator in it. The operator's functions make proxies: what they do, a process does. No
// configuration is looked at yet: Declare, Schemas, Schema and Check do that.
//
// Proxies may be used until the pool is closed, whatever becomes of the process. Besides the errors of the contract they give an *Error.
func (p *Pool) Resolve(ctx context.Context, ref plugins.Ref) (plugins.Plugin, plugins.Operator, error) {
	all, err := p.Describe(ctx, ref)
	if err != nil {
		return plugins.Plugin{}, plugins.Operator{}, err
	}
	op, err := choose(all.Plugin, ref.Operator)
	if err != nil {
		return all.Plugin, plugins.Operator{}, &Error{Kind: Refused, Plugin: fmt.Sprintf("%s %s (%s)", all.Name, all.Version, title(ref)), Text: err.Error()}
	}
	return all.Plugin, op, nil
}

// Describe starts a plugin's process, if there is none, and gives all that it offers.
func (p *Pool) Describe(ctx context.Context, ref plugins.Ref) (Description, error) {
	r, err := p.remote(ref)
	if err != nil {
		return Description{}, err
	}
	return r.describe(ctx)
}

// Lock is Describe for a plugin as it is now, whatever lock files say, and its files as a lock has them: those that were started.
func (p *Pool) Lock(ctx context.Context, ref plugins.Ref) (Description, []Locked, error) {
	files, err := lockFiles(ref)
	if err != nil {
		return Description{}, nil, &Error{Kind: Refused, Plugin: title(ref), Text: err.Error(), Err: err}
	}
	dir, err := os.MkdirTemp("", "millrace-lock-")
	if err != nil {
		return Description{}, nil, err
	}
	defer os.RemoveAll(dir)
	ref.Settings.Sum, ref.Settings.Lock = "", filepath.Join(dir, LockName)
	l := &Lock{}
	l.Put(files...)
	if err := l.Write(ref.Settings.Lock); err != nil {
		return Description{}, nil, err
	}
	d, err := p.Describe(ctx, ref)
	for i := range files {
		files[i].Plugin, files[i].Version = d.Name, d.Version
	}
	return d, files, err
}

// remote is the plugin behind a reference.
func (p *Pool) remote(ref plugins.Ref) (*remote, error) {
	ref.Operator, ref.Config = "", nil
	var key strings.Builder
	fmt.Fprintf(&key, "%q %q", ref.Path, ref.Args)
	s := ref.Settings
	for _, k := range sortedKeys(s.Env) {
		fmt.Fprintf(&key, " %q=%q", k, s.Env[k])
	}
	s.Env = nil
	fmt.Fprintf(&key, " %q", fmt.Sprint(s))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	r := p.remotes[key.String()]
	if r == nil {
		r = newRemote(p, ref)
		p.remotes[key.String()] = r
	}
	if !p.watched {
		p.watched = true
		p.work.Go(p.watch)
	}
	return r, nil
}

// list is all plugins.
func (p *Pool) list() []*remote {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*remote
	for _, r := range p.remotes {
		out = append(out, r)
	}
	return out
}

var (
	defaultMu   sync.Mutex // guards the rest
	defaultPool *Pool
	defaultLog  *slog.Logger
)

// Default is the pool of this process. It is made by the first call, and again by the first call behind CloseDefault.
func Default() *Pool {
	defaultMu.Lock()
	defer defaultMu.Unlock()
	if defaultPool == nil {
		defaultPool = New(Options{Log: defaultLog})
	}
	return defaultPool
}

// SetDefaultLog is SetLog of Default, present and future.
func SetDefaultLog(l *slog.Logger) {
	defaultMu.Lock()
	defer defaultMu.Unlock()
	defaultLog = l
	if defaultPool != nil {
		defaultPool.SetLog(l)
	}
}

// CloseDefault closes Default, if it was used. Whoever uses it calls this last, so that plugins end politely; those of a process that dies are killed in any case.
func CloseDefault() error {
	defaultMu.Lock()
	p := defaultPool
	defaultPool = nil
	defaultMu.Unlock()
	if p == nil {
		return nil
	}
	return p.Close()
}

// choose is the operator of a name; the only one for "".
func choose(p plugins.Plugin, name string) (plugins.Operator, error) {
	var names []string
	for _, o := range p.Operators {
		if o.Name == name || name == "" && len(p.Operators) == 1 {
			return o, nil
		}
		names = append(names, o.Name)
	}
	list := cmp.Or(strings.Join(names, ", "), "none")
	if name == "" {
		return plugins.Operator{}, fmt.Errorf("it has %d operators, so that one must be chosen with Op: %s", len(names), list)
	}
	return plugins.Operator{}, fmt.Errorf("it has no operator %q; %s", name, near(name, names, list))
}
