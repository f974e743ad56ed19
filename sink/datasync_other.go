//go:build !linux

package sink

import "os"

// datasync makes f durable.
func datasync(f *os.File) error { return f.Sync() }
