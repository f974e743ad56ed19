package executor

import (
	"context"
	"log/slog"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/transport"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/source"
)

// Config is what an executor is made of. Its settings come with the driver's Welcome.
type Config struct {
	Name  string // until Welcome gives another
	Slots int    // tasks at once; 0: owns lanes only (the driver's host of console and callback lanes)
	Log   *slog.Logger
	Clock clock.Clock // nil: the machine's

	Plan  *rdd.Plan                           // in the driver's process: the plan itself
	Build func(w *Welcome) (*rdd.Plan, error) // elsewhere: builds the job's plan from the driver's arguments and values
	Check func(w *Welcome, p *rdd.Plan) error // more reasons not to join (another executable); nil: none

	SourceTLS *source.TLS // files for brokers' TLS, by name; nil: plaintext
	SinkTLS   *sink.TLS

	// Orphaned, where not nil, is called once when no driver was there for the stated time, before the executor ends. Ending waits for user
	// code; a process may choose not to.
	Orphaned func()

	Listen   *Listen // where peers push blocks; nil: not reachable (local[N], replays)
	Depth    int     // batches in flight at most; 0: 2
	Terminal bool    // standard output is a terminal
	Debug    bool    // tests: rows go through columns between all operators (P24)

	// BlockBytes bounds the blocks that are kept until commit, 0: 256 MiB. At the limit the next batch's tasks wait until the batch before
	// is committed; one batch alone may exceed it. It also bounds blocks that arrive before their batch: then peers' connections wait.
	BlockBytes int64

	// Capture, where not nil, is given each lane's blocks of a batch that runs with Launch.Replay, in upstream task order, instead of the
	// sink. It is called by one goroutine at a time.
	Capture func(batch int64, sink string, lane int, recs []arrow.Record)
	Stats   *Stats // counters for tests; nil: none

	// Done, where not nil, hears of each task of a source or wide node that is done, when its blocks are on their way. It is called by the
	// executor's own loop and must return at once: for tests that end an executor right there.
	Done func(task rdd.TaskID, batch int64)
}

// Listen is where an executor can be reached by its peers.
type Listen struct {
	Network  string // "unix" or "tcp"
	Addr     string
	Security transport.Security
}

// Local starts an executor in this process and returns the driver's end of its connection. It runs until Stop, Close or
// the end of ctx; Recv then gives an error after everything that it started has ended.
func Local(ctx context.Context, cfg Config) (Conn, error) { return startLocal(ctx, cfg) }

// ServeSocket runs an executor that listens on a unix socket (made with mode 0600) for its driver and for peers, until
// a driver says Stop, or no driver was there for orphan. A driver with a higher epoch replaces the one before it (I9), and finds
// the state that it may adopt in Join.Holds. The error is nil after Stop and ErrOrphaned after the wait.
func ServeSocket(ctx context.Context, path string, token []byte, cfg Config, orphan time.Duration) error {
	return serveSocket(ctx, path, token, cfg, orphan)
}

// Dial connects a driver to an executor that listens (procs). The connection's lease follows Settings.HeartbeatMillis once Welcome was sent.
func Dial(ctx context.Context, network, addr string, sec transport.Security) (Conn, error) {
	return dialExecutor(ctx, network, addr, sec)
}

// ListenForExecutors opens the driver's address for executors that are started elsewhere. An address beyond loopback without
// TLS is refused, with a message that says what to set.
func ListenForExecutors(addr string, sec transport.Security) (*Acceptor, error) {
	return listenForExecutors(addr, sec)
}

// JoinDriver runs an executor that connects to its driver, and connects again for up to rejoin (a minute) when the driver is gone. The error
// is nil after Stop.
func JoinDriver(ctx context.Context, addr string, sec transport.Security, cfg Config) error {
	return joinDriver(ctx, addr, sec, cfg)
}
