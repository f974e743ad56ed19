package expr

import (
	"unicode/utf8"

	"github.com/millrace/millrace/internal/col"
)

func bindSlice(c *call) (*Bound, error) {
	args, err := c.texts(1, 2)
	if err != nil {
		return nil, err
	}
	if c.op == "substring" {
		return heavy(looped(textType, args, false, func(f *frame, out *col.Vec, in []*col.Vec) {
			starts, counts := in[1].Ints, in[2].Ints
			for i, s := range in[0].Texts[:f.n] {
				out.Texts[i] = substring(s, starts[i], counts[i])
			}
		})), nil
	}
	left := c.op == "left"
	return heavy(looped(textType, args, false, func(f *frame, out *col.Vec, in []*col.Vec) {
		counts := in[1].Ints
		for i, s := range in[0].Texts[:f.n] {
			at := ends(s, counts[i], left)
			if left {
				out.Texts[i] = s[:at]
			} else {
				out.Texts[i] = s[at:]
			}
		}
	})), nil
}

// ends is where the first n characters end, or the last n begin.
func ends(s string, n int64, left bool) int {
	if left == (n >= 0) {
		return skip(s, abs(n))
	}
	return skipBack(s, abs(n))
}

// abs is n without its sign, the largest number for the smallest.
func abs(n int64) int64 {
	if n < 0 {
		return max(-n, -(n + 1))
	}
	return n
}

// skip is the place behind the first n characters.
func skip(s string, n int64) int {
	if n >= int64(len(s)) {
		return len(s)
	}
	at := 0
	for ; n > 0 && at < len(s); n-- {
		if s[at] < utf8.RuneSelf {
			at++
			continue
		}
		_, w := utf8.DecodeRuneInString(s[at:])
		at += w
	}
	return at
}

// skipBack is the place before the last n characters.
func skipBack(s string, n int64) int {
	if n >= int64(len(s)) {
		return 0
	}
	at := len(s)
	for ; n > 0 && at > 0; n-- {
		_, w := utf8.DecodeLastRuneInString(s[:at])
		at -= w
	}
	return at
}

func substring(s string, start, n int64) string {
	if n <= 0 {
		return ""
	}
	if start >= 0 {
		s = s[skip(s, start):]
		return s[:skip(s, n)]
	}
	if have := int64(utf8.RuneCountInString(s)); -have > start { // begins before the text
		n += start + have
		return s[:skip(s, max(n, 0))]
	}
	s = s[skipBack(s, -start):]
	return s[:skip(s, n)]
}
