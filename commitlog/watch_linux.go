package commitlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// fileWatch reports changes of durable ends through inotify: one descriptor and one goroutine for a whole log.
type fileWatch struct {
	file   *os.File
	fd     int
	notify func(dir string)
	gone   chan struct{}

	mu   sync.Mutex // guards dirs and ids
	dirs map[int32]string
	ids  map[string]int32
}

func newFileWatch(notify func(dir string)) (*fileWatch, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	w := &fileWatch{file: os.NewFile(uintptr(fd), "inotify"), fd: fd, notify: notify, gone: make(chan struct{}),
		dirs: map[int32]string{}, ids: map[string]int32{}}
	go w.run() // ends with close, which waits for gone
	return w, nil
}

func (w *fileWatch) add(dir string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	id, err := unix.InotifyAddWatch(w.fd, filepath.Join(dir, durableName), unix.IN_MODIFY)
	if err != nil {
		return fmt.Errorf("inotify: %w", err)
	}
	w.dirs[int32(id)], w.ids[dir] = dir, int32(id)
	return nil
}

func (w *fileWatch) remove(dir string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id, ok := w.ids[dir]; ok {
		_, _ = unix.InotifyRmWatch(w.fd, uint32(id)) // it is gone already if the file is
		delete(w.ids, dir)
		delete(w.dirs, id)
	}
}

func (w *fileWatch) run() {
	defer close(w.gone)
	buf := make([]byte, 16<<10)
	for {
		n, err := w.file.Read(buf)
		if err != nil {
			return // closed
		}
		last := int32(-1)
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			id := int32(binary.NativeEndian.Uint32(b))
			size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
			b = b[min(size, len(b)):]
			if id == last {
				continue
			}
			last = id
			w.mu.Lock()
			dir := w.dirs[id]
			w.mu.Unlock()
			w.notify(dir)
		}
	}
}

func (w *fileWatch) close() error {
	err := w.file.Close()
	<-w.gone
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
