package expr

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/search"
)

// Length is how many characters (code points) a text has, how many bytes there are, or how many elements are in a list or map.
func (e Expr) Length() Expr { return newCall("length", e) }

// Lower is a text in small letters.
func (e Expr) Lower() Expr { return newCall("lower", e) }

// Upper is a text in capital letters.
func (e Expr) Upper() Expr { return newCall("upper", e) }

// Trim is a text without the white space at both ends.
func (e Expr) Trim() Expr { return newCall("trim", e) }

// TrimLeft is a text without the white space that it begins with.
func (e Expr) TrimLeft() Expr { return newCall("trim_left", e) }

// TrimRight is a text without the white space that it ends with.
func (e Expr) TrimRight() Expr { return newCall("trim_right", e) }

// Left is the first n characters, all but the last -n where n is negative.
func (e Expr) Left(n any) Expr { return newCall("left", e, n) }

// Right is the last n characters, all but the first -n where n is negative.
func (e Expr) Right(n any) Expr { return newCall("right", e, n) }

// Substring is n characters from place start on, counted from 0; from the end where start is negative: -1 is the last character. Places
// outside the text have no characters: Substring(-5, 3) of "abc" is "a".
func (e Expr) Substring(start, n any) Expr { return newCall("substring", e, start, n) }

// StartsWith tells whether a text begins with another.
func (e Expr) StartsWith(o any) Expr { return newCall("starts_with", e, o) }

// EndsWith tells whether a text ends with another.
func (e Expr) EndsWith(o any) Expr { return newCall("ends_with", e, o) }

// Contains tells whether another text is in a text.
func (e Expr) Contains(o any) Expr { return newCall("contains", e, o) }

// Replace is a text with every old, from left to right, as new. An empty old changes nothing.
func (e Expr) Replace(old, new any) Expr { return newCall("replace", e, old, new) }

// Reverse is the characters of a text in the other direction.
func (e Expr) Reverse() Expr { return newCall("reverse", e) }

// Concat is texts one after another; null where one is null. See Coalesce for texts that may be missing.
func Concat(texts ...any) Expr { return newCall("concat", texts...) }

// PadLeft is a text with as many characters of pad before it as make it n characters long; a longer one loses its end.
func (e Expr) PadLeft(n any, pad any) Expr { return newCall("pad_left", e, n, pad) }

// PadRight is a text with as many characters of pad behind it as make it n characters long; a longer one loses its end.
func (e Expr) PadRight(n any, pad any) Expr { return newCall("pad_right", e, n, pad) }

// SplitPart is part i of a text between separators, counted from 0; from the end where i is negative. It is null where there is no such part. An empty
// separator does not separate.
func (e Expr) SplitPart(separator, i any) Expr { return newCall("split_part", e, separator, i) }

func init() {
	register(bindLength, "length")
	register(bindMapText, "lower", "upper", "trim", "trim_left", "trim_right", "reverse")
	register(bindSlice, "left", "right", "substring")
	register(bindAffix, "starts_with", "ends_with", "contains")
	register(bindReplace, "replace")
	register(bindConcat, "concat")
	register(bindPad, "pad_left", "pad_right")
	register(bindSplitPart, "split_part")
}

// texts are the arguments, which must be texts, but that those at the places in ints are whole numbers.
func (c *call) texts(ints ...int) ([]*Bound, error) {
	out := slices.Clone(c.args)
	for i, a := range out {
		switch isInt := slices.Contains(ints, i); {
		case a.isNull() && isInt:
			out[i] = nullOf(int64Type)
		case a.isNull():
			out[i] = nullOf(textType)
		case isInt && (!numeric(a) || a.kind() != col.Int && a.kind() != col.Uint):
			return nil, fmt.Errorf("%s is %s, not a whole number", a.expr, words(a.typ))
		case isInt:
			out[i] = to(a, int64Type)
		case a.typ.ID() != arrow.STRING:
			return nil, fmt.Errorf("%s is %s, not text; Cast it to String", a.expr, words(a.typ))
		}
	}
	return out, nil
}

// heavy marks what costs more than moving columns.
func heavy(b *Bound) *Bound {
	b.careful = true
	return b
}

func bindLength(c *call) (*Bound, error) {
	a := c.args[0]
	switch {
	case a.isNull():
		return nullOf(int64Type), nil
	case a.typ.ID() == arrow.STRING:
		return looped(int64Type, c.args, false, func(f *frame, out *col.Vec, in []*col.Vec) {
			for i, s := range in[0].Texts[:f.n] {
				out.Ints[i] = int64(utf8.RuneCountInString(s))
			}
		}), nil
	case a.typ.ID() == arrow.BINARY:
		return looped(int64Type, c.args, false, func(f *frame, out *col.Vec, in []*col.Vec) {
			for i, s := range in[0].Texts[:f.n] {
				out.Ints[i] = int64(len(s))
			}
		}), nil
	case a.typ.ID() == arrow.LIST || a.typ.ID() == arrow.MAP:
		return looped(int64Type, c.args, false, listLengths), nil
	}
	return nil, fmt.Errorf("%s is %s, which has no length", a.expr, words(a.typ))
}

func bindMapText(c *call) (*Bound, error) {
	args, err := c.texts()
	if err != nil {
		return nil, err
	}
	return heavy(looped(textType, args, false, func(f *frame, out *col.Vec, in []*col.Vec) {
		mapTexts(c.op, out.Texts[:f.n], in[0].Texts)
	})), nil
}

func mapTexts(op string, out, in []string) {
	a := arena{rows: len(out)}
	in = in[:len(out)]
	switch op {
	case "lower":
		for i, s := range in {
			out[i] = lower(&a, s)
		}
	case "upper":
		for i, s := range in {
			out[i] = upper(&a, s)
		}
	case "trim":
		for i, s := range in {
			out[i] = strings.TrimSpace(s)
		}
	case "trim_left":
		for i, s := range in {
			out[i] = strings.TrimLeftFunc(s, unicode.IsSpace)
		}
	case "trim_right":
		for i, s := range in {
			out[i] = strings.TrimRightFunc(s, unicode.IsSpace)
		}
	default:
		for i, s := range in {
			out[i] = reversed(&a, s)
		}
	}
}

// lower is s in small letters: s itself where it is so already.
func lower(a *arena, s string) string {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf {
			return strings.ToLower(s)
		} else if c-'A' < 26 {
			return recased(a, s, 'A', strings.ToLower)
		}
	}
	return s
}

func upper(a *arena, s string) string {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf {
			return strings.ToUpper(s)
		} else if c-'a' < 26 {
			return recased(a, s, 'a', strings.ToUpper)
		}
	}
	return s
}

const (
	everyByte = 0x0101010101010101
	highBits  = 0x80 * everyByte
)

// recased turns the 26 letters from first on into those of the other case, eight bytes at a time; full does it for what is not ASCII.
func recased(a *arena, s string, first byte, full func(string) string) string {
	start := a.room(len(s) + 8)
	a.buf = append(a.buf, s...)
	b := a.buf[start : start+len(s)+8] // the last step goes beyond the text, into bytes that the next text overwrites
	high := uint64(0)
	above, beyond := uint64(0x80-first)*everyByte, uint64(0x80-first-26)*everyByte
	for i := 0; i < len(s); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		if left := len(s) - i; left < 8 {
			w &= 1<<(8*left) - 1
		}
		high |= w
		low := w &^ highBits
		letters := ((low + above) ^ (low + beyond)) & highBits // those of at least first, and not 26 above
		binary.LittleEndian.PutUint64(b[i:], w^letters>>2)
	}
	if high&highBits != 0 {
		a.buf = a.buf[:start]
		return full(s)
	}
	return a.text(start)
}

func reversed(a *arena, s string) string {
	start := a.room(len(s))
	for s != "" {
		_, n := utf8.DecodeLastRuneInString(s)
		a.buf = append(a.buf, s[len(s)-n:]...)
		s = s[:len(s)-n]
	}
	return a.text(start)
}

func bindAffix(c *call) (*Bound, error) {
	args, err := c.texts()
	if err != nil {
		return nil, err
	}
	op := c.op
	if o := args[1]; o.one != nil && !o.one.IsNull(0) && args[0].one == nil {
		text := o.one.Texts[0]
		return looped(boolType, args[:1], false, func(f *frame, out *col.Vec, in []*col.Vec) { affixOne(op, out.Bools[:f.n], in[0].Texts, text) }), nil
	}
	is := map[string]func(s, o string) bool{"starts_with": strings.HasPrefix, "ends_with": strings.HasSuffix, "contains": strings.Contains}[op]
	return looped(boolType, args, false, func(f *frame, out *col.Vec, in []*col.Vec) {
		for i, s := range in[0].Texts[:f.n] {
			out.Bools[i] = is(s, in[1].Texts[i])
		}
	}), nil
}

func affixOne(op string, out []bool, in []string, o string) {
	in = in[:len(out)]
	switch op {
	case "starts_with":
		for i, s := range in {
			out[i] = strings.HasPrefix(s, o)
		}
	case "ends_with":
		for i, s := range in {
			out[i] = strings.HasSuffix(s, o)
		}
	default:
		search.ContainsEach(out, in, o)
	}
}

func bindReplace(c *call) (*Bound, error) {
	args, err := c.texts()
	if err != nil {
		return nil, err
	}
	return heavy(looped(textType, args, false, func(f *frame, out *col.Vec, in []*col.Vec) {
		a := arena{rows: f.n}
		for i, s := range in[0].Texts[:f.n] {
			out.Texts[i] = replaced(&a, s, in[1].Texts[i], in[2].Texts[i])
		}
	})), nil
}

func replaced(a *arena, s, old, new string) string {
	at := strings.Index(s, old)
	if at < 0 || old == "" {
		return s
	}
	start := a.room(len(s) + len(new))
	for ; at >= 0; at = strings.Index(s, old) {
		a.buf = append(append(a.buf, s[:at]...), new...)
		s = s[at+len(old):]
	}
	a.buf = append(a.buf, s...)
	return a.text(start)
}

func bindConcat(c *call) (*Bound, error) {
	args, err := c.texts()
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return nil, fmt.Errorf("Concat of nothing")
	}
	return heavy(looped(textType, args, false, func(f *frame, out *col.Vec, in []*col.Vec) {
		a := arena{rows: f.n}
		for i := range f.n {
			size := 0
			for _, v := range in {
				size += len(v.Texts[i])
			}
			start := a.room(size)
			for _, v := range in {
				a.buf = append(a.buf, v.Texts[i]...)
			}
			out.Texts[i] = a.text(start)
		}
	})), nil
}
