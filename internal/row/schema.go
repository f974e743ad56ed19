package row

import (
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
)

// FieldsText is Codec.Text of fields.
func FieldsText(fields []arrow.Field) string {
	parts := make([]string, len(fields))
	for i, f := range fields {
		parts[i] = f.Name + ": " + fieldText(f)
	}
	return strings.Join(parts, ", ")
}

// fieldText is a field's type, with ? if it is nullable.
func fieldText(f arrow.Field) string {
	s := f.Type.Name()
	switch t := f.Type.(type) {
	case *arrow.TimestampType:
		s = "timestamp[us]"
	case *arrow.Decimal128Type:
		s = fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case *arrow.ListType:
		s = "list<" + fieldText(t.ElemField()) + ">"
	case *arrow.MapType:
		s = "map<" + fieldText(t.ItemField()) + ">"
	case *arrow.StructType:
		s = "struct<" + FieldsText(t.Fields()) + ">"
	}
	if f.Nullable {
		s += "?"
	}
	return s
}

// Pair is the schema of a keyed row in a block: key columns first, named "key" for a scalar key and "key.NAME" for a
// struct, then the value's columns under their own names. key may be nil: then it is the value's schema.
func Pair(key, val *Codec) *arrow.Schema {
	if key == nil {
		return val.schema
	}
	return arrow.NewSchema(append(keyFields(key), val.schema.Fields()...), nil)
}

// keyFields are the key's columns under the names that they have in a Pair.
func keyFields(key *Codec) []arrow.Field {
	fields := append([]arrow.Field(nil), key.schema.Fields()...)
	for i := range fields {
		if key.scalar {
			fields[i].Name = "key"
		} else {
			fields[i].Name = "key." + fields[i].Name
		}
	}
	return fields
}
