package join

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
)

// A struct that a row without partner does not have is null, and its fields are not: they may be of a type without nulls, and must pass as columns.
func TestStructWithoutPartner(t *testing.T) {
	type inner struct {
		Site string
		No   int16
	}
	type outer struct{ Page *inner }
	codec, err := row.For[outer]()
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]*col.Vec{
		"some": codec.Batch([]outer{{&inner{"a", 1}}, {&inner{"b", 2}}}, nil, nil).Cols[0],
		"none": codec.Batch([]outer{}, nil, nil).Cols[0],
	} {
		idx := []int32{-1, 1, -1}
		if name == "none" {
			idx = []int32{-1, -1}
		}
		got := take(v, idx, true)

		rows, err := codec.Rows([]arrow.Array{got.Array}, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i, r := range rows.([]outer) {
			if (r.Page != nil) != (idx[i] >= 0) || r.Page != nil && *r.Page != (inner{"b", 2}) {
				t.Errorf("%s: row %d is %v", name, i, r.Page)
			}
		}
	}
}
