package checkpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/rdd"
)

// plan is a plan record of batch b that reads offsets [10(b-1), 10b) of one partition.
func plan(b int64) *Plan {
	p := &Plan{
		Batch: b, Time: b * 1000, Layout: rdd.Layout{Reduce: 2, Lanes: map[string]int{"out": 1}},
		Ranges:  []Range{{Source: "lines", Partition: 0, From: 10 * (b - 1), Until: 10 * b}},
		Program: []byte("program"), Hash: fmt.Appendf(nil, "hash-%d", b), Epoch: 1,
	}
	if b == 1 {
		p.New = []Partition{{Source: "lines", Partition: 0, Key: "0"}}
	}
	return p
}

func commit(b int64, deltas ...DeltaRef) Commit {
	return Commit{Batch: b, Hash: fmt.Appendf(nil, "hash-%d", b), Deltas: deltas, Rows: 10}
}

func openStore(t testing.TB, dir string, o Options) (*Store, *Recovered) {
	t.Helper()
	s, r, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, r
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var stateSchema = arrow.NewSchema([]arrow.Field{
	{Name: "_group", Type: arrow.PrimitiveTypes.Uint8},
	{Name: "_deleted", Type: arrow.FixedWidthTypes.Boolean},
	{Name: "_due", Type: arrow.PrimitiveTypes.Int64},
	{Name: "key", Type: arrow.BinaryTypes.String},
	{Name: "value", Type: arrow.PrimitiveTypes.Int64},
}, nil)

// change is one row of a delta.
type change struct {
	group   int
	key     string
	value   int64
	deleted bool
}

// rows is a delta or dump in state.Schema's form, nil for none.
func rows(changes ...change) arrow.Record {
	if len(changes) == 0 {
		return nil
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, stateSchema)
	defer b.Release()
	for _, c := range changes {
		b.Field(0).(*array.Uint8Builder).Append(uint8(c.group))
		b.Field(1).(*array.BooleanBuilder).Append(c.deleted)
		b.Field(2).(*array.Int64Builder).Append(0)
		b.Field(3).(*array.StringBuilder).Append(c.key)
		b.Field(4).(*array.Int64Builder).Append(c.value)
	}
	return b.NewRecord()
}

// lastSegment is the path of the newest segment.
func lastSegment(t testing.TB, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, logDir, "*"+segmentSuffix))
	if err != nil || len(files) == 0 {
		t.Fatalf("no segments in %s: %v", dir, err)
	}
	return files[len(files)-1]
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	ok(t, err)
	return data
}
