//go:build !linux

package checkpoint

import "os"

// syncData is fsync (F_FULLFSYNC on macOS).
func syncData(f *os.File) error { return f.Sync() }

// allocate does nothing: segments grow as they are written.
func allocate(*os.File, int64) error { return nil }
