package plugins

import (
	"os"

	"github.com/millrace/millrace/plugins/internal/wire"
)

// Started tells whether this process was started as a plugin. A program that is a job and the plugin of it asks first thing in main, and calls Serve then.
func Started() bool { return os.Getenv(wire.CookieKey) == wire.CookieValue }
