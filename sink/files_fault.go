package sink

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// The planted fault P7-marker: a marker in a file of its own, made durable before the rows.

func markerApart(w *laneFiles) string {
	return filepath.Join(w.dir, manifestDir, "marker-"+slotPrefix(w.lane))
}

func writeMarkerApart(w *laneFiles, m Marker) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return os.WriteFile(markerApart(w), data, 0o644)
}

func readMarkerApart(w *laneFiles) (*Marker, error) {
	data, err := os.ReadFile(markerApart(w))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := new(Marker)
	return m, json.Unmarshal(data, m)
}
