package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// damage is bytes that are not what was written.
type damage struct {
	file string // filled in by inFile where the finder does not know it
	off  int64  // nowhere: the file as a whole
	what string
}

const nowhere = int64(-1)

// Error names the file, the byte and what is wrong there.
func (d *damage) Error() string {
	if d.off == nowhere {
		return fmt.Sprintf("%s: damaged: %s", d.file, d.what)
	}
	return fmt.Sprintf("%s: byte %d: damaged: %s", d.file, d.off, d.what)
}

// Is makes every damage ErrDamaged.
func (d *damage) Is(target error) bool { return target == ErrDamaged }

// inFile fills in the file of a damage that lacks it.
func inFile(err error, file string) error {
	var d *damage
	if errors.As(err, &d) && d.file == "" {
		d.file = file
	}
	return err
}

// explain says what to do about an error of the file system.
func explain(dir string, err error) error {
	var hint string
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrDamaged):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		hint = "; free some space on that disk and start the job again: nothing that was committed is lost"
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		hint = "; make the directory writable for this user, or name another with --checkpoint"
	case errors.Is(err, syscall.ENOTDIR):
		hint = "; it, or one above it, is a file: name a directory with --checkpoint"
	}
	return fmt.Errorf("checkpoint %s: %w%s", dir, err, hint)
}
