package sink

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// ErrFenced is returned by a lane whose output was taken over by a newer owner (I9). It can publish nothing any more; the
// process should stop, or drop the lane if it was moved.
var ErrFenced = errors.New("a newer owner has taken over this output")

// errLaneClosed is returned by every method of a lane after Close.
var errLaneClosed = errors.New("the lane is closed")

// placeError adds to an error of the file system what its user can do about it. Nothing is lost in any of these cases: what was
// published is durable, the rest is staged or computed again.
func placeError(dir string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("files in %s: the disk is full: free some space, then start the job again, nothing is lost: %w", dir, err)
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("files in %s: the directory cannot be written: allow this user to write there, or choose another directory: %w", dir, err)
	}
	return fmt.Errorf("files in %s: %w", dir, err)
}
