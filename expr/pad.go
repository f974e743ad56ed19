package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/col"
)

// maxPad bounds how long a text becomes by a number in the data.
const maxPad = 1 << 16

func bindPad(c *call) (*Bound, error) {
	args, err := c.texts(1)
	if err != nil {
		return nil, err
	}
	left := c.op == "pad_left"
	return heavy(looped(textType, args, true, func(f *frame, out *col.Vec, in []*col.Vec) {
		a := arena{rows: f.n}
		for i, s := range in[0].Texts[:f.n] {
			n := in[1].Ints[i]
			if n > maxPad {
				out.SetNull(i)
				continue
			}
			out.Texts[i] = padded(&a, s, n, in[2].Texts[i], left)
		}
	})), nil
}

func padded(a *arena, s string, n int64, pad string, left bool) string {
	missing := n - int64(utf8.RuneCountInString(s))
	if missing <= 0 {
		return s[:skip(s, max(n, 0))]
	}
	if pad == "" {
		return s
	}
	start := a.room(len(s) + int(missing)*utf8.UTFMax)
	if !left {
		a.buf = append(a.buf, s...)
	}
	per := int64(utf8.RuneCountInString(pad))
	for ; missing >= per; missing -= per {
		a.buf = append(a.buf, pad...)
	}
	a.buf = append(a.buf, pad[:skip(pad, missing)]...)
	if left {
		a.buf = append(a.buf, s...)
	}
	return a.text(start)
}

func bindSplitPart(c *call) (*Bound, error) {
	args, err := c.texts(2)
	if err != nil {
		return nil, err
	}
	return heavy(looped(textType, args, true, func(f *frame, out *col.Vec, in []*col.Vec) {
		for i, s := range in[0].Texts[:f.n] {
			var ok bool
			if out.Texts[i], ok = splitPart(s, in[1].Texts[i], in[2].Ints[i]); !ok {
				out.SetNull(i)
			}
		}
	})), nil
}

func splitPart(s, separator string, n int64) (string, bool) {
	if separator == "" {
		return s, n == 0 || n == -1
	}
	for ; n > 0; n-- {
		at := strings.Index(s, separator)
		if at < 0 {
			return "", false
		}
		s = s[at+len(separator):]
	}
	if n == 0 {
		part, _, _ := strings.Cut(s, separator)
		return part, true
	}
	// From the end, parts are still those that are found from the left: "aaa" by "aa" is "", "a".
	total := int64(strings.Count(s, separator) + 1)
	if -total > n {
		return "", false
	}
	return splitPart(s, separator, total+n)
}
