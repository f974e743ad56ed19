package sink_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/sinktest"
)

// readLines reads the rows that the manifest of dir names, and checks the directory.
func readLines(dir string) ([]sinktest.Row, error) {
	if err := sink.VerifyFiles(dir); err != nil {
		return nil, err
	}
	files, err := sink.ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	var rows []sinktest.Row
	for _, f := range files {
		data, err := os.ReadFile(f.Path)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(bytes.NewReader(data))
		for lines.Scan() {
			var r sinktest.Row
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				return nil, err
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func jsonSubject(opts ...sink.FileOption) sinktest.Make {
	return func(t testing.TB, dir string) sinktest.Subject {
		return sinktest.Subject{
			Spec:          sink.FilesJSON(dir, opts...).Spec(),
			Read:          func() ([]sinktest.Row, error) { return readLines(dir) },
			EpochsRefused: true,
		}
	}
}

func TestFilesJSON(t *testing.T) { sinktest.Run(t, jsonSubject()) }

// With files of a few rows each, every Publish rolls, and every third file is merged away.
func TestFilesJSONSmall(t *testing.T) {
	sinktest.Run(t, jsonSubject(sink.RollSize(300), sink.MergeFiles(3), sink.MergeGrace(0)))
}
