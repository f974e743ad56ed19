package expr

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/decimal"
)

// Dec is a decimal as a field of a struct.
type Dec = decimal.Dec

// ParseDec is the decimal that a text is at a scale, rounded half away from zero; false if it is none, or has more than 38 digits.
func ParseDec(s string, scale int) (Dec, bool) { return decimal.ParseDec(s, scale) }

// Type is a type of values, for Cast.
type Type struct{ t arrow.DataType }

// The types of plain values.
var (
	Bool      = Type{boolType}
	Int8      = Type{arrow.PrimitiveTypes.Int8}
	Int16     = Type{arrow.PrimitiveTypes.Int16}
	Int32     = Type{arrow.PrimitiveTypes.Int32}
	Int64     = Type{int64Type}
	Uint8     = Type{arrow.PrimitiveTypes.Uint8}
	Uint16    = Type{arrow.PrimitiveTypes.Uint16}
	Uint32    = Type{arrow.PrimitiveTypes.Uint32}
	Uint64    = Type{uint64Type}
	Float32   = Type{arrow.PrimitiveTypes.Float32}
	Float64   = Type{floatType}
	String    = Type{textType}
	Bytes     = Type{bytesType}
	Timestamp = Type{timeType}
)

// Decimal is the type of numbers of so many digits, 1 to 38, of which scale stand behind the point.
func Decimal(precision, scale int) Type {
	assert.True(precision >= 1 && precision <= decimal.MaxDigits && scale >= 0 && scale <= precision, "decimal(%d,%d): write 1 to 38 digits, and no more of them behind the point", precision, scale)
	return Type{decimalType(precision, scale)}
}

func (t Type) String() string {
	if t.t == nil {
		return "no type"
	}
	return words(t.t)
}
