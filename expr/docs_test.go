package expr

import (
	"os"
	"strings"
	"testing"
)

// Every function is in the table of docs/expressions.md, and every name in the table's first column is one.
func TestFunctionsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/expressions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## Functions")
	table, _, _ = strings.Cut(table, "## Casts")
	in := map[string]bool{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		for i, name := range strings.Split(cells[0], "`") {
			if i%2 == 1 {
				in[name] = true
			}
		}
	}
	for name := range functions {
		if !in[name] {
			t.Errorf("function %s is not in docs/expressions.md", name)
		}
	}
	for name := range in {
		if functions[name] == nil {
			t.Errorf("docs/expressions.md has %s, which is no function", name)
		}
	}
}
