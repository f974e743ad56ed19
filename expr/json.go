package expr

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/col"
)

// JSON is what stands at a path in a JSON text, as text: strings without their quotes, numbers, true and false as they are written, objects and
// arrays as JSON. It is null where there is nothing, null or no JSON on the way there. Paths are $ for the whole, then .name, ["name"] and [0] for elements from 0 on, [-1] for
// the last. Of equal names in one object the first counts.
func (e Expr) JSON(path string) Expr { return newCall("json", e).set(path) }

func init() { register(bindJSON, "json") }

func bindJSON(c *call) (*Bound, error) {
	args, err := c.texts()
	if err != nil {
		return nil, err
	}
	path, err := parsePath(c.text(0))
	if err != nil {
		return nil, err
	}
	return heavy(looped(textType, args, true, func(f *frame, out *col.Vec, in []*col.Vec) {
		for i, s := range in[0].Texts[:f.n] {
			var ok bool
			if out.Texts[i], ok = jsonAt(s, path); !ok {
				out.SetNull(i)
			}
		}
	})), nil
}

// step is a name in an object, or a place in an array.
type step struct {
	name  string
	index int
	array bool
}

func parsePath(text string) ([]step, error) {
	bad := func(why string) ([]step, error) {
		return nil, fmt.Errorf("the path %q: %s; write it as in $.a.b[0][\"c d\"]", text, why)
	}
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return bad("it does not begin with $")
	}
	var path []step
	for rest != "" {
		switch {
		case rest[0] == '.':
			n := strings.IndexAny(rest[1:], ".[")
			if n < 0 {
				n = len(rest) - 1
			}
			if n == 0 {
				return bad("a name is empty")
			}
			path, rest = append(path, step{name: rest[1 : 1+n]}), rest[1+n:]
		case strings.HasPrefix(rest, `["`):
			name, after, ok := scanString(rest[1:])
			if !ok || !strings.HasPrefix(after, "]") {
				return bad(`a name in brackets has no end`)
			}
			path, rest = append(path, step{name: name}), after[1:]
		case rest[0] == '[':
			number, after, ok := strings.Cut(rest[1:], "]")
			n, err := strconv.Atoi(number)
			if !ok || err != nil {
				return bad(fmt.Sprintf("%q is no place in an array", number))
			}
			path, rest = append(path, step{index: n, array: true}), after
		default:
			return bad(fmt.Sprintf("%q follows", rest))
		}
	}
	return path, nil
}

// The scanner below goes through a text once, to the end of what is asked for, and allocates only for strings with escapes. It is our own because
// encoding/json would build values of all that it passes; what it passes it does not check beyond brackets and quotes.

// jsonAt is what stands at a path.
func jsonAt(s string, path []step) (string, bool) {
	for _, p := range path {
		var ok bool
		if s = skipSpace(s); p.array {
			s, ok = jsonElement(s, p.index)
		} else {
			s, ok = jsonMember(s, p.name)
		}
		if !ok {
			return "", false
		}
	}
	s = skipSpace(s)
	after, ok := skipValue(s)
	if !ok || len(path) == 0 && skipSpace(after) != "" {
		return "", false
	}
	value := s[:len(s)-len(after)]
	switch {
	case value == "null":
		return "", false
	case value[0] == '"':
		text, _, ok := scanString(value)
		return text, ok
	}
	return value, true
}

func skipSpace(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\n' || s[0] == '\t' || s[0] == '\r') {
		s = s[1:]
	}
	return s
}

// jsonMember is the text from the value of a name on.
func jsonMember(s, name string) (string, bool) {
	if s == "" || s[0] != '{' {
		return "", false
	}
	s = skipSpace(s[1:])
	for s != "" && s[0] == '"' {
		end := quoteEnd(s)
		if end < 0 {
			return "", false
		}
		key, rest := s[:end], skipSpace(s[end:])
		if rest == "" || rest[0] != ':' {
			return "", false
		}
		rest = skipSpace(rest[1:])
		if isKey(key, name) {
			return rest, true
		}
		var ok bool
		if s, ok = nextValue(rest); !ok {
			return "", false
		}
	}
	return "", false
}

// isKey tells whether a string in quotes is name.
func isKey(quoted, name string) bool {
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1:len(quoted)-1] == name
	}
	key, _, ok := scanString(quoted)
	return ok && key == name
}

// nextValue passes over a value and a comma.
func nextValue(s string) (string, bool) {
	s, ok := skipValue(s)
	if s = skipSpace(s); !ok || s == "" || s[0] != ',' {
		return "", false
	}
	return skipSpace(s[1:]), true
}

// jsonElement is the text from an element of an array on.
func jsonElement(s string, index int) (string, bool) {
	if s == "" || s[0] != '[' {
		return "", false
	}
	s = skipSpace(s[1:])
	if s == "" || s[0] == ']' {
		return "", false
	}
	if index < 0 {
		n := 1
		for rest, ok := nextValue(s); ok; rest, ok = nextValue(rest) {
			n++
		}
		if index += n; index < 0 {
			return "", false
		}
	}
	for ; index > 0; index-- {
		var ok bool
		if s, ok = nextValue(s); !ok {
			return "", false
		}
	}
	return s, true
}

// quoteEnd is the place behind the string that s begins with, -1 if it does not end.
func quoteEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// skipValue is the text behind the value that s begins with.
func skipValue(s string) (string, bool) {
	if s == "" {
		return "", false
	}
	switch s[0] {
	case '"':
		end := quoteEnd(s)
		if end < 0 {
			return "", false
		}
		return s[end:], true
	case '{', '[':
		return skipNested(s)
	}
	end := strings.IndexAny(s, ",]} \n\t\r")
	if end < 0 {
		end = len(s)
	}
	return s[end:], jsonScalar(s[:end])
}

func jsonScalar(s string) bool {
	if s == "null" || s == "true" || s == "false" {
		return true
	}
	return s != "" && (s[0] == '-' || s[0]-'0' <= 9) && json.Valid([]byte(s))
}

// skipNested passes over an object or array: to the bracket that closes the first one.
func skipNested(s string) (string, bool) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return s[i+1:], s[i]-s[0] == 2
			}
		case '"':
			end := quoteEnd(s[i:])
			if end < 0 {
				return "", false
			}
			i += end - 1
		}
	}
	return "", false
}

// scanString is the string in quotes that s begins with, and what follows.
func scanString(s string) (text, rest string, ok bool) {
	end := quoteEnd(s)
	if end < 0 {
		return "", "", false
	}
	quoted := s[:end]
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : end-1], s[end:], true
	}
	err := json.Unmarshal([]byte(quoted), &text)
	return text, s[end:], err == nil
}
