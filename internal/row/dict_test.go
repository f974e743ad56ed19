package row

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/col"
)

// FuzzDict numbers keys as a Go map does, whichever way they come: as encodings or as texts, chosen or all, or in an array.
func FuzzDict(f *testing.F) {
	f.Add([]byte("a b ab  abcdefgh abcdefg abcdefghi a b abcdefghi"), uint64(1))
	f.Add([]byte("\x00 \x00\x00  \x00 a\x00 a ab\x00\x00\x00\x00\x00\x00"), uint64(2))
	f.Add(bytes.Repeat([]byte("w1 w2 w17 w100000 a-long-word-of-many-bytes "), 40), uint64(3))
	f.Add(distinctWords(5000), uint64(4))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		texts := strings.Split(string(in), " ")
		r := rand.New(rand.NewPCG(seed, 1))
		d, want := NewDict(r.IntN(10)), map[string]int32{}
		for round := 0; len(texts) > 0; round++ {
			n := 1 + r.IntN(min(len(texts), 200))
			part := texts[:n]
			texts = texts[n:]
			v := &col.Vec{Type: arrow.BinaryTypes.String, Kind: col.Text, N: n, Texts: part}
			var k Keys
			appendTextKeys(part, nil, &k)
			idx := make([]int32, n)
			for _, find := range []func(){func() { d.Find(&k, idx) }, func() { d.FindTexts(v, idx) }} {
				find()
				for i, s := range part {
					if n, ok := want[s]; !ok && idx[i] != -1 || ok && idx[i] != n {
						t.Fatalf("%q is found as %d, want %d, %v", s, idx[i], n, ok)
					}
				}
			}
			switch r.IntN(5) {
			case 0:
				if before := d.Add(&k, idx); int(before) != len(want) {
					t.Fatalf("%d keys before, want %d", before, len(want))
				}
			case 1:
				d.AddTexts(v, nil, idx)
			case 2:
				before := r.IntN(3)
				c := codecOf[string](t)
				all := c.Columns(append(make([]string, before), part...), nil)[0]
				if err := d.AddTextColumn(c, []arrow.Array{array.NewSlice(all, int64(before), int64(before+n))}, idx); err != nil {
					t.Fatal(err)
				}
			case 3:
				if !d.AddRows(codecOf[string](t), part, idx) {
					t.Fatal("strings are not taken as rows")
				}
			default:
				sel := make([]int32, n)
				for i := range sel {
					sel[i] = int32(i)
				}
				d.AddTexts(v, sel, idx)
			}
			for i, s := range part {
				n, ok := want[s]
				if !ok {
					n = int32(len(want))
					want[s] = n
				}
				if idx[i] != n {
					t.Fatalf("round %d: %q has number %d, want %d", round, s, idx[i], n)
				}
			}
		}
		if d.Len() != len(want) {
			t.Fatalf("%d keys, want %d", d.Len(), len(want))
		}
		for i := range d.Len() {
			key := d.Keys().Key(i)
			if n, ok := want[string(key)]; !ok || int(n) != i || d.Keys().Hash[i] != codecOf[string](t).KeyHash(key) {
				t.Fatalf("key %d is %q with hash %x; the map has it as %d, %v", i, key, d.Keys().Hash[i], n, ok)
			}
		}
		checkTextColumn(t, d.Keys(), r)
		d.Reset()
		if idx := []int32{0}; d.Len() != 0 || findOne(d, "w1", idx) != -1 {
			t.Fatal("a key is left behind Reset")
		}
	})
}

// checkTextColumn compares columns of keys with those that are made by way of rows.
func checkTextColumn(t *testing.T, k *Keys, r *rand.Rand) {
	t.Helper()
	c := codecOf[string](t)
	for _, idx := range [][]int32{nil, {}, randomOf(r, k.Len(), 7), randomOf(r, k.Len(), 300)} {
		want, err := c.rowKeyColumns(k, idx)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.KeyColumns(k, idx)
		if err != nil || len(got) != 1 || !array.Equal(got[0], want[0]) {
			t.Fatalf("keys %v are %v, want %v; %v", idx, got, want, err)
		}
	}
}

// randomOf are m of n numbers, in any order.
func randomOf(r *rand.Rand, n, m int) []int32 {
	idx := make([]int32, m)
	for i := range idx {
		idx[i] = int32(r.IntN(n))
	}
	return idx
}

func findOne(d *Dict, s string, idx []int32) int32 {
	d.FindTexts(&col.Vec{Kind: col.Text, N: 1, Texts: []string{s}}, idx)
	return idx[0]
}

func distinctWords(n int) []byte {
	var b []byte
	for i := range n {
		b = append(binary.BigEndian.AppendUint32(b, uint32(i)|0x81818181), ' ')
	}
	return b
}

// A word is the same wherever the text lies on its page, and whatever lies behind it.
func TestWordOfText(t *testing.T) {
	mem := make([]byte, 3*pageSize)
	edge := pageSize - int(uintptr(unsafe.Pointer(&mem[0]))%pageSize) + pageSize // where a page of mem ends
	r := rand.New(rand.NewPCG(1, 2))
	for from := edge - 20; from < edge+4; from++ {
		for n := range wordSize + 1 {
			for i := range mem[edge-30 : edge+30] {
				mem[edge-30+i] = byte(r.IntN(256))
			}
			var want [wordSize]byte
			copy(want[:], mem[from:from+n])
			text := unsafe.String(&mem[from], n)
			if got := wordOfText(text); got != binary.LittleEndian.Uint64(want[:]) {
				t.Fatalf("%d bytes at %d before the page's end: %x, want %x", n, edge-from, got, want)
			}
			if got := wordOf(mem[from : from+n]); got != binary.LittleEndian.Uint64(want[:]) {
				t.Fatalf("%d bytes: %x, want %x", n, got, want)
			}
			if got := cutWord(mem[from:], uint32(n)); got != binary.LittleEndian.Uint64(want[:]) {
				t.Fatalf("the first %d bytes: %x, want %x", n, got, want)
			}
		}
	}
}
