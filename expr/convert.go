package expr

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/decimal"
)

// conversion sets out's values to those of in. It calls bad for values that out's type does not have, nulls (which are zero in out afterwards) perhaps among them.
type conversion func(f *frame, out, in *col.Vec, bad func(i int))

// converter is the conversion between two types; nil if there is none.
func converter(from, to arrow.DataType) conversion {
	src, ok1 := col.KindOf(from)
	dst, ok2 := col.KindOf(to)
	fromTime, toTime := from.ID() == arrow.TIMESTAMP, to.ID() == arrow.TIMESTAMP
	switch {
	case !ok1 || !ok2 || src == col.Nested || dst == col.Nested:
		return nil
	case src == col.Text && from.ID() == arrow.STRING:
		return fromText(to)
	case to.ID() == arrow.STRING:
		return toText(from)
	case fromTime || toTime:
		if fromTime && toTime {
			return func(_ *frame, out, in *col.Vec, _ func(int)) { copy(out.Ints[:in.N], in.Ints) }
		}
		return nil
	case src == col.Text || dst == col.Text:
		if src == dst {
			return func(_ *frame, out, in *col.Vec, _ func(int)) { copy(out.Texts[:in.N], in.Texts) }
		}
		return nil
	}
	switch dst {
	case col.Bool:
		return toBool(src)
	case col.Int:
		return toInt(from, src, bitsOf(to))
	case col.Uint:
		return toUint(from, src, bitsOf(to))
	case col.Float:
		return toFloat(from, src, bitsOf(to) == 32)
	}
	return toDecimal(from, src, to.(*arrow.Decimal128Type))
}

func bitsOf(t arrow.DataType) int { return t.(arrow.FixedWidthDataType).BitWidth() }

func toBool(src col.Kind) conversion {
	switch src {
	case col.Bool:
		return func(_ *frame, out, in *col.Vec, _ func(int)) { copy(out.Bools[:in.N], in.Bools) }
	case col.Int:
		return func(_ *frame, out, in *col.Vec, _ func(int)) { notZero(out.Bools[:in.N], in.Ints) }
	case col.Uint:
		return func(_ *frame, out, in *col.Vec, _ func(int)) { notZero(out.Bools[:in.N], in.Uints) }
	}
	return nil
}

func notZero[T int64 | uint64](out []bool, in []T) {
	for i := range out {
		out[i] = in[i] != 0
	}
}

func ones[T int64 | uint64 | float64](out []T, in []bool) {
	for i := range out {
		out[i] = 0
		if in[i] {
			out[i] = 1
		}
	}
}

func toInt(from arrow.DataType, src col.Kind, bits int) conversion {
	lo, hi := int64(math.MinInt64)>>(64-bits), int64(math.MaxInt64)>>(64-bits)
	switch src {
	case col.Bool:
		return func(_ *frame, out, in *col.Vec, _ func(int)) { ones(out.Ints[:in.N], in.Bools) }
	case col.Int:
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			for i, x := range in.Ints[:in.N] {
				if out.Ints[i] = x; x < lo || x > hi {
					bad(i)
				}
			}
		}
	case col.Uint:
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			for i, x := range in.Uints[:in.N] {
				if out.Ints[i] = int64(x); x > uint64(hi) {
					bad(i)
				}
			}
		}
	case col.Float:
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			low, high := float64(lo), -float64(lo)
			for i, x := range in.Floats[:in.N] {
				if x = math.Trunc(x); x >= low && x < high {
					out.Ints[i] = int64(x)
				} else {
					bad(i)
				}
			}
		}
	}
	scale := scaleOf(from)
	return func(_ *frame, out, in *col.Vec, bad func(int)) {
		for i, x := range in.Decimals[:in.N] {
			n := decimal.Truncate(x, scale)
			x := int64(n.LowBits())
			if out.Ints[i] = x; decimal128.FromI64(x) != n || x < lo || x > hi {
				bad(i)
			}
		}
	}
}

func toUint(from arrow.DataType, src col.Kind, bits int) conversion {
	hi := uint64(math.MaxUint64) >> (64 - bits)
	switch src {
	case col.Bool:
		return func(_ *frame, out, in *col.Vec, _ func(int)) { ones(out.Uints[:in.N], in.Bools) }
	case col.Int:
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			for i, x := range in.Ints[:in.N] {
				if out.Uints[i] = uint64(x); x < 0 || uint64(x) > hi {
					bad(i)
				}
			}
		}
	case col.Uint:
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			for i, x := range in.Uints[:in.N] {
				if out.Uints[i] = x; x > hi {
					bad(i)
				}
			}
		}
	case col.Float:
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			high := math.Ldexp(1, bits)
			for i, x := range in.Floats[:in.N] {
				if x = math.Trunc(x); x >= 0 && x < high {
					out.Uints[i] = uint64(x)
				} else {
					bad(i)
				}
			}
		}
	}
	scale := scaleOf(from)
	return func(_ *frame, out, in *col.Vec, bad func(int)) {
		for i, x := range in.Decimals[:in.N] {
			n := decimal.Truncate(x, scale)
			if out.Uints[i] = n.LowBits(); n.HighBits() != 0 || n.LowBits() > hi {
				bad(i)
			}
		}
	}
}

func toFloat(from arrow.DataType, src col.Kind, narrow bool) conversion {
	var wide conversion
	switch src {
	case col.Bool:
		wide = func(_ *frame, out, in *col.Vec, _ func(int)) { ones(out.Floats[:in.N], in.Bools) }
	case col.Int:
		wide = func(_ *frame, out, in *col.Vec, _ func(int)) {
			for i, x := range in.Ints[:in.N] {
				out.Floats[i] = float64(x)
			}
		}
	case col.Uint:
		wide = func(_ *frame, out, in *col.Vec, _ func(int)) {
			for i, x := range in.Uints[:in.N] {
				out.Floats[i] = float64(x)
			}
		}
	case col.Float:
		wide = func(_ *frame, out, in *col.Vec, _ func(int)) { copy(out.Floats[:in.N], in.Floats) }
	default:
		scale := scaleOf(from)
		wide = func(_ *frame, out, in *col.Vec, _ func(int)) {
			for i, x := range in.Decimals[:in.N] {
				out.Floats[i] = decimal.Float(x, scale)
			}
		}
	}
	if !narrow {
		return wide
	}
	return func(f *frame, out, in *col.Vec, bad func(int)) {
		wide(f, out, in, bad)
		for i, x := range out.Floats[:in.N] {
			out.Floats[i] = float64(float32(x))
		}
	}
}

func toDecimal(from arrow.DataType, src col.Kind, to *arrow.Decimal128Type) conversion {
	scale, digits := int(to.Scale), int(to.Precision)
	switch src {
	case col.Int:
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			for i, x := range in.Ints[:in.N] {
				n, ok := decimal.Rescale(decimal128.FromI64(x), 0, scale)
				if out.Decimals[i] = n; !ok || !decimal.Fits(n, digits) {
					bad(i)
				}
			}
		}
	case col.Uint:
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			for i, x := range in.Uints[:in.N] {
				n, ok := decimal.Rescale(decimal128.FromU64(x), 0, scale)
				if out.Decimals[i] = n; !ok || !decimal.Fits(n, digits) {
					bad(i)
				}
			}
		}
	case col.Float:
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			for i, x := range in.Floats[:in.N] {
				n, ok := decimal.FromFloat(x, scale)
				if out.Decimals[i] = n; !ok || !decimal.Fits(n, digits) {
					bad(i)
				}
			}
		}
	case col.Decimal:
		have := scaleOf(from)
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			for i, x := range in.Decimals[:in.N] {
				n, ok := decimal.Rescale(x, have, scale)
				if out.Decimals[i] = n; !ok || !decimal.Fits(n, digits) {
					bad(i)
				}
			}
		}
	}
	return nil
}

// fromText reads texts as Go writes values, timestamps as RFC 3339 or with a blank for the T, in UTC without an offset.
func fromText(to arrow.DataType) conversion {
	switch kind, _ := col.KindOf(to); {
	case kind == col.Text:
		return func(_ *frame, out, in *col.Vec, _ func(int)) { copy(out.Texts[:in.N], in.Texts) }
	case kind == col.Bool:
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			parseAll(out.Bools[:in.N], in.Texts, strconv.ParseBool, bad)
		}
	case to.ID() == arrow.TIMESTAMP:
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			for i, s := range in.Texts[:in.N] {
				us, ok := parseTime(s)
				if out.Ints[i] = us; !ok {
					bad(i)
				}
			}
		}
	case kind == col.Int:
		bits := bitsOf(to)
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			parseAll(out.Ints[:in.N], in.Texts, func(s string) (int64, error) { return strconv.ParseInt(s, 10, bits) }, bad)
		}
	case kind == col.Uint:
		bits := bitsOf(to)
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			parseAll(out.Uints[:in.N], in.Texts, func(s string) (uint64, error) { return strconv.ParseUint(s, 10, bits) }, bad)
		}
	case kind == col.Float:
		bits := bitsOf(to)
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			parseAll(out.Floats[:in.N], in.Texts, func(s string) (float64, error) { return strconv.ParseFloat(s, bits) }, bad)
		}
	}
	t := to.(*arrow.Decimal128Type)
	return func(_ *frame, out, in *col.Vec, bad func(int)) {
		for i, s := range in.Texts[:in.N] {
			n, ok := decimal.Parse(s, int(t.Scale))
			if out.Decimals[i] = n; !ok || !decimal.Fits(n, int(t.Precision)) {
				bad(i)
			}
		}
	}
}

// parseAll reads texts. The call is small beside the reading of a number.
func parseAll[T any](out []T, in []string, parse func(string) (T, error), bad func(int)) {
	for i := range out {
		v, err := parse(in[i])
		if out[i] = v; err != nil {
			bad(i)
		}
	}
}

// textForm is how a timestamp reads as text.
const textForm = "2006-01-02T15:04:05.999999Z"

func toText(from arrow.DataType) conversion {
	kind, _ := col.KindOf(from)
	if kind == col.Text {
		return func(_ *frame, out, in *col.Vec, bad func(int)) {
			for i, s := range in.Texts[:in.N] {
				if out.Texts[i] = s; !utf8.ValidString(s) {
					bad(i)
				}
			}
		}
	}
	if kind == col.Bool {
		return func(_ *frame, out, in *col.Vec, _ func(int)) {
			for i, x := range in.Bools[:in.N] {
				out.Texts[i] = strconv.FormatBool(x)
			}
		}
	}
	write := writer(from, kind)
	return func(_ *frame, out, in *col.Vec, _ func(int)) {
		a := arena{rows: in.N}
		for i := range in.N {
			start := a.room(64)
			a.buf = write(a.buf, in, i)
			out.Texts[i] = a.text(start)
		}
	}
}

// writer appends a value of a type as text. The call is small beside the formatting of a number.
func writer(t arrow.DataType, kind col.Kind) func(b []byte, v *col.Vec, i int) []byte {
	switch {
	case t.ID() == arrow.TIMESTAMP:
		return func(b []byte, v *col.Vec, i int) []byte {
			return time.UnixMicro(v.Ints[i]).UTC().AppendFormat(b, textForm)
		}
	case kind == col.Int:
		return func(b []byte, v *col.Vec, i int) []byte { return strconv.AppendInt(b, v.Ints[i], 10) }
	case kind == col.Uint:
		return func(b []byte, v *col.Vec, i int) []byte { return strconv.AppendUint(b, v.Uints[i], 10) }
	case kind == col.Float:
		bits := bitsOf(t)
		return func(b []byte, v *col.Vec, i int) []byte { return strconv.AppendFloat(b, v.Floats[i], 'g', -1, bits) }
	}
	scale := scaleOf(t)
	return func(b []byte, v *col.Vec, i int) []byte { return decimal.Append(b, v.Decimals[i], scale) }
}
