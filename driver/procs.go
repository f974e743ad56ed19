package driver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/transport"
	"github.com/millrace/millrace/rdd"
)

const (
	startLimit  = 20 * time.Second // from starting a child to its first answer
	dialPause   = 2 * time.Millisecond
	expelLimit  = time.Second // a child of another program has to go within this time
	socketLimit = 100         // bytes in a unix socket's path, on every system
	linkName    = "executors" // in the checkpoint: leads to the sockets
)

// procs are child processes of the same binary, one an executor (P20). Each listens on a unix socket in a folder of mode 0700; the checkpoint has a
// link to it, so that a restarted driver finds the children that wait there.
//
//	/tmp/millrace-XXXX/  token  program  e1.sock  e2.sock …
type procs struct {
	e     *engine
	dir   string
	token []byte
	group errgroup.Group // one goroutine a child waits for its end

	mu      sync.Mutex // guards waiting
	waiting []string   // sockets of children of an earlier driver
}

// newProcs finds the children that an earlier driver left, or makes a folder for new ones.
func (e *engine) newProcs(ctx context.Context) (*procs, error) {
	p := &procs{e: e}
	if e.shared != "" {
		p.find(ctx)
	}
	if p.dir != "" {
		return p, nil
	}
	p.token = make([]byte, 32)
	if _, err := rand.Read(p.token); err != nil {
		return nil, err
	}
	base := os.TempDir()
	if len(base) > socketLimit-40 {
		base = "/tmp"
	}
	sweep(base, e.clock.Now())
	dir, err := os.MkdirTemp(base, procsPrefix) // made with mode 0700
	if err != nil {
		return nil, fmt.Errorf("folder for executors' sockets: %w", err)
	}
	p.dir = dir
	if err := p.furnish(); err != nil {
		return nil, err
	}
	if e.shared != "" {
		link := filepath.Join(e.dir, linkName)
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err := os.Symlink(dir, link); err != nil {
			return nil, fmt.Errorf("checkpoint: %w", err)
		}
	}
	return p, nil
}

// furnish writes what a later driver needs to adopt children.
func (p *procs) furnish() error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(p.dir, "token"), p.token, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.dir, "program"), []byte(p.program()), 0o600)
}

func (p *procs) program() string { return hex.EncodeToString(programHash(p.e.exe, p.e.plan)) }

// find looks for children of an earlier driver. Those of the same program are kept for launch, others are told to go and then ended.
func (p *procs) find(ctx context.Context) {
	dir, err := os.Readlink(filepath.Join(p.e.dir, linkName))
	if err != nil {
		return
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 || !ownedByUs(info) {
		return // gone, or not ours
	}
	token, err := os.ReadFile(filepath.Join(dir, "token"))
	if err != nil {
		return
	}
	socks, _ := filepath.Glob(filepath.Join(dir, "*.sock"))
	slices.SortFunc(socks, func(a, b string) int {
		if naturalLess(a, b) {
			return -1
		}
		return 1
	})
	program, _ := os.ReadFile(filepath.Join(dir, "program"))
	p.token = token
	if string(program) == p.program() && len(socks) > 0 && !fault.Planted("P20-adopt") {
		keep := min(len(socks), p.e.master.executors)
		p.dir, p.waiting = dir, socks[:keep]
		socks = socks[keep:]
	}
	var expelled errgroup.Group
	for _, s := range socks {
		expelled.Go(func() error { p.expel(ctx, s); return nil })
	}
	_ = expelled.Wait()
	if p.dir == "" {
		_ = os.RemoveAll(dir)
	}
}

// expel tells a child to go, and ends it after a second (P20).
func (p *procs) expel(ctx context.Context, sock string) {
	if fault.Planted("P20-orphan") {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, expelLimit)
	defer cancel()
	conn, err := executor.Dial(ctx, "unix", sock, transport.Security{Token: p.token})
	if err == nil {
		_ = conn.Send(&executor.Stop{Reason: "a driver with another program has taken over"})
		gone := make(chan struct{})
		p.group.Go(func() error {
			defer close(gone)
			for err := error(nil); err == nil; {
				_, err = conn.Recv()
			}
			return nil
		})
		select {
		case <-gone:
		case <-ctx.Done():
		}
		_ = conn.Close()
	}
	killOwner(sock)
	_ = os.Remove(sock)
}

func (p *procs) socket(name string) string { return filepath.Join(p.dir, name+".sock") }

// launch adopts a waiting child, or starts a new one.
func (p *procs) launch(ctx context.Context, name string) (executor.Conn, error) {
	for {
		p.mu.Lock()
		if len(p.waiting) == 0 {
			p.mu.Unlock()
			return p.start(ctx, name)
		}
		sock := p.waiting[0]
		p.waiting = p.waiting[1:]
		p.mu.Unlock()
		limit, cancel := context.WithTimeout(ctx, expelLimit)
		conn, err := executor.Dial(limit, "unix", sock, transport.Security{Token: p.token})
		cancel()
		if err == nil {
			p.e.log.Info("executor adopted", "executor", name, "socket", sock)
			return &childConn{Conn: conn, p: p, sock: sock}, nil
		}
		killOwner(sock)
		_ = os.Remove(sock)
	}
}

// start starts a child process and connects to it.
func (p *procs) start(ctx context.Context, name string) (executor.Conn, error) {
	if _, err := os.Stat(p.dir); err != nil { // the last child of an earlier driver cleaned up
		if err := p.furnish(); err != nil {
			return nil, err
		}
	}
	sock := p.socket(name)
	if p.e.cfg.Start != nil {
		return p.e.cfg.Start(ctx, p.inProcess(name, sock))
	}
	cmd, err := p.command(name, sock)
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	over := make(chan struct{})
	p.group.Go(func() error {
		ended <- cmd.Wait()
		close(over)
		_ = os.Remove(sock)
		return nil
	})
	limit, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		conn, err := executor.Dial(limit, "unix", sock, transport.Security{Token: p.token})
		if err == nil {
			return &childConn{Conn: conn, p: p, sock: sock, cmd: cmd, over: over}, nil
		}
		select {
		case werr := <-ended:
			return nil, fmt.Errorf("the process ended while starting: %v", werr)
		case <-limit.Done():
			_ = cmd.Process.Kill()
			return nil, fmt.Errorf("no answer from process %d within %v: %w", cmd.Process.Pid, startLimit, err)
		case <-p.e.clock.After(dialPause):
		}
	}
}

// inProcess is what a child would be, for Config.Start.
func (p *procs) inProcess(name, sock string) executor.Config {
	x := p.e.executorConfig(name, p.e.master.slots)
	x.Listen = &executor.Listen{Network: "unix", Addr: sock, Security: transport.Security{Token: p.token}}
	x.Build = func(w *executor.Welcome) (*rdd.Plan, error) { return buildForDriver(p.e.job, w) }
	return x
}

// command starts the child. It gets the token through a pipe, never through its arguments or environment.
func (p *procs) command(name, sock string) (*exec.Cmd, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	role, err := json.Marshal(childRole{
		Socket: sock, Name: name, Slots: p.e.master.slots, OrphanMillis: orphanAfter.Milliseconds(), Depth: p.e.cfg.Depth,
		Debug: p.e.cfg.Debug, BlockBytes: p.e.cfg.BlockBytes, KafkaTLS: p.e.cfg.KafkaTLS,
	})
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	path, args := selfCommand()
	cmd := exec.Command(path)
	cmd.Args = append([]string{args}, p.e.cfg.Args...)
	cmd.Env = append(append(os.Environ(), p.e.cfg.Env...), envSocket+"="+string(role))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{read}
	cmd.SysProcAttr = ownGroup() // Ctrl-C is for the driver, which drains
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start of an executor process: %w", err), write.Close())
	}
	_, err = write.Write(p.token)
	return cmd, errors.Join(err, write.Close())
}

// selfCommand is how the running binary is started again, even if its file was replaced, and its name.
func selfCommand() (path, name string) {
	if _, err := os.Stat("/proc/self/exe"); err == nil {
		return "/proc/self/exe", os.Args[0]
	}
	path, err := os.Executable()
	if err != nil {
		path = os.Args[0]
	}
	return path, os.Args[0]
}

// close waits for all children, and removes the folder.
func (p *procs) close() {
	_ = p.group.Wait()
	for _, s := range p.waiting {
		killOwner(s)
	}
	_ = os.RemoveAll(p.dir)
	if p.e.shared != "" {
		_ = os.Remove(filepath.Join(p.e.dir, linkName))
	}
}

// childConn is a connection to a child. Closing it also ends a child that does not go by itself.
type childConn struct {
	executor.Conn
	p    *procs
	sock string
	cmd  *exec.Cmd // nil: adopted
	over chan struct{}
	once sync.Once
}

// Close closes the connection and has the process ended after a second.
func (c *childConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.p.group.Go(func() error {
			if c.cmd == nil {
				<-c.p.e.clock.After(expelLimit)
				killOwner(c.sock)
				return nil
			}
			select {
			case <-c.over:
			case <-c.p.e.clock.After(expelLimit):
				_ = c.cmd.Process.Kill()
			}
			return nil
		})
	})
	return err
}

// killOwner ends the process that was started for a socket, if it still runs.
func killOwner(sock string) {
	for _, pid := range ownersOf(sock) {
		if proc, err := os.FindProcess(pid); err == nil {
			_ = proc.Kill()
		}
	}
}

// ownersOf finds the processes that were started for a socket.
func ownersOf(sock string) []int { return childrenNaming(`"` + sock + `"`) }

// childrenNaming finds the children, of any driver, whose environment holds text (where the system shows it).
func childrenNaming(text string) []int {
	envs, _ := filepath.Glob("/proc/[0-9]*/environ")
	var pids []int
	for _, path := range envs {
		env, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(env), envSocket+"=") || !strings.Contains(string(env), text) {
			continue
		}
		pid := 0
		if _, err := fmt.Sscanf(path, "/proc/%d/environ", &pid); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}
