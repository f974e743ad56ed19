//go:build !linux

package commitlog

import "os"

// willNeed lets the system begin to read a piece of a file, where there is a way to say so.
func willNeed(*os.File, int64, int64) {}
