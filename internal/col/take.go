package col

import "unsafe"

// TakeInto makes out, a column of v's type, values idx of v. It keeps out's memory where it can. v is not nested.
func (v *Vec) TakeInto(out *Vec, idx []int32) {
	out.Resize(len(idx))
	switch v.Kind {
	case Bool:
		gather(out.Bools, v.Bools, idx)
	case Int:
		gather(out.Ints, v.Ints, idx)
	case Uint:
		gather(out.Uints, v.Uints, idx)
	case Float:
		gather(out.Floats, v.Floats, idx)
	case Text:
		gather(out.Texts, v.Texts, idx)
	case Decimal:
		gather(out.Decimals, v.Decimals, idx)
	}
	if v.Null != nil {
		out.Null = take(v.Null, idx)
	}
}

// Copy are values idx (nil: all) of v, in that order, as a new column that shares no memory with v: texts are copied too. v is not nested.
func (v *Vec) Copy(idx []int32) *Vec {
	out := &Vec{Type: v.Type, Kind: v.Kind}
	if idx == nil {
		v.clone(out)
	} else {
		v.TakeInto(out, idx)
	}
	if v.Kind == Text {
		size := 0
		for _, t := range out.Texts {
			size += len(t)
		}
		all := make([]byte, 0, size)
		for i, t := range out.Texts {
			if len(t) > 0 {
				at := len(all)
				all = append(all, t...)
				out.Texts[i] = unsafe.String(&all[at], len(t))
			}
		}
	}
	return out
}

// clone makes out v.
func (v *Vec) clone(out *Vec) {
	out.Resize(v.N)
	copy(out.Bools, v.Bools)
	copy(out.Ints, v.Ints)
	copy(out.Uints, v.Uints)
	copy(out.Floats, v.Floats)
	copy(out.Texts, v.Texts)
	copy(out.Decimals, v.Decimals)
	if v.Null != nil {
		out.Null = append([]bool(nil), v.Null[:v.N]...)
	}
}

// Spoil overwrites a column of Copy, its texts too, for tests: who reads on reads this.
func (v *Vec) Spoil() {
	if v == nil || v.Kind == Nested {
		return
	}
	const junk = 0xDB
	for i := range v.Bools {
		v.Bools[i] = !v.Bools[i]
	}
	for i := range v.Ints {
		v.Ints[i] = junk<<8 | junk
	}
	for i := range v.Uints {
		v.Uints[i] = junk<<8 | junk
	}
	for i := range v.Floats {
		v.Floats[i] = junk
	}
	for i, t := range v.Texts {
		for k := range unsafe.Slice(unsafe.StringData(t), len(t)) {
			*(*byte)(unsafe.Add(unsafe.Pointer(unsafe.StringData(t)), k)) = junk
		}
		v.Texts[i] = "spoiled"
	}
	clear(v.Decimals)
	for i := range v.Null {
		v.Null[i] = !v.Null[i]
	}
}

// Put sets values idx of v to those of from, in order. Both have one kind, and are not nested.
func (v *Vec) Put(idx []int32, from *Vec) {
	switch v.Kind {
	case Bool:
		scatter(v.Bools, from.Bools, idx)
	case Int:
		scatter(v.Ints, from.Ints, idx)
	case Uint:
		scatter(v.Uints, from.Uints, idx)
	case Float:
		scatter(v.Floats, from.Floats, idx)
	case Text:
		scatter(v.Texts, from.Texts, idx)
	case Decimal:
		scatter(v.Decimals, from.Decimals, idx)
	}
	if from.Null == nil && v.Null == nil {
		return
	}
	if v.Null == nil {
		v.Null = make([]bool, v.N)
	}
	for j, i := range idx {
		v.Null[i] = from.Null != nil && from.Null[j]
	}
}

// ZeroNulls makes what lies under nulls zero, in place.
func (v *Vec) ZeroNulls() {
	if v.Null == nil {
		return
	}
	switch v.Kind {
	case Bool:
		clearUnder(v.Bools, v.Null)
	case Int:
		clearUnder(v.Ints, v.Null)
	case Uint:
		clearUnder(v.Uints, v.Null)
	case Float:
		clearUnder(v.Floats, v.Null)
	case Text:
		clearUnder(v.Texts, v.Null)
	case Decimal:
		clearUnder(v.Decimals, v.Null)
	}
}

// Clear makes all values zero, in place.
func (v *Vec) Clear() {
	clear(v.Bools)
	clear(v.Ints)
	clear(v.Uints)
	clear(v.Floats)
	clear(v.Texts)
	clear(v.Decimals)
}

func gather[T any](out, in []T, idx []int32) {
	out = out[:len(idx)]
	for i, j := range idx {
		out[i] = in[j]
	}
}

func scatter[T any](out, in []T, idx []int32) {
	in = in[:len(idx)]
	for i, j := range idx {
		out[j] = in[i]
	}
}

func clearUnder[T any](values []T, null []bool) {
	var zero T
	values = values[:len(null)]
	for i, n := range null {
		if n {
			values[i] = zero
		}
	}
}

// Joined is v with more, of the same kind, behind it, in v's memory where it has room. v is not used again. Nested columns cannot be joined.
func (v *Vec) Joined(more *Vec) *Vec {
	out := &Vec{Type: v.Type, Kind: v.Kind, N: v.N + more.N}
	if v.Null != nil || more.Null != nil {
		out.Null = append(nulls(v), nulls(more)...)
	}
	switch v.Kind {
	case Bool:
		out.Bools = append(v.Bools[:v.N], more.Bools[:more.N]...)
	case Int:
		out.Ints = append(v.Ints[:v.N], more.Ints[:more.N]...)
	case Uint:
		out.Uints = append(v.Uints[:v.N], more.Uints[:more.N]...)
	case Float:
		out.Floats = append(v.Floats[:v.N], more.Floats[:more.N]...)
	case Text:
		out.Texts = append(v.Texts[:v.N], more.Texts[:more.N]...)
	case Decimal:
		out.Decimals = append(v.Decimals[:v.N], more.Decimals[:more.N]...)
	}
	return out
}

// nulls are v's flags for nulls, made if there are none.
func nulls(v *Vec) []bool {
	if v.Null == nil {
		return make([]bool, v.N)
	}
	return v.Null[:v.N]
}
