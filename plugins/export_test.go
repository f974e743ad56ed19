package plugins

import (
	"context"
	"runtime/debug"

	"github.com/millrace/millrace/plugins/internal/channel"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// Server is the plugin's side of the protocol, for tests that stand between it and a host.
type Server struct{ *server }

// NewServer is what ServePlugin serves.
func NewServer(p Plugin) Server { return Server{newServer(p)} }

// Serve answers the requests of a channel.
func (s Server) Serve(ctx context.Context, c channel.Plugin) error {
	return newCalls(s.server, c).serve(ctx)
}

var _ wire.PluginServer = Server{}

// VersionOf is the version of a plugin that Serve serves.
func VersionOf(info *debug.BuildInfo, exe []byte) string { return versionOf(info, exe) }
