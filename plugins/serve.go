package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/millrace/millrace/internal/gctune"
	"github.com/millrace/millrace/internal/program"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// Serve is the main function of a plugin: it offers operators to the process that started this one, and returns never. The plugin's name is that of the executable, and its version
// that of the main module, or its build's revision, with a hash of the binary where neither says which code it is; ServePlugin gives it others.
//
// Behind its start standard output is the engine's: what is printed there goes to the engine's log, as standard error does. The process ends when its host does.
func Serve(operators ...Operator) {
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	ServePlugin(Plugin{Name: name, Version: buildVersion(), Operators: operators})
}

// buildVersion is what the build says of the program's version.
func buildVersion() string {
	info, _ := debug.ReadBuildInfo()
	exe, err := program.Hash()
	if err != nil {
		exe = nil
	}
	return versionOf(info, exe)
}

// versionOf is the version of a build; info may be nil. Code that no commit has gets the hash of its binary too: another version is another program to a checkpoint (P1), and "devel" would
// be the same one whatever was changed.
func versionOf(info *debug.BuildInfo, exe []byte) string {
	version, exact := "devel", false
	if info != nil {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				version, exact = s.Value, true
			case "vcs.modified":
				exact = exact && s.Value == "false"
			}
		}
		if v := info.Main.Version; v != "" && v != "(devel)" {
			version, exact = v, !strings.HasSuffix(v, "+dirty")
		}
	}
	if exact || len(exe) == 0 {
		return version
	}
	return fmt.Sprintf("%s-%x", version, exe[:6])
}

// ServePlugin is Serve with a name and a version. A plugin that Check finds fault with ends at once, with what is wrong.
func ServePlugin(p Plugin) {
	if err := p.Check(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if !Started() {
		explain(p)
		os.Exit(2)
	}
	signal.Ignore(syscall.SIGINT) // a terminal's goes to the host as well, which ends this process when it is through
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	defer gctune.Start()()
	direct := keepStderr()
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  wire.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{wire.Protocol: {wire.PluginName: &wire.GRPC{Service: newServer(p)}}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(append(opts, direct...), grpc.MaxRecvMsgSize(2*wire.MaxMessage), grpc.MaxSendMsgSize(2*wire.MaxMessage))...)
		},
		Logger: hclog.New(&hclog.LoggerOptions{Name: p.Name, Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
	})
}

// keepStderr has os.Stderr be the process's own from the first call on. go-plugin puts a pipe in its place, whose end travels to the host by a call: what is printed right before os.Exit,
// which is what a crash is about, would be lost.
func keepStderr() []grpc.ServerOption {
	own := os.Stderr
	restore := sync.OnceFunc(func() { os.Stderr = own }) // go-plugin has put its own there before it serves
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			restore()
			return handle(ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
			restore()
			return handle(srv, s)
		}),
	}
}

// explain tells someone who starts a plugin by hand what it is.
func explain(p Plugin) {
	fmt.Fprintf(os.Stderr, "%s %s is a plugin of millrace: a job starts it, with plugins.Command(%q). It offers:\n", p.Name, p.Version, os.Args[0])
	for _, o := range p.Operators {
		fmt.Fprintf(os.Stderr, "  %-10s %s  %s\n", o.Kind(), o.Name, o.Doc)
	}
}

var errFenced = errors.New("fenced")

// Fenced is an error of a lane whose sink has been taken over by another owner. The engine gives such a lane up, and does not try again.
func Fenced(err error) error { return fmt.Errorf("%w: %w", errFenced, err) }

// IsFenced tells whether err is one that Fenced made.
func IsFenced(err error) bool { return errors.Is(err, errFenced) }
