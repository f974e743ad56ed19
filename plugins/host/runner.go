package host

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// The methods from here on make it a runner.Runner of go-plugin.

// Start executes it, from a thread that lives as long as it does: its end is the process's (see attributes).
func (p *process) Start(context.Context) error {
	defer p.opened()
	var theirs [3]*os.File
	var err error
	if theirs[0], p.stdin, err = os.Pipe(); err == nil {
		if p.pipes[0], theirs[1], err = os.Pipe(); err == nil {
			p.pipes[1], theirs[2], err = os.Pipe()
		}
	}
	started := make(chan error, 1)
	if err != nil {
		started <- err
		close(p.exited)
	} else {
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = theirs[0], theirs[1], theirs[2]
		p.cmd.SysProcAttr = attributes()
		p.read.Go(func() { p.readStdout(p.pipes[0]) })
		p.read.Go(func() { p.out.read(p.pipes[1], p.out.line) })
		p.work.Go(func() { p.live(started) })
	}
	err = <-started
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		for _, f := range append(p.pipes[:], p.stdin) {
			f.Close()
		}
		_ = p.toGo.Close()
	}
	return err
}

// live starts the process, and waits until it and its group are gone.
func (p *process) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.exited)
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	p.mu.Lock()
	p.pid = p.cmd.Process.Pid
	killed := p.cause != nil
	p.mu.Unlock()
	confine(p.pid, memoryLimit(p.ref.Settings))
	if killed { // while it was started
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	}
	started <- nil
	awaitExit(p.pid)
	p.mu.Lock()
	p.reaped = true
	p.mu.Unlock()
	_ = syscall.Kill(-p.pid, syscall.SIGKILL) // what it started and left
	_ = p.cmd.Wait()
	p.mu.Lock()
	p.status = p.cmd.ProcessState.String()
	p.mu.Unlock()
	p.drain()
	p.report()
}

// report tells the log that a process has ended that was not meant to.
func (p *process) report() {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.cause != nil:
		p.out.log.Warn("plugin killed", "pid", p.pid, "reason", p.cause.Text)
	case !p.ending:
		p.out.log.Warn("plugin ended", "pid", p.pid, "status", p.status)
	}
}

// drain reads what the process printed last. Who left the group may hold the pipes open, and is not waited for.
func (p *process) drain() {
	read := make(chan struct{})
	p.work.Go(func() {
		p.read.Wait()
		close(read)
	})
	select {
	case <-read:
	case <-p.pool.clock.After(grace / 4):
	}
	p.stdin.Close()
	for _, f := range p.pipes {
		f.Close()
	}
	_ = p.toGo.Close()
}

// Wait waits for its end.
func (p *process) Wait(context.Context) error {
	<-p.exited
	return nil
}

// Kill kills it, at go-plugin's wish.
func (p *process) Kill(context.Context) error {
	p.signal(syscall.SIGKILL)
	return nil
}

// Stdout is what go-plugin may read: the handshake.
func (p *process) Stdout() io.ReadCloser { return p.fromUs }

// Stderr is empty for go-plugin, since output reads it.
func (p *process) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name is the path.
func (p *process) Name() string { return p.ref.Path }

// ID is the process's.
func (p *process) ID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprint(p.pid)
}

// Diagnose knows nothing: startError does.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost is called with what the handshake said, before anything is dialed. A plugin that printed no certificate cannot do TLS; then its
// socket, which must be in the folder that this user alone enters, is the authentication.
func (p *process) PluginToHost(network, addr string) (string, string, error) {
	if !p.hello.certificate() {
		p.config.TLSConfig = nil
	}
	return network, addr, nil
}

// HostToPlugin changes nothing: both are on one machine.
func (p *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}
