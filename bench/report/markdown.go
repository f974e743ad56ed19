package report

import (
	"fmt"
	"strings"
)

// Markdown puts the tables into text between lines <!-- bench:NAME --> and <!-- /bench:NAME -->. Everything else stays as it is. Markers that name no table, or
// that do not come in pairs, are errors, and so is a text without any.
func (s *Set) Markdown(text string) (string, error) {
	var out strings.Builder
	open := ""
	seen := 0
	for line := range strings.Lines(text) {
		name, end, marker := parseMarker(line)
		switch {
		case marker && !end && open != "":
			return "", fmt.Errorf("marker bench:%s before /bench:%s", name, open)
		case marker && end && name != open:
			return "", fmt.Errorf("marker /bench:%s without bench:%s before it", name, name)
		case marker && !end:
			make, ok := sections[name]
			if !ok {
				return "", fmt.Errorf("marker bench:%s: there is no such table; there are %s", name, strings.Join(Sections(), ", "))
			}
			t := make(s)
			out.WriteString(line + "\n" + t.markdown() + "\n")
			open = name
			seen++
		case marker:
			open = ""
			out.WriteString(line)
		case open == "":
			out.WriteString(line)
		}
	}
	if open != "" {
		return "", fmt.Errorf("marker bench:%s has no end", open)
	}
	if seen == 0 {
		return "", fmt.Errorf("no markers <!-- bench:NAME -->, where NAME is one of %s", strings.Join(Sections(), ", "))
	}
	return out.String(), nil
}

// parseMarker takes a line <!-- bench:NAME --> or <!-- /bench:NAME --> apart.
func parseMarker(line string) (name string, end, ok bool) {
	inner, ok1 := strings.CutPrefix(strings.TrimSpace(line), "<!-- ")
	inner, ok2 := strings.CutSuffix(inner, " -->")
	if !ok1 || !ok2 {
		return "", false, false
	}
	inner, end = strings.CutPrefix(inner, "/")
	name, ok = strings.CutPrefix(inner, "bench:")
	return name, end, ok
}
