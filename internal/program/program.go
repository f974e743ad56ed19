// Package program says which program this is: a hash of the running binary.
package program

import (
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// Hash is the hash of the running binary, 32 bytes. It is computed once.
func Hash() ([]byte, error) { return running() }

var running = sync.OnceValues(func() ([]byte, error) {
	path := "/proc/self/exe" // the binary that runs, even if its file was replaced
	if _, err := os.Stat(path); err != nil {
		if path, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	return hashOf(path)
})

// hashOf names the content of a binary: by the build ID that Go's linker put into it, which is a hash of the content itself, or by a hash of the
// whole file where there is none. To read 50 MB takes as long as all the rest of a start.
func hashOf(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if id := buildID(f); id != "" {
		h.Write([]byte(id))
		return h.Sum(nil), nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if _, err := io.Copy(h, f); err != nil {
		return nil, fmt.Errorf("hash of %s: %w", path, err)
	}
	return h.Sum(nil), nil
}

// buildID is Go's build ID of an ELF file: four hashes, the last one of the content. It is empty where another build system put in something else (a constant, for
// builds that can be repeated) or nothing.
func buildID(r io.ReaderAt) string {
	f, err := elf.NewFile(r)
	if err != nil {
		return ""
	}
	s := f.Section(".note.go.buildid")
	if s == nil {
		return ""
	}
	note, err := s.Data()
	const head = 16 // sizes of name and description, type, and the name "Go"
	if err != nil || len(note) < head {
		return ""
	}
	n := int64(f.ByteOrder.Uint32(note[4:]))
	if string(note[12:head]) != "Go\x00\x00" || n > int64(len(note)-head) {
		return ""
	}
	id := string(note[head : head+n])
	parts := strings.Split(id, "/")
	if len(parts) != 4 || len(parts[3]) < 16 {
		return ""
	}
	return id
}
