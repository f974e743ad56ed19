package batch

import (
	"bytes"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// A record batch may have rows and no columns: what a plugin is sent that reads none.
func TestRowsWithoutColumns(t *testing.T) {
	schema := arrow.NewSchema(nil, nil)
	for _, n := range []int64{0, 64, 65, 8192, 1 << 30} {
		rec, err := Unmarshal(schema, bytes.Join(Marshal(array.NewRecord(schema, nil, n), nil), nil))
		if err != nil || rec.NumRows() != n {
			t.Errorf("%d rows: %v, %v", n, rec, err)
		}
	}
}
