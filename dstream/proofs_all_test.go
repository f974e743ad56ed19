package dstream_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/exampletest"
)

// unproved are names that no case of Check can use, and who proves them.
var unproved = map[string]string{
	"ViaTo": "as ApplyTo and Frame.Via", "Source": "TestPluginSourceConforms, TestPluginEnds", "SourceVia": "TestSourceVia", "Sink": "TestPluginSinkConforms, TestPluginEnds", "SinkVia": "TestSinkViaConforms",
	"NewJob": "Check makes the job", "From": "Check calls it",
	"Acc.Add": "counted in TestAccumulators", "Acc.Value": "counted in TestAccumulators", "Acc.Name": "gives a name",
	"Accumulator": "counted in TestAccumulators", "MaxAccumulator": "counted in TestAccumulators", "MinAccumulator": "counted in TestAccumulators",
	"ReloadEvery": "versions change by the clock: driver", "Versioned.Update": "versions change from outside: driver", "Versioned.Name": "gives a name",
	"Stream.To": "Check calls it; sinks are proved by sinktest and internal/kill", "Keyed.To": "as Stream.To",
	"Stream.SaveAsTextFiles": "as Stream.To", "Stream.SaveAsJSON": "as Stream.To", "Stream.SaveAsParquet": "as Stream.To",
	"Keyed.SaveAsTextFiles": "as Stream.To", "Keyed.SaveAsJSON": "as Stream.To", "Keyed.SaveAsParquet": "as Stream.To",
	"Stream.Print": "as Stream.To", "Keyed.Print": "as Stream.To", "Stream.DeadLetter": "as Stream.To",
	"Stream.ForeachBatch": "as Stream.To", "Keyed.ForeachBatch": "as Stream.To", "Stream.ForeachPartition": "as Stream.To", "Keyed.ForeachPartition": "as Stream.To",
	"State.ExpireAt": "ExpireAfter calls what it calls; TestStatefulTimers",
	"State.Delete":   "TestStateful, TestMapWithState",
	"State.Time":     "TestStatefulTimers",
	"State.Late":     "TestEventTimers",
	"IdleAdvance":    "partitions fall idle by the driver's clock: its scripts", "Ahead": "as IdleAdvance",
	"Window.String":     "prints",
	"FrameTable.Schema": "what a plan says of the table", "LookupTable.Schema": "what a plan says of the table",
	"Frame.Schema":  "what a plan says of the frame",
	"State.Exists":  "TestStateful, TestMapWithState",
	"Pinned.Rows":   "TestPinRows",
	"KeyedFrame.To": "as Stream.To",
}

// Every operator is in a case of dstreamtest.Check. The test goes by names: it looks for calls of them in the files that call Check.
func TestEveryOperatorIsProved(t *testing.T) {
	used := map[string]bool{}
	paths, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if name := filepath.Base(path); !strings.Contains(string(text), "dstreamtest.Check") && name != "edges_cases_test.go" || name == "proofs_all_test.go" {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				used[sel.Sel.Name] = true
			}
			return true
		})
	}
	for _, name := range exampletest.Names(t, ".") {
		if strings.HasPrefix(name, "Job.") {
			continue
		}
		if proved, why := used[name[strings.LastIndexByte(name, '.')+1:]], unproved[name]; !proved && why == "" {
			t.Errorf("%s is in no case of dstreamtest.Check: write one, or say in unproved what proves it", name)
		}
	}
}
