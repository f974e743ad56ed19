//go:build !linux

package commitlog

import "errors"

// fileWatch does not exist here: readers look for new records.
type fileWatch struct{}

func newFileWatch(func(dir string)) (*fileWatch, error) {
	return nil, errors.New("no file notification on this system")
}

func (*fileWatch) add(string) error { return nil }
func (*fileWatch) remove(string)    {}
func (*fileWatch) close() error     { return nil }
