package wire

import (
	"context"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// Handshake is go-plugin's, for both sides.
var Handshake = plugin.HandshakeConfig{ProtocolVersion: Protocol, MagicCookieKey: CookieKey, MagicCookieValue: CookieValue}

// GRPC makes a Plugin service known to go-plugin: Service is served by the plugin's side, and the host's side dispenses a PluginClient.
type GRPC struct {
	plugin.NetRPCUnsupportedPlugin
	Service PluginServer
}

// GRPCServer registers the service.
func (g *GRPC) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	RegisterPluginServer(s, g.Service)
	return nil
}

// GRPCClient is the service's client.
func (g *GRPC) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return NewPluginClient(c), nil
}
