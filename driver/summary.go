package driver

import (
	"encoding/json"
	"fmt"
	"os"
)

// writeSummary writes a run's figures for --summary.
func writeSummary(path string, s *Stats) error {
	data, err := json.Marshal(s.Read())
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("--summary: %w", err)
	}
	return nil
}
