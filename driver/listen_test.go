package driver_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/driver"
)

// envExecutor makes this binary an executor of the job that it names, through Main.
const envExecutor = "DRIVER_TEST_EXECUTOR"

// countJoins counts executors that join after the first assignment.
func (f *fixture) countJoins() *atomic.Int64 {
	c := joinCount{f.cfg.Log.Handler(), new(atomic.Int64)}
	f.cfg.Log = slog.New(c)
	return c.n
}

type joinCount struct {
	slog.Handler
	n *atomic.Int64
}

func (c joinCount) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "executor joined" {
		c.n.Add(1)
	}
	return c.Handler.Handle(ctx, r)
}

// TestListen runs a job on executors that are started elsewhere, loses one and gets another.
func TestListen(t *testing.T) {
	f := newFixture(t, "")
	token := filepath.Join(f.dir, "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	lines, want := text(3000)
	f.write(lines[:1000]...)
	f.cfg.Master, f.cfg.TokenFile, f.cfg.Executors, f.cfg.UntilCaughtUp = "listen:"+addr, token, 2, false
	joined := f.countJoins()
	ctx, drain := context.WithTimeout(context.Background(), 60*time.Second)
	defer drain()
	done := make(chan error, 1)
	go func() { done <- driver.Run(ctx, logWords, f.cfg) }()
	start := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "--executor", addr, "--token-file", token, "--slots", "1")
		cmd.Env = append(os.Environ(), envExecutor+"=logwords")
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd
	}
	a, b := start(), start()
	until(t, "first counts", nil, func() bool { return f.total() == 1000*3 })
	_ = a.Process.Kill()
	f.write(lines[1000:2000]...)
	until(t, "counts of one executor", nil, func() bool { return f.total() == 2000*3 })
	c := start()
	until(t, "third executor", nil, func() bool { return joined.Load() == 1 })
	f.write(lines[2000:]...)
	until(t, "last counts", nil, func() bool { return f.total() == 3000*3 })
	drain()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, cmd := range []*exec.Cmd{b, c} {
		if err := cmd.Wait(); err != nil {
			t.Errorf("executor: %v", err)
		}
	}
	if d := cmp.Diff(want, f.last()); d != "" {
		t.Error(d)
	}
}

// TestUnreachable: a broker that does not answer ends the start with a line that names it.
func TestUnreachable(t *testing.T) {
	f := newFixture(t, "local[1]")
	f.cfg.Brokers = []string{"127.0.0.1:1"}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	err := driver.Run(ctx, kafkaWords, f.cfg)
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}
