package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/gctune"
	"github.com/millrace/millrace/internal/program"
	"github.com/millrace/millrace/plugins/host"
	"github.com/millrace/millrace/rdd"
)

// envSocket marks a child process: its value is a childRole.
const envSocket = "MILLRACE_CHILD"

// tokenFD is the inherited descriptor from which a child reads its token (P20).
const tokenFD = 3

// orphanAfter is how long a child waits for a driver before it exits (P20).
const orphanAfter = 10 * time.Second

// An executor that is started before its driver tries again for a minute.
const (
	joinLimit = time.Minute
	joinPause = 200 * time.Millisecond
)

// childRole is what a child process is told by its parent.
type childRole struct {
	Socket       string
	Name         string
	Slots        int
	OrphanMillis int64
	Depth        int
	Debug        bool
	BlockBytes   int64
	KafkaTLS     *KafkaTLS `json:",omitempty"` // names of files
}

// IsChild tells whether this process was started by a driver as one of its executors. A test binary whose jobs run with procs asks in
// TestMain, and then calls RunChild.
func IsChild() bool { return os.Getenv(envSocket) != "" }

// RunChild is the main function of a child process: it serves its driver until it is told to stop, or nobody came for ten seconds.
func RunChild(job func(*dstream.Job)) error {
	var role childRole
	if err := json.Unmarshal([]byte(os.Getenv(envSocket)), &role); err != nil {
		return fmt.Errorf("%s: %w", envSocket, err)
	}
	pipe := os.NewFile(tokenFD, "token")
	token, err := io.ReadAll(io.LimitReader(pipe, 1<<10))
	if err = errors.Join(err, pipe.Close()); err != nil {
		return fmt.Errorf("token: %w", err)
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM) // a terminal's Ctrl-C and a service manager's stop are for the driver
	defer gctune.Start()()
	var over func()
	cfg := executor.Config{
		Name: role.Name, Slots: role.Slots, Depth: role.Depth, Debug: role.Debug, BlockBytes: role.BlockBytes,
		Log: childLog(role.Name), Clock: clock.Fine{}, SourceTLS: role.KafkaTLS.source(), SinkTLS: role.KafkaTLS.sink(),
		Build: func(w *executor.Welcome) (*rdd.Plan, error) { return buildForDriver(job, w) },
		Check: checkProgram,
	}
	host.SetDefaultLog(cfg.Log)
	cfg.Orphaned, over = orphanWatch(func() { cleanUp(role.Socket) })
	err = executor.ServeSocket(context.Background(), role.Socket, token, cfg, time.Duration(role.OrphanMillis)*time.Millisecond)
	over()
	cleanUp(role.Socket)
	if errors.Is(err, executor.ErrOrphaned) {
		return nil
	}
	return err
}

// orphanWatch ends the process a while after orphaned was called if over was not: user code that does not return must not keep it (P20).
func orphanWatch(last func()) (orphaned, over func()) {
	alone, orphaned := context.WithCancel(context.Background())
	done := make(chan struct{})
	var g errgroup.Group
	g.Go(func() error {
		select {
		case <-done:
			return nil
		case <-alone.Done():
		}
		select {
		case <-done:
		case <-clock.System{}.After(expelLimit):
			last()
			os.Exit(1)
		}
		return nil
	})
	return orphaned, func() { close(done); _ = g.Wait(); orphaned() }
}

func childLog(name string) *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})).With("executor", name)
}

// cleanUp removes a child's socket; the last one to go takes the folder along.
func cleanUp(sock string) {
	_ = os.Remove(sock)
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(sock), "*.sock")); len(left) == 0 {
		_ = os.RemoveAll(filepath.Dir(sock))
	}
}

// buildForDriver builds the plan as the driver's settings say.
func buildForDriver(job func(*dstream.Job), w *executor.Welcome) (*rdd.Plan, error) {
	cfg := Config{Name: w.Job, Checkpoint: w.Checkpoint}
	if strings.HasPrefix(filepath.Base(w.Checkpoint), volatilePrefix) {
		cfg.Checkpoint = ""
	}
	if w.Settings.StopOnBad {
		cfg.OnBadRecord = "stop"
	}
	return buildPlan(context.Background(), job, cfg, w)
}

// checkProgram refuses another executable.
func checkProgram(w *executor.Welcome, _ *rdd.Plan) error {
	exe, err := executableHash()
	if err != nil {
		return err
	}
	if string(exe) != string(w.Program) {
		return fmt.Errorf("this executable has hash %x, the driver's %x: start both from the same binary", exe[:8], w.Program[:min(8, len(w.Program))])
	}
	return nil
}

// runExecutor is --executor ADDR: it works for the driver at that address until that says stop.
func runExecutor(ctx context.Context, job func(*dstream.Job), cfg Config, addr string, parse func(args []string) error) error {
	sec, err := cfg.security()
	if err != nil {
		return err
	}
	if err := sec.Check("tcp", addr); err != nil {
		return usageError{err}
	}
	slots := runtime.GOMAXPROCS(0)
	if cfg.Slots > 0 {
		slots = cfg.Slots
	}
	name, err := os.Hostname()
	if err != nil {
		name = "executor"
	}
	defer gctune.Start()()
	x := executor.Config{
		Name: name, Slots: slots, Log: cfg.Log, Clock: clock.Fine{}, SourceTLS: cfg.KafkaTLS.source(), SinkTLS: cfg.KafkaTLS.sink(),
		Build: func(w *executor.Welcome) (*rdd.Plan, error) {
			if err := parse(w.Args); err != nil {
				return nil, fmt.Errorf("the driver's arguments: %w", err)
			}
			return buildForDriver(job, w)
		},
		Check: checkProgram,
	}
	var over func()
	x.Orphaned, over = orphanWatch(func() { fmt.Fprintf(os.Stderr, "the driver at %s is gone, and user code does not return\n", addr) })
	defer over()
	for began := x.Clock.Now(); ; {
		err := executor.JoinDriver(ctx, addr, sec, x)
		if !errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, executor.ErrOrphaned) || x.Clock.Now().Sub(began) > joinLimit || ctx.Err() != nil {
			return err
		}
		select { // the driver may start later
		case <-x.Clock.After(joinPause):
		case <-ctx.Done():
		}
	}
}

// executableHash is the hash of the running binary: driver and executors must agree on it.
func executableHash() ([]byte, error) { return program.Hash() }
