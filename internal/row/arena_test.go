package row

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// plainArena is the slow twin of Arena: a map.
type plainArena map[int32]string

func (p plainArena) check(t *testing.T, a *Arena, rows int32) {
	t.Helper()
	var all []int32
	want := ""
	for r := range rows {
		if got := string(a.Get(r)); got != p[r] || a.Len(r) != len(p[r]) {
			t.Fatalf("row %d is %q of length %d, want %q", r, got, a.Len(r), p[r])
		}
		if w, ok := ShortWord([]byte(p[r])); ok && p[r] != "" && a.Words()[r] != w {
			t.Fatalf("row %d, %q: its word is %x, want %x", r, p[r], a.Words()[r], w)
		} else if !ok && a.Words()[r]&isShort != 0 {
			t.Fatalf("row %d, %q: it has the word of a short string", r, p[r])
		}
		all, want = append(all, r), want+p[r]
	}
	ends := make([]uint32, rows)
	if got := a.Collect(all, ends); string(got) != want || rows > 0 && int(ends[rows-1]) != len(want) {
		t.Fatalf("collected are %d bytes, %v, want %d", len(got), ends, len(want))
	}
}

// runArena does with an arena and with its twin what script says: three bytes for each step.
func runArena(t *testing.T, script []byte) {
	const rows = 100
	var a Arena
	a.Grow(rows)
	plain := plainArena{}
	for ; len(script) >= 3; script = script[3:] {
		r, n := int32(script[0])%rows, int(script[1])
		switch script[2] % 8 {
		case 0:
			a.Clear([]int32{r})
			delete(plain, r)
		case 1:
			a.Compact()
		case 2: // what the arena gave is stored again
			other := int32(n) % rows
			a.Set(other, a.Get(r))
			plain[other] = plain[r]
		case 3: // enough to be compacted
			n *= 64
			fallthrough
		default:
			b := bytes.Repeat([]byte{script[2]}, n%20+n/64*64)
			a.Set(r, b[:len(b):len(b)])
			plain[r] = string(b)
		}
	}
	plain.check(t, &a, rows)
}

func TestArena(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		script := make([]byte, 3*r.IntN(2000))
		for i := range script {
			script[i] = byte(r.Uint32())
		}
		runArena(t, script)
	}
}

func FuzzArena(f *testing.F) {
	f.Add([]byte("abcdefabcabc"))
	f.Add([]byte{1, 7, 4, 1, 8, 4, 1, 2, 5, 1, 0, 0})
	f.Fuzz(runArena)
}

// TestShortWord: strings of up to seven bytes have words of their own, whatever stands behind them in memory.
func TestShortWord(t *testing.T) {
	seen := map[uint64]string{}
	for _, s := range []string{"", "\x00", "\x00\x00", "a", "a\x00", "ab", "abcdefg", "abcdef", "\xff\xff\xff\xff\xff\xff\xff", strings.Repeat("\x00", 7)} {
		tight, ok := ShortWord([]byte(s)[:len(s):len(s)])
		roomy, _ := ShortWord(append([]byte(s), "behind it"...)[:len(s)])
		if !ok || tight != roomy {
			t.Errorf("%q: words %x and %x", s, tight, roomy)
		}
		if other, twice := seen[tight]; twice {
			t.Errorf("%q and %q have one word", s, other)
		}
		seen[tight] = s
	}
	if _, ok := ShortWord(make([]byte, 8)); ok {
		t.Error("eight bytes have a word")
	}
}
