package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// grace is how long a process that is asked to end may take.
const grace = 2 * time.Second

// process is a plugin's process, and all that it started. It goes through start, calls, and end; what ended it first is what everybody is told.
type process struct {
	ref    plugins.Ref
	pool   *Pool
	out    *output
	folder string   // this user's only, removed with the process: sockets, and where it works
	held   *os.File // a lock in it, as long as this process lives
	cmd    *exec.Cmd
	opened func()      // closes what was opened to start it
	stdin  *os.File    // the host's end: a plugin ends when it is closed
	pipes  [2]*os.File // the host's ends of standard output and standard error
	config *goplugin.ClientConfig
	client *goplugin.Client
	spoken bool // go-plugin has a connection of its own
	conn   *grpc.ClientConn
	api    wire.PluginClient

	hello  handshake
	toGo   *io.PipeWriter // what go-plugin reads of standard output
	fromUs *io.PipeReader
	read   sync.WaitGroup // of pipes
	exited chan struct{}  // closed once the process and its group are gone
	work   sync.WaitGroup // goroutines that end with the process

	mu     sync.Mutex // guards the rest
	pid    int
	reaped bool
	cause  *Error // why the host ended it
	ending bool   // it is meant to end
	status string // how it ended

	channels channels
	declared declared
	worked   atomic.Bool // it has answered a request
	users    int         // who calls it now; remote.mu guards it
}

// startProcess starts one, and gives it back once it has answered Describe.
func startProcess(ctx context.Context, pool *Pool, ref plugins.Ref) (*process, *wire.DescribeResponse, error) {
	p := &process{ref: ref, pool: pool, exited: make(chan struct{})}
	p.out = &output{log: pool.log().With("plugin", shortName(ref))}
	p.fromUs, p.toGo = io.Pipe()
	p.opened = func() {}
	refuse := func(kind Kind, err error) error {
		return &Error{Kind: kind, Plugin: title(ref), Text: err.Error(), Err: err}
	}
	var err error
	var opened func()
	if p.cmd, opened, err = command(ref); err != nil {
		return nil, nil, refuse(Refused, err)
	}
	p.opened = sync.OnceFunc(opened)
	if err := p.makeFolder(); err != nil {
		p.opened()
		return nil, nil, refuse(Start, fmt.Errorf("a folder for its sockets: %w", err))
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, startLimit(ref.Settings))
	defer cancel()
	unwatch := context.AfterFunc(ctx, func() { p.kill(p.startError(caller, ctx, nil)) })
	desc, err := p.start(ctx)
	if !unwatch() && err == nil { // killed at the last moment
		err = ctx.Err()
	}
	if err != nil {
		e := p.startError(caller, ctx, err)
		p.kill(e)
		p.end()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.cause.Kind != Protocol && p.cause.Kind != Refused {
			p.cause.Output = p.out.last()
		}
		return nil, nil, p.cause
	}
	return p, desc, nil
}

func (p *process) start(ctx context.Context) (*wire.DescribeResponse, error) {
	p.config = &goplugin.ClientConfig{
		HandshakeConfig:  wire.Handshake,
		VersionedPlugins: map[int]goplugin.PluginSet{wire.Protocol: {wire.PluginName: &wire.GRPC{}}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		RunnerFunc: func(_ hclog.Logger, c *exec.Cmd, _ string) (runner.Runner, error) {
			p.cmd.Env = append(p.cmd.Env, c.Env...)
			return p, nil
		},
		AutoMTLS: true, SkipHostEnv: true, UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: p.folder},
		StartTimeout: startLimit(p.ref.Settings) + time.Second, // ctx ends before
		Logger:       hclog.NewNullLogger(),
		SyncStdout:   &lines{take: p.out.printed}, SyncStderr: &lines{take: p.out.line},
	}
	p.client = goplugin.NewClient(p.config)
	addr, err := p.client.Start()
	if err != nil {
		return nil, err
	}
	creds := insecure.NewCredentials()
	if p.config.TLSConfig != nil {
		creds = credentials.NewTLS(p.config.TLSConfig)
	}
	p.conn, err = grpc.NewClient("passthrough:plugin", grpc.WithTransportCredentials(creds),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, addr.Network(), addr.String())
		}),
		// A plugin that waits until its answer is taken does not read requests: the window must be larger than what may be out.
		grpc.WithInitialWindowSize(64<<20), grpc.WithInitialConnWindowSize(64<<20),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(2*wire.MaxMessage), grpc.MaxCallSendMsgSize(2*wire.MaxMessage)))
	if err != nil {
		return nil, err
	}
	p.api = wire.NewPluginClient(p.conn)
	desc, err := p.api.Describe(ctx, &wire.DescribeRequest{Protocol: wire.Protocol, Features: features(p.ref.Settings)}, grpc.WaitForReady(true))
	if err != nil {
		return nil, fmt.Errorf("it does not say what it offers: %w", err)
	}
	if err := checkDescription(title(p.ref), desc); err != nil {
		return nil, err
	}
	// go-plugin's own connection brings what Go plugins print, and asks the process to end. It is made last, since go-plugin waits for it without a limit.
	if _, err := p.client.Client(); err != nil {
		return nil, err
	}
	p.spoken = true
	return desc, nil
}

// startError says why a process did not start. Whoever knows most is believed: what it printed, the time, its exit, and then err.
// caller is the context of who wants it, and ctx has the limit.
func (p *process) startError(caller, ctx context.Context, err error) *Error {
	e := &Error{Kind: Start, Plugin: title(p.ref), Err: err}
	var told *Error
	switch hello := p.hello.wrong(); {
	case errors.As(err, &told):
		return told
	case hello != nil:
		e.Kind, e.Text, e.Err = Protocol, hello.Error(), hello
		return e
	case caller.Err() != nil:
		e.Err = context.Cause(caller)
		e.Text = fmt.Sprintf("its start was given up: %v", e.Err)
		return e
	case ctx.Err() != nil || status.Code(err) == codes.DeadlineExceeded:
		e.Text = fmt.Sprintf("it did not say where it listens within %v: if it is a plugin of millrace and needs longer, set Settings.Start", startLimit(p.ref.Settings))
		if p.hello.done() {
			e.Text = fmt.Sprintf("it said where it listens, and did not answer there within %v: if it needs longer, set Settings.Start", startLimit(p.ref.Settings))
		}
		e.Err = context.DeadlineExceeded
		return e
	}
	var cannot *os.PathError
	if errors.As(err, &cannot) || errors.Is(err, exec.ErrNotFound) {
		e.Text = cannotStart(p.ref, err)
		return e
	}
	select {
	case <-p.exited:
		e.Kind, e.Text = Start, fmt.Sprintf("it ended (%s) before it answered", p.how())
		if !p.hello.done() {
			e.Text = fmt.Sprintf("it ended (%s) before it said where it listens: is it a plugin of millrace?", p.how())
			if lost := lostScript(p.ref); lost != "" {
				e.Text = fmt.Sprintf("it ended (%s) before it said where it listens: %s", p.how(), lost)
			}
		}
	case <-p.pool.clock.After(grace / 4):
		e.Text = fmt.Sprintf("it cannot be reached: %v", err)
	}
	return e
}

// signal sends one to the process and its group.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid != 0 && !p.reaped {
		_ = syscall.Kill(-p.pid, s)
	}
}

// kill ends it because of e. What is first counts.
func (p *process) kill(e *Error) (first bool) {
	p.mu.Lock()
	if first = p.cause == nil; first {
		p.cause = e
	}
	p.mu.Unlock()
	p.signal(syscall.SIGKILL)
	return first
}

// retire says that the process is to end, and that nothing is wrong with it.
func (p *process) retire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending = true
}

// failed tells whether it has ended, or was ended, and was not meant to.
func (p *process) failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.ending
}

// group is the number of its process group.
func (p *process) group() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// overMemory ends it where it has more resident than it may.
func (p *process) overMemory(bytes int64) {
	if limit := memoryLimit(p.ref.Settings); bytes > limit {
		p.kill(&Error{Kind: Limit, Plugin: title(p.ref), Text: fmt.Sprintf("its process and those it started had %s resident, where %s is the limit: it was killed, and is started again at the next call. "+
			"If it needs as much, set Settings.Memory higher; if it grows with every batch, it keeps what it should not", bytesText(bytes), bytesText(limit))})
	}
}

// end ends the process, and waits: politely where nothing is wrong with it. Everything of it is gone then.
func (p *process) end() {
	p.mu.Lock()
	p.ending = true
	wrong := p.cause != nil
	p.mu.Unlock()
	p.channels.close()
	if !wrong && p.stdin != nil {
		p.stdin.Close() // it ends by itself
		select {
		case <-p.exited:
		case <-p.pool.clock.After(grace):
		}
	}
	p.signal(syscall.SIGKILL)
	if p.spoken {
		p.client.Kill() // its connection, and its goroutines
	}
	if p.conn != nil {
		p.conn.Close()
	}
	p.work.Wait()
	p.opened()
	p.removeFolder()
}

// how is how it ended.
func (p *process) how() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status == "signal: killed" && (p.cause == nil || p.cause.Kind == Crash) {
		return "signal: killed, from outside: the kernel does so where memory is short"
	}
	return p.status
}

// alive tells whether calls may be sent.
func (p *process) alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.exited:
		return false
	default:
		return p.cause == nil && !p.ending && !p.reaped
	}
}
