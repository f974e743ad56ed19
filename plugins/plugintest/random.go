package plugintest

import (
	"math"
	"math/rand/v2"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

var (
	int64s = arrow.PrimitiveTypes.Int64
	utf8   = arrow.BinaryTypes.String
	bools  = arrow.FixedWidthTypes.Boolean
	floats = arrow.PrimitiveTypes.Float64
	alloc  = memory.DefaultAllocator
)

// everyType has a column of each type that rows may have, null and not, behind the columns that the operators read.
func everyType() *arrow.Schema {
	point := arrow.StructOf(arrow.Field{Name: "x", Type: floats}, arrow.Field{Name: "label", Type: utf8, Nullable: true})
	types := []arrow.DataType{
		bools, arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, int64s,
		arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64,
		arrow.PrimitiveTypes.Float32, floats, &arrow.Decimal128Type{Precision: 30, Scale: 4}, utf8, arrow.BinaryTypes.Binary,
		&arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, point,
	}
	fields := []arrow.Field{{Name: "n", Type: int64s}, {Name: "text", Type: utf8}}
	for _, t := range types {
		name := strings.ReplaceAll(t.Name(), "float", "f")
		fields = append(fields, arrow.Field{Name: name, Type: t}, arrow.Field{Name: name + "_or_null", Type: t, Nullable: true})
	}
	return arrow.NewSchema(append(fields,
		arrow.Field{Name: "ints", Type: arrow.ListOfField(arrow.Field{Name: "item", Type: int64s})},
		arrow.Field{Name: "texts", Type: arrow.ListOfField(arrow.Field{Name: "item", Type: utf8, Nullable: true})},
		arrow.Field{Name: "points", Type: arrow.ListOfField(arrow.Field{Name: "item", Type: point})},
	), nil)
}

// schemaOf is some columns that are not nullable.
func schemaOf(fields ...arrow.Field) *arrow.Schema { return arrow.NewSchema(fields, nil) }

func field(name string, t arrow.DataType) arrow.Field { return arrow.Field{Name: name, Type: t} }

func orNull(f arrow.Field) arrow.Field {
	f.Nullable = true
	return f
}

// random is n rows of a schema. Half the time they are a slice of more.
func random(r *rand.Rand, s *arrow.Schema, n int) arrow.Record {
	skip, more := 0, 0
	if r.IntN(2) == 0 {
		skip, more = r.IntN(20), r.IntN(20)
	}
	cols := make([]arrow.Array, s.NumFields())
	for i, f := range s.Fields() {
		b := array.NewBuilder(memory.DefaultAllocator, f.Type)
		for range skip + n + more {
			appendRandom(r, b, f)
		}
		cols[i] = b.NewArray()
		b.Release()
	}
	return array.NewRecord(s, cols, int64(skip+n+more)).NewSlice(int64(skip), int64(skip+n))
}

// appendRandom adds a value. Small ones are as frequent as large ones.
func appendRandom(r *rand.Rand, b array.Builder, f arrow.Field) {
	if f.Nullable && r.IntN(4) == 0 {
		if s, ok := b.(*array.StructBuilder); ok { // columns within it may not be null
			s.AppendValues([]bool{false})
			for i := range s.NumField() {
				s.FieldBuilder(i).AppendEmptyValue()
			}
			return
		}
		b.AppendNull()
		return
	}
	whole := int64(r.IntN(9)) - 3
	switch r.IntN(6) {
	case 0, 1:
		whole = int64(r.Uint64())
	case 2: // the ends, and around
		whole += math.MaxInt64
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(whole&1 == 0)
	case *array.Int8Builder:
		b.Append(int8(whole))
	case *array.Int16Builder:
		b.Append(int16(whole))
	case *array.Int32Builder:
		b.Append(int32(whole))
	case *array.Int64Builder:
		b.Append(whole)
	case *array.Uint8Builder:
		b.Append(uint8(whole))
	case *array.Uint16Builder:
		b.Append(uint16(whole))
	case *array.Uint32Builder:
		b.Append(uint32(whole))
	case *array.Uint64Builder:
		b.Append(uint64(whole))
	case *array.Float32Builder:
		b.Append(float32(randomFloat(r)))
	case *array.Float64Builder:
		b.Append(randomFloat(r))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(whole >> 10))
	case *array.Decimal128Builder:
		b.Append(decimal128.FromI64(whole))
	case *array.StringBuilder:
		b.Append(randomText(r))
	case *array.BinaryBuilder:
		b.Append([]byte(randomText(r) + "\x00\xff")[r.IntN(2):])
	case *array.ListBuilder:
		b.Append(true)
		for range r.IntN(4) {
			appendRandom(r, b.ValueBuilder(), f.Type.(*arrow.ListType).ElemField())
		}
	case *array.StructBuilder:
		b.Append(true)
		for i, kid := range f.Type.(*arrow.StructType).Fields() {
			appendRandom(r, b.FieldBuilder(i), kid)
		}
	default:
		panic("no random " + f.Type.Name())
	}
}

func randomFloat(r *rand.Rand) float64 {
	switch r.IntN(12) {
	case 0:
		return math.Inf(1)
	case 1:
		return math.Copysign(0, -1)
	case 2:
		return math.NaN()
	}
	return float64(r.IntN(1000)-500) / 8
}

// randomText is UTF-8, with spaces at all places, often empty, seldom long.
func randomText(r *rand.Rand) string {
	n := r.IntN(6)
	if r.IntN(50) == 0 {
		n = r.IntN(200)
	}
	var b strings.Builder
	for range n {
		b.WriteString([]string{" ", "a", "bc", "ü", "€", "𝄞", "word", "\n"}[r.IntN(8)])
	}
	return b.String()
}
