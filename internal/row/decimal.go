package row

import (
	"reflect"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/decimal"
)

// decimalTag is the type that a tag `decimal:"18,2"` gives the decimals of a field: its own value, or those in its lists and maps. It is nil without one.
func (k *compiler) decimalTag(path string, tag reflect.StructTag) *arrow.Decimal128Type {
	text, ok := tag.Lookup("decimal")
	if !ok {
		return nil
	}
	dt, ok := parseDecimal(text)
	if !ok {
		k.fail(path, "decimal:%q: write how many digits there are, 1 to 38, and how many of them behind the point, as in `decimal:\"18,2\"`", text)
	}
	return dt
}

// parseDecimal reads "18,2".
func parseDecimal(text string) (*arrow.Decimal128Type, bool) {
	f, ok := decimal.ParseForm(text)
	return &arrow.Decimal128Type{Precision: int32(f.Digits), Scale: int32(f.Scale)}, ok
}

// decimalIn is the type of the decimals of a column that is one, or has them in its lists and maps; nil if there are none.
func decimalIn(dt arrow.DataType) *arrow.Decimal128Type {
	switch dt := dt.(type) {
	case *arrow.Decimal128Type:
		return dt
	case *arrow.ListType:
		return decimalIn(dt.Elem())
	case *arrow.MapType:
		return decimalIn(dt.ItemType())
	}
	return nil
}
