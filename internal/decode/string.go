package decode

import (
	"reflect"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// text reads the string at i: its characters, with escapes resolved, and the index behind the closing quote. The characters lie in s
// or in d.scratch, which the next string with escapes overwrites.
func (d *JSONDecoder) text(s text, i int) ([]byte, int) {
	if s.at(i) != '"' {
		return nil, d.fail(i, "want a string, found "+found(s, i))
	}
	i++
	j := s.plain(i)
	if j < s.n && s.byte(j) >= utf8.RuneSelf {
		j = s.special(j)
	}
	switch {
	case j >= s.n:
		return nil, d.fail(s.n, "string without an end")
	case s.byte(j) == '\\':
		return d.escaped(s, i, j)
	case s.byte(j) != '"':
		return nil, d.fail(j, "control character within a string")
	case !utf8.Valid(s.slice(i, j)):
		return nil, d.fail(i, "invalid UTF-8")
	}
	return s.slice(i, j), j + 1
}

// escaped reads on in a string that begins at i and has its first backslash at j.
func (d *JSONDecoder) escaped(s text, i, j int) ([]byte, int) {
	out := d.scratch[:0]
	for start := i; ; {
		out = append(out, s.slice(i, j)...)
		switch {
		case j >= s.n:
			return nil, d.fail(s.n, "string without an end")
		case s.byte(j) == '"':
			d.scratch = out
			if !utf8.Valid(out) {
				return nil, d.fail(start, "invalid UTF-8")
			}
			return out, j + 1
		case s.byte(j) != '\\':
			return nil, d.fail(j, "control character within a string")
		}
		var r rune
		if r, i = escape(s, j); i < 0 {
			return nil, d.fail(j, "invalid escape")
		}
		out = utf8.AppendRune(out, r)
		j = min(s.special(i), s.n)
	}
}

// escape is the character that the escape at i stands for and the index behind it, -1 where it is none.
func escape(s text, i int) (rune, int) {
	switch c := s.at(i + 1); c {
	case '"', '\\', '/':
		return rune(c), i + 2
	case 'b':
		return '\b', i + 2
	case 'f':
		return '\f', i + 2
	case 'n':
		return '\n', i + 2
	case 'r':
		return '\r', i + 2
	case 't':
		return '\t', i + 2
	case 'u':
		r := s.hex(i + 2)
		if r < 0 {
			return 0, -1
		}
		if !utf16.IsSurrogate(r) {
			return r, i + 6
		}
		if s.at(i+6) == '\\' && s.at(i+7) == 'u' {
			if r = utf16.DecodeRune(r, s.hex(i+8)); r != utf8.RuneError {
				return r, i + 12
			}
		}
	}
	return 0, -1
}

// hex reads four hexadecimal digits, -1 where there are none.
func (s text) hex(i int) rune {
	var r rune
	for k := i; k < i+4; k++ {
		c := s.at(k)
		switch {
		case c-'0' <= 9:
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}

// keep is b as a string for good: b itself where it lies in s, a copy where it lies in scratch memory.
func (d *JSONDecoder) keep(s text, b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if at := uintptr(unsafe.Pointer(unsafe.SliceData(b))); at < uintptr(s.p) || at >= uintptr(s.p)+uintptr(s.n) {
		b = append(d.arena.take(len(b))[:0], b...)
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// arena hands out small pieces of larger allocations. A piece is never used again: rows may hold on to it (P26).
type arena struct{ free []byte }

// arenaBytes is the size of one allocation.
const arenaBytes = 32 << 10

// take is n bytes with capacity n.
func (a *arena) take(n int) []byte {
	if n > arenaBytes/8 {
		return make([]byte, n)
	}
	if n > len(a.free) {
		a.free = make([]byte, arenaBytes)
	}
	b := a.free[:n:n]
	a.free = a.free[n:]
	return b
}

// slab hands out zero values of one type out of larger allocations, for fields that are pointers.
type slab struct {
	vals reflect.Value
	next int
}

const slabValues = 64

func (d *JSONDecoder) slab(n *node) unsafe.Pointer {
	s := d.slabs[n]
	if s == nil {
		s = &slab{next: slabValues}
		d.slabs[n] = s
	}
	if s.next == slabValues {
		s.vals, s.next = reflect.MakeSlice(reflect.SliceOf(n.typ), slabValues, slabValues), 0
	}
	p := s.vals.Index(s.next).Addr().UnsafePointer()
	s.next++
	return p
}
