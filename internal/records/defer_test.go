package records

import (
	"errors"
	"testing"
)

// kept is a deferred block's place, which counts.
type kept struct {
	whole         *Block
	loads, closes int
	err           error
}

func (k *kept) Load() (*Block, error) {
	k.loads++
	if k.err != nil {
		return nil, k.err
	}
	k.whole.Keep()
	return k.whole, nil
}
func (k *kept) Size() int64 { return 77 }
func (k *kept) Close()      { k.closes++ }

// TestDefer: a deferred block has a length and a size, can be sliced, and lets go of its place behind the last user.
func TestDefer(t *testing.T) {
	in := &kept{whole: filled(10, "0123456789")}
	b := Defer(2, 8, in)
	part := b.Slice(4, 100)
	part.Keep()
	if b.Len() != 6 || part.Len() != 4 || part.First != 4 || part.Next != 8 || b.Bytes() != 77 || in.loads != 0 {
		t.Errorf("%d records, a part of %d [%d, %d), %d bytes, %d loads", b.Len(), part.Len(), part.First, part.Next, b.Bytes(), in.loads)
	}
	for _, c := range []*Block{b, part} {
		loaded, err := c.Load()
		if err != nil || loaded.First != c.First || loaded.Next != c.Next || loaded.Len() != c.Len() || loaded.Offset(0) != c.First {
			t.Fatalf("loaded [%d, %d) with %d records, %v", loaded.First, loaded.Next, loaded.Len(), err)
		}
		loaded.Free()
	}
	b.Free()
	if in.closes != 0 {
		t.Error("closed before the last user is gone")
	}
	part.Free()
	if in.closes != 1 || in.loads != 2 {
		t.Errorf("%d times closed, %d times loaded", in.closes, in.loads)
	}
	if _, err := Defer(0, 1, &kept{err: errors.New("gone")}).Load(); err == nil {
		t.Error("no error")
	}
	if again, err := in.whole.Load(); again != in.whole || err != nil {
		t.Errorf("an ordinary block loads %v, %v", again, err)
	}
}
