package expr

import (
	"github.com/millrace/millrace/internal/col"
)

// copyTo makes out, of v's kind and length, v.
func copyTo(out, v *col.Vec) {
	all := func(n int) []bool { return make([]bool, n) }
	switch v.Kind {
	case col.Bool:
		copy(out.Bools, v.Bools[:v.N])
	case col.Int:
		copy(out.Ints, v.Ints[:v.N])
	case col.Uint:
		copy(out.Uints, v.Uints[:v.N])
	case col.Float:
		copy(out.Floats, v.Floats[:v.N])
	case col.Text:
		copy(out.Texts, v.Texts[:v.N])
	case col.Decimal:
		copy(out.Decimals, v.Decimals[:v.N])
	}
	if out.Null = nil; v.Null != nil {
		out.Null = all(v.N)
		copy(out.Null, v.Null)
	}
}

// where sets the values of out that are chosen to those of v.
func where(out, v *col.Vec, chosen []bool) {
	switch v.Kind {
	case col.Bool:
		blend(out.Bools, v.Bools, chosen)
	case col.Int:
		blend(out.Ints, v.Ints, chosen)
	case col.Uint:
		blend(out.Uints, v.Uints, chosen)
	case col.Float:
		blend(out.Floats, v.Floats, chosen)
	case col.Text:
		blend(out.Texts, v.Texts, chosen)
	case col.Decimal:
		blend(out.Decimals, v.Decimals, chosen)
	}
	switch {
	case v.Null != nil:
		if out.Null == nil {
			out.Null = make([]bool, out.N)
		}
		blend(out.Null, v.Null, chosen)
	case out.Null != nil:
		for i, c := range chosen {
			out.Null[i] = out.Null[i] && !c
		}
	}
}

func blend[T any](out, v []T, chosen []bool) {
	out, v = out[:len(chosen)], v[:len(chosen)]
	for i, c := range chosen {
		if c {
			out[i] = v[i]
		}
	}
}
