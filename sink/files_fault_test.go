//go:build faults

package sink_test

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/sinktest"
)

// Each planted fault of the file sink must turn a test red.
func TestFilesFaults(t *testing.T) {
	for _, f := range []struct{ fault, test string }{
		{"I5-files", "TestFilesJSON/PublishedOnce"},
		{"P8-early", "TestFilesJSON/StagedIsInvisible"},
		{"P10-double-slot", "TestFilesJSON/OldOwnerFlushes"},
		{"P7-marker", "TestTornJournal"},
		{"I9-files", "TestFilesJSON/OldOwnerIsFenced"},
	} {
		t.Run(f.fault, func(t *testing.T) { faulttest.Red(t, f.fault, f.test) })
	}
}

var crashPoints = []string{"files-staged", "files-before-slot", "files-after-slot"}

func TestFilesJSONCrash(t *testing.T) {
	sinktest.Crash(t, jsonSubject(sink.RollSize(100), sink.MergeFiles(3)), crashPoints...)
}

func TestFilesParquetCrash(t *testing.T) {
	sinktest.Crash(t, parquetSubject(sink.RollSize(300), sink.MergeFiles(3)), crashPoints...)
}
