package host

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
)

func TestOutput(t *testing.T) {
	var b bytes.Buffer
	o := &output{log: slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for i := range 30 {
		o.line(fmt.Sprint("line ", i))
	}
	text := `{"@level":"warn","@message":"cache is cold","@timestamp":"2026-01-02T03:04:05Z","rows":3,"model":"m.bin"}` + "\n" +
		`{"@level":"debug","@message":"detail"}` + "\r\n" + `{"level":"info"}` + "\n" + strings.Repeat("x", 100_000) + "\n\x1b[31mred\nno line break"
	o.read(io.LimitReader(strings.NewReader(text), 1<<20), o.line)
	for _, want := range []string{`level=WARN msg="cache is cold" model=m.bin rows=3`, "level=DEBUG msg=detail\n", `level=INFO msg="plugin output" line="{\"level\":\"info\"}"`, `line=?[31mred`, `line="no line break"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("not in the log: %s\n%s", want, b.String())
		}
	}
	last := o.last()
	if len(last) != tailLines || last[0] != "line 16" || last[14] != "cache is cold" || len(last[17]) != maxLine || last[19] != "no line break" {
		t.Errorf("last lines %.80q", last)
	}
	if s := indent(last[17:19]); strings.Contains(s, "\x1b") {
		t.Errorf("a message has control characters: %q", s[len(s)-20:])
	}
}

func TestLines(t *testing.T) {
	var got []string
	l := &lines{take: func(s string) { got = append(got, s) }}
	for _, s := range []string{"a", "b\nc", "\r\n", strings.Repeat("y", 3*maxLine), "\nend\n"} {
		if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if len(got) != 5 || got[0] != "ab" || got[1] != "c" || len(got[2]) != maxLine || got[3] != "" || got[4] != "end" {
		t.Errorf("lines %.20q", got)
	}
}
