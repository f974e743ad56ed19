//go:build !linux

package channel

import (
	"context"
	"errors"

	"github.com/millrace/millrace/plugins/internal/wire"
)

// HasMemory tells whether this system has channels in shared memory.
const HasMemory = false

var errNone = errors.New("this system has no channels in shared memory")

// OpenMemory opens a channel in shared memory.
func OpenMemory(context.Context, wire.PluginClient, string) (Host, error) { return nil, errNone }

// ServeMemory is the plugin's end of a channel in shared memory.
func ServeMemory(context.Context, string, []byte) (interface {
	Plugin
	Close() error
}, error) {
	return nil, errNone
}
