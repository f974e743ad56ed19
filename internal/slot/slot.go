package slot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/fault"
)

// ErrTaken is returned by Create when the slot exists already, whoever wrote it.
var ErrTaken = errors.New("slot is taken")

// tmpPrefix marks files that were being written when their process ended. Nothing reads them.
const tmpPrefix = ".tmp-"

// digits is the width of a slot's number in its name: names sort as numbers do.
const digits = 12

// Create makes file name in dir hold data, its parts one behind the other, if there is no such file. On return it is durable, its directory entry too. No
// reader ever sees a part of it. If the file exists it is left as it is and the error is ErrTaken. Any number of processes may
// try at once: exactly one succeeds. An error other than ErrTaken leaves open whether the slot was created: List tells.
func Create(dir, name string, data ...[]byte) error {
	tmp, err := write(dir, name, data)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	path := filepath.Join(dir, name)
	if fault.Planted("P10-double-slot") {
		_ = os.Remove(path) // the plain rename that this package exists to avoid
	}
	switch err := os.Link(tmp, path); {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: %w", path, ErrTaken)
	case err != nil:
		return fmt.Errorf("create slot: %w", err)
	}
	return SyncDir(dir)
}

// write puts data into a temporary file of its own, fsynced.
func write(dir, name string, data [][]byte) (string, error) {
	f, err := os.CreateTemp(dir, tmpPrefix+name+"-*")
	if err != nil {
		return "", fmt.Errorf("create slot %s: %w", filepath.Join(dir, name), err)
	}
	for _, part := range data {
		if _, err = f.Write(part); err != nil {
			break
		}
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(f.Name())
		return "", fmt.Errorf("create slot %s: %w", filepath.Join(dir, name), err)
	}
	return f.Name(), nil
}

// Name is the file name of slot n: prefix, n in 12 digits, suffix.
func Name(prefix string, n int64, suffix string) string {
	return fmt.Sprintf("%s%0*d%s", prefix, digits, n, suffix)
}

// Parse is the number of a name that Name made; ok is false for every other name.
func Parse(prefix, name, suffix string) (n int64, ok bool) {
	s, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, false
	}
	if s, ok = strings.CutSuffix(s, suffix); !ok || len(s) < digits {
		return 0, false
	}
	u, err := strconv.ParseUint(s, 10, 63)
	if err != nil || Name(prefix, int64(u), suffix) != name {
		return 0, false
	}
	return int64(u), true
}

// List are the numbers of the slots with that prefix and suffix in dir, ascending. A directory that does not exist has none.
func List(dir, prefix, suffix string) ([]int64, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list slots: %w", err)
	}
	var list []int64
	for _, e := range entries {
		if n, ok := Parse(prefix, e.Name(), suffix); ok {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list, nil
}

// Sweep removes what writers that ended in the middle of Create left behind in dir, of slots whose names begin with prefix. The
// caller owns those slots: a Create that runs in another process meanwhile may fail.
func Sweep(dir, prefix string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("sweep slots: %w", err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tmpPrefix+prefix) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sweep slots: %w", err)
		}
	}
	return nil
}

// SyncDir makes dir's entries durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}
