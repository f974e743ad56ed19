package commitlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/zeebo/xxh3"
)

// The file "marker" holds the last marker of the segments before the active one, so that neither retention nor compaction can lose it
// (P11). It is replaced, durably, before the active segment changes.
const markerName = "marker"

// MaxMarker is the longest marker, in bytes.
const MaxMarker = 4096

func writeMarker(dir string, marker []byte) error {
	b := binary.LittleEndian.AppendUint64(nil, xxh3.Hash(marker))
	return replaceFile(filepath.Join(dir, markerName), append(b, marker...))
}

// readMarker is the marker kept outside of the segments, nil where there is none.
func readMarker(dir string) ([]byte, error) {
	path := filepath.Join(dir, markerName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(b) < 8 || xxh3.Hash(b[8:]) != binary.LittleEndian.Uint64(b) {
		return nil, fmt.Errorf("%s: %w: the last marker does not match its checksum", path, ErrDamaged)
	}
	return b[8:], nil
}
