package expr

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/internal/col"
)

// Like tells whether a whole text has the form of a pattern, in which % stands for any characters and _ for one. \ before %, _ or \ takes that as it is.
func (e Expr) Like(pattern string) Expr { return e.LikeEscape(pattern, '\\') }

// LikeEscape is Like with another character in place of \; 0 for none.
func (e Expr) LikeEscape(pattern string, escape rune) Expr {
	return newCall("like", e).set(pattern, string(escape))
}

// Matches tells whether a regular expression (package regexp) is found somewhere in a text.
func (e Expr) Matches(pattern string) Expr { return newCall("matches", e).set(pattern) }

// ExtractRegexp is what a group of a regular expression found first in a text; group 0 is all of it. It is null where nothing is found.
func (e Expr) ExtractRegexp(pattern string, group int) Expr {
	return newCall("extract_regexp", e).set(pattern, int64(group))
}

// ReplaceRegexp is a text with all that a regular expression finds as with, in which $1 or ${name} stand for groups and $$ for $.
func (e Expr) ReplaceRegexp(pattern, with string) Expr {
	return newCall("replace_regexp", e).set(pattern, with)
}

func init() {
	register(bindLike, "like")
	register(bindRegexp, "matches", "extract_regexp", "replace_regexp")
}

func bindLike(c *call) (*Bound, error) {
	args, err := c.texts()
	if err != nil {
		return nil, err
	}
	escape, _ := utf8.DecodeRuneInString(c.text(1))
	p, err := parseLike(c.text(0), escape)
	if err != nil {
		return nil, err
	}
	if op, text := p.simple(); op != "" {
		return looped(boolType, args, false, func(f *frame, out *col.Vec, in []*col.Vec) {
			if op == "=" {
				compareOne("=", out.Bools[:f.n], in[0].Texts, text)
				return
			}
			affixOne(op, out.Bools[:f.n], in[0].Texts, text)
		}), nil
	}
	return heavy(looped(boolType, args, false, func(f *frame, out *col.Vec, in []*col.Vec) {
		for i, s := range in[0].Texts[:f.n] {
			out.Bools[i] = p.match(s)
		}
	})), nil
}

// like is a pattern: runs of characters between %. In a run, any is a character of its own.
type like [][]rune

const any1 = -1 // _ in a run

func parseLike(pattern string, escape rune) (like, error) {
	p := like{nil}
	rest := []rune(pattern)
	for i := 0; i < len(rest); i++ {
		last := len(p) - 1
		switch c := rest[i]; {
		case c == escape && escape != 0:
			if i++; i == len(rest) || rest[i] != escape && rest[i] != '%' && rest[i] != '_' {
				return nil, fmt.Errorf("the pattern %q has %q before something else than %%, _ or itself; write it twice", pattern, string(escape))
			}
			p[last] = append(p[last], rest[i])
		case c == '%':
			p = append(p, nil)
		case c == '_':
			p[last] = append(p[last], any1)
		default:
			p[last] = append(p[last], c)
		}
	}
	return p, nil
}

// simple is a cheaper test that says the same, if there is one.
func (p like) simple() (op, text string) {
	var full []string
	for i, run := range p {
		for _, c := range run {
			if c == any1 || c == utf8.RuneError {
				return "", ""
			}
		}
		if len(run) > 0 || i == 0 || i == len(p)-1 {
			full = append(full, string(run))
		}
	}
	switch {
	case len(p) == 1:
		return "=", full[0]
	case len(full) == 2 && full[1] == "":
		return "starts_with", full[0]
	case len(full) == 2 && full[0] == "":
		return "ends_with", full[1]
	case len(full) == 3 && full[0] == "" && full[2] == "":
		return "contains", full[1]
	}
	return "", ""
}

// match takes the first place for each run but the last, which is at the end.
func (p like) match(s string) bool {
	n, ok := prefix(s, p[0])
	if len(p) == 1 {
		return ok && n == len(s)
	}
	if !ok {
		return false
	}
	s = s[n:]
	for _, run := range p[1 : len(p)-1] {
		for {
			if n, ok = prefix(s, run); ok {
				break
			}
			if s == "" {
				return false
			}
			_, w := utf8.DecodeRuneInString(s)
			s = s[w:]
		}
		s = s[n:]
	}
	last := p[len(p)-1]
	at := skipBack(s, int64(len(last)))
	n, ok = prefix(s[at:], last)
	return ok && at+n == len(s)
}

// prefix is how long what a run stands for is at the beginning of s.
func prefix(s string, run []rune) (n int, ok bool) {
	for _, want := range run {
		c, w := utf8.DecodeRuneInString(s[n:])
		if w == 0 || want != any1 && c != want {
			return 0, false
		}
		n += w
	}
	return n, true
}

func bindRegexp(c *call) (*Bound, error) {
	args, err := c.texts()
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(c.text(0))
	if err != nil {
		return nil, fmt.Errorf("%q is no regular expression: %w", c.text(0), err)
	}
	switch c.op {
	case "matches":
		return heavy(looped(boolType, args, false, func(f *frame, out *col.Vec, in []*col.Vec) {
			for i, s := range in[0].Texts[:f.n] {
				out.Bools[i] = re.MatchString(s)
			}
		})), nil
	case "replace_regexp":
		with := c.text(1)
		plain := !strings.Contains(with, "$")
		return heavy(looped(textType, args, false, func(f *frame, out *col.Vec, in []*col.Vec) {
			for i, s := range in[0].Texts[:f.n] {
				if plain {
					out.Texts[i] = re.ReplaceAllLiteralString(s, with)
				} else {
					out.Texts[i] = re.ReplaceAllString(s, with)
				}
			}
		})), nil
	}
	group := int(c.opts[1].(int64))
	if group < 0 || group > re.NumSubexp() {
		return nil, fmt.Errorf("%q has groups 0 to %d, not %d", c.text(0), re.NumSubexp(), group)
	}
	return heavy(looped(textType, args, true, func(f *frame, out *col.Vec, in []*col.Vec) {
		for i, s := range in[0].Texts[:f.n] {
			out.Texts[i] = ""
			if at := re.FindStringSubmatchIndex(s); at != nil && at[2*group] >= 0 {
				out.Texts[i] = s[at[2*group]:at[2*group+1]]
			} else {
				out.SetNull(i)
			}
		}
	})), nil
}
