//go:build faults

package dstream_test

import (
	"testing"

	"github.com/millrace/millrace/internal/fault/faulttest"
)

// Each planted fault must turn its test red; the same tests are green without it.
func TestPlantedFaultsAreCaught(t *testing.T) {
	for fault, test := range map[string]string{
		"I2-clock":             "TestRunningCountExpires",
		"I2-sample-clock":      "TestSample",
		"I2-record-cuts":       "TestRecordBatchesAreCutByRows",
		"I7-maporder":          "TestRowOrder",
		"I7-merge":             "TestSortBy",
		"I7-union-order":       "TestUnionOrder",
		"I7-unstable":          "TestTopK",
		"I7-state-first":       "TestProofRunningOrder",
		"P13-dropped":          "TestDeadLetters",
		"P13-aside":            "TestSetAsideTellsRecord",
		"P13-wide":             "TestSetAsideTellsRecord",
		"P29-timers-first":     "TestEventTimers",
		"P15-derive":           "TestReduceByKeyAndWindow",
		"P21-value-everywhere": "TestValueOnExecutor",
		"P24-shared-zero":      "TestAggregateByKey",
		"P24-user-times":       "TestTimesAreNormalised",
		"P25-any-key":          "TestMistakesAreReportedTogether",
		"P26-reuse":            "TestMemoryIsNotReused",
		"P26-brief":            "TestProofTextsAreKept",
		"P27-no-keys":          "TestProofGroupByNothing",
		"P28-timers-wait":      "TestStatefulTimers",
		"P28-update-waits":     "TestUpdateStateByKey",
		"P32-initial-late":     "TestInitialStateIsLoadedFirst",
		"P32-no-gates":         "TestExplain",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			faulttest.Red(t, fault, test)
		})
	}
}
