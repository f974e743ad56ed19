package source

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

type line struct {
	Offset int64
	Text   string
}

// readLines reads everything that r has.
func readLines(t testing.TB, r *lineReader) []line {
	t.Helper()
	var out []line
	at := r.next
	for {
		b, err := r.block()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if b.First != at || b.Next <= b.First || cap(b.Data)-len(b.Data) < 64 || b.Len() == 0 {
			t.Fatalf("block [%d, %d) of %d records after %d", b.First, b.Next, b.Len(), at)
		}
		at = b.Next
		for i := range b.Len() {
			out = append(out, line{b.Offset(i), string(b.Value(i))})
		}
	}
}

// splitLines is the model: what lines of text are.
func splitLines(s string, limit int) []line {
	var out []line
	for at := 0; at < len(s); {
		text, rest := s[at:], len(s)
		if n := strings.IndexByte(text, '\n'); n >= 0 {
			text, rest = text[:n], at+n+1
		}
		text = strings.TrimSuffix(text, "\r")
		if at == 0 {
			text = strings.TrimPrefix(text, bom)
		}
		out = append(out, line{int64(at), text[:min(len(text), limit+1)]})
		at = rest
	}
	return out
}

func checkLines(t testing.TB, s string, limit int) {
	t.Helper()
	want := splitLines(s, limit)
	for name, src := range map[string]io.Reader{
		"whole":     strings.NewReader(s),
		"byte":      iotest.OneByteReader(strings.NewReader(s)),
		"half":      iotest.HalfReader(strings.NewReader(s)),
		"early EOF": iotest.DataErrReader(strings.NewReader(s)),
	} {
		if diff := cmp.Diff(want, readLines(t, &lineReader{src: src, limit: limit, fill: true})); diff != "" {
			t.Fatalf("%.100q, %s: (-want +got)\n%s", s, name, diff)
		}
	}
	if diff := cmp.Diff(want, readLines(t, &lineReader{src: strings.NewReader(s), limit: limit})); diff != "" {
		t.Fatalf("%.100q: (-want +got)\n%s", s, diff)
	}
}

func TestLines(t *testing.T) {
	for _, s := range []string{"", "a", "a\n", "a\nb", "\n", "\n\n", "\r\n", "a\r\nb\r\n", "a\r", bom, bom + "a\n" + bom + "b\n", "0123456789abcdef\nx"} {
		checkLines(t, s, 10)
	}
	for _, n := range []int{lineBlockBytes - 1, lineBlockBytes, lineBlockBytes + 1, 3 * lineBlockBytes} {
		s := strings.Repeat("x", n)
		checkLines(t, "a\n"+s+"\nb\n"+s, 100)
		checkLines(t, "a\n"+s+"\nb\n"+s, 1<<20)
	}
	checkLines(t, strings.Repeat("some line of text\n", 50000), 100)
}

func TestLinesError(t *testing.T) {
	broken := errors.New("broken")
	r := &lineReader{src: io.MultiReader(strings.NewReader("a\nb\nhalf"), iotest.ErrReader(broken)), limit: 10, fill: true}
	b, err := r.block()
	if err != nil || b.Len() != 2 {
		t.Fatal(b, err)
	}
	if _, err := r.block(); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func FuzzLines(f *testing.F) {
	f.Add("a\r\nb\n\nc", 1)
	f.Fuzz(func(t *testing.T, s string, limit int) { checkLines(t, s, limit&0xfff+1) })
}
