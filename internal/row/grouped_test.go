package row

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
)

// Keys of columns that begin with a key group belong to it, as AppendKeys and KeyHash have it: state finds them after a restart into another layout.
func TestGroupedSchemaKeys(t *testing.T) {
	c, err := OfGroupedSchema(arrow.NewSchema([]arrow.Field{{Name: "part", Type: arrow.PrimitiveTypes.Uint8}, {Name: "name", Type: arrow.BinaryTypes.String}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	part, name := col.New(arrow.PrimitiveTypes.Uint8, 3), col.New(arrow.BinaryTypes.String, 3)
	part.Uints = []uint64{0, 77, 127}
	name.Texts = []string{"a", "b", "c"}
	k := &Keys{}
	c.AppendVecKeys([]*col.Vec{part, name}, nil, k)
	for i, h := range k.Hash {
		if Group(h) != int(part.Uints[i]) || h != c.KeyHash(k.Key(i)) {
			t.Errorf("key %d is of group %d, want %d; hash %x, want %x", i, Group(h), part.Uints[i], h, c.KeyHash(k.Key(i)))
		}
	}
	if _, err := OfGroupedSchema(arrow.NewSchema([]arrow.Field{{Name: "part", Type: arrow.BinaryTypes.String}}, nil)); err == nil {
		t.Error("a text is no key group")
	}
}
