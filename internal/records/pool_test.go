package records

import (
	"strings"
	"testing"
)

// filled is a block of n records that are long enough for its memory to be kept.
func filled(n int, value string) *Block {
	b := New(n * len(value))
	b.Room(n, true)
	b.First, b.Next = 0, int64(n)
	for i := range n {
		copy(b.Data[i*len(value):], value)
		b.Values = append(b.Values, Span{uint32(i * len(value)), uint32(len(value))})
		b.Keys = append(b.Keys, Span{uint32(i * len(value)), 1})
		b.Times = append(b.Times, int64(i))
	}
	return b
}

// TestBlockOutlivesItsFirstUser: memory is used again behind the last user only, whoever that is.
func TestBlockOutlivesItsFirstUser(t *testing.T) {
	const n = 1000
	value := strings.Repeat("abcdefgh", 16)
	for range 100 {
		b := filled(n, value)
		b.Keep()
		half := b.Slice(n/2, n)
		b.Free() // the reader drops it, a task still reads
		other := filled(n, strings.Repeat("ABCDEFGH", 16))
		for i := range half.Len() {
			if got := string(half.Value(i)); got != value || half.Offset(i) != int64(n/2+i) || string(half.Key(i)) != "a" || half.Times[i] != int64(n/2+i) {
				t.Fatalf("record %d is %.20q", i, got)
			}
		}
		half.Free()
		other.Free()
	}
}

// TestBlocksAreUsedAgain: what is freed by all comes back, without records and with the size that is asked for.
func TestBlocksAreUsedAgain(t *testing.T) {
	again := 0
	for i := range 100 {
		b := filled(1000+i%7, "0123456789abcdef0123456789abcdef0123456789")
		p := &b.Data[0]
		b.Free()
		c := New(42_000)
		if &c.Data[0] == p {
			again++
		}
		if c.Len() != 0 || c.Keys != nil || c.Offsets != nil || c.Headers != nil || len(c.Data) != 42_000 || cap(c.Data)-len(c.Data) < Padding {
			t.Fatalf("%d records, %d bytes of %d, keys %v", c.Len(), len(c.Data), cap(c.Data), c.Keys)
		}
		c.Free()
	}
	if again == 0 {
		t.Error("no memory was used again")
	}
}

// TestSmallBlocks are the collector's.
func TestSmallBlocks(t *testing.T) {
	b := New(10)
	b.Room(1, true)
	b.Keep()
	b.Free()
	b.Free()
	if len(b.Data) != 10 || cap(b.Data) < 10+Padding || cap(b.Keys) < 1 {
		t.Errorf("%d bytes of %d", len(b.Data), cap(b.Data))
	}
}
