package parquetfile

import (
	"fmt"
	"math"
	"math/big"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
)

// into appends the values to a builder of the type that is wanted.
func (v *values) into(b array.Builder) error {
	switch b := b.(type) {
	case *array.BooleanBuilder:
		return put(v, b, boolean, v.bools, b.Append, nil)
	case *array.Int8Builder:
		return put(v, b, integer, v.ints, func(n int64) { b.Append(int8(n)) }, v.within(math.MinInt8, math.MaxInt8))
	case *array.Int16Builder:
		return put(v, b, integer, v.ints, func(n int64) { b.Append(int16(n)) }, v.within(math.MinInt16, math.MaxInt16))
	case *array.Int32Builder:
		return put(v, b, integer, v.ints, func(n int64) { b.Append(int32(n)) }, v.within(math.MinInt32, math.MaxInt32))
	case *array.Int64Builder:
		return put(v, b, integer, v.ints, b.Append, v.within(math.MinInt64, math.MaxInt64))
	case *array.DurationBuilder:
		return put(v, b, integer, v.ints, func(n int64) { b.Append(arrow.Duration(n)) }, v.within(math.MinInt64, math.MaxInt64))
	case *array.Uint8Builder:
		return put(v, b, integer, v.ints, func(n int64) { b.Append(uint8(n)) }, v.within(0, math.MaxUint8))
	case *array.Uint16Builder:
		return put(v, b, integer, v.ints, func(n int64) { b.Append(uint16(n)) }, v.within(0, math.MaxUint16))
	case *array.Uint32Builder:
		return put(v, b, integer, v.ints, func(n int64) { b.Append(uint32(n)) }, v.within(0, math.MaxUint32))
	case *array.Uint64Builder:
		return put(v, b, integer, v.ints, func(n int64) { b.Append(uint64(n)) }, func(n int64) bool { return v.unsigned || n >= 0 })
	case *array.Float32Builder:
		if v.double {
			return v.unfit(b)
		}
		return put(v, b, float, v.floats, func(n float64) { b.Append(float32(n)) }, nil)
	case *array.Float64Builder:
		return put(v, b, float, v.floats, b.Append, nil)
	case *array.StringBuilder:
		return put(v, b, text, v.texts, b.Append, utf8.ValidString)
	case *array.BinaryBuilder:
		return put(v, b, text, v.texts, func(s string) { b.Append([]byte(s)) }, nil)
	case *array.FixedSizeBinaryBuilder:
		width := b.Type().(*arrow.FixedSizeBinaryType).ByteWidth
		return put(v, b, text, v.texts, func(s string) { b.Append([]byte(s)) }, func(s string) bool { return len(s) == width })
	case *array.TimestampBuilder:
		return put(v, b, instant, v.ints, func(n int64) { b.Append(arrow.Timestamp(n)) }, nil)
	case *array.Decimal128Builder:
		return v.intoDecimals(b)
	}
	return v.unfit(b)
}

// put appends values of one kind; fits says which may be there, nil for all.
func put[T any](v *values, b array.Builder, k kind, all []T, add func(T), fits func(T) bool) error {
	if v.kind != k {
		return v.unfit(b)
	}
	b.Reserve(len(all))
	for i, one := range all {
		switch {
		case v.null[i]:
			b.AppendNull()
		case fits != nil && !fits(one):
			return fmt.Errorf("row %d: the %s %s is no %s", i+1, v.text, v.shown(i), b.Type())
		default:
			add(one)
		}
	}
	return nil
}

// within tells which integers are in a range; the greatest of unsigned ones are negative here.
func (v *values) within(lo, hi int64) func(int64) bool {
	return func(n int64) bool { return n >= lo && n <= hi && (!v.unsigned || n >= 0) }
}

// shown is the value of a row, for errors.
func (v *values) shown(i int) string {
	switch {
	case v.kind == text:
		return fmt.Sprintf("%.40q", v.texts[i])
	case v.unsigned:
		return fmt.Sprint(uint64(v.ints[i]))
	}
	return fmt.Sprint(v.ints[i])
}

func (v *values) unfit(b array.Builder) error {
	return fmt.Errorf("it is %s in the file, and %s is wanted", v.text, b.Type())
}

// intoDecimals appends decimals of the same scale.
func (v *values) intoDecimals(b *array.Decimal128Builder) error {
	t := b.Type().(*arrow.Decimal128Type)
	if v.kind != dec || v.scale != t.Scale {
		return v.unfit(b)
	}
	for i, n := range v.null {
		d, ok := decimal128.Num{}, true
		switch {
		case n:
			b.AppendNull()
			continue
		case v.ints != nil:
			d = decimal128.FromI64(v.ints[i])
		default:
			d, ok = bigEndian(v.texts[i])
		}
		if !ok || !d.FitsInPrecision(t.Precision) {
			return fmt.Errorf("row %d: the %s has more digits than %s", i+1, v.text, t)
		}
		b.Append(d)
	}
	return nil
}

// bigEndian is a number in two's complement, its first byte first. ok is false if it is longer than 16 bytes.
func bigEndian(s string) (d decimal128.Num, ok bool) {
	if len(s) > 16 {
		return d, false
	}
	n := new(big.Int).SetBytes([]byte(s))
	if len(s) > 0 && s[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(s))))
	}
	return decimal128.FromBigInt(n), true
}
