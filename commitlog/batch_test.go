package commitlog

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestAddValues: values that are added together are those that are added one by one, whatever is in the batch already.
func TestAddValues(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		var one, all Batch
		both := func(f func(b *Batch) error) {
			if err := errors.Join(f(&one), f(&all)); err != nil {
				t.Fatal(err)
			}
		}
		for range 1 + r.IntN(5) {
			switch r.IntN(4) {
			case 0:
				both(func(b *Batch) error { return b.Add([]byte("key"), []byte("value"), 1) })
			case 1:
				both(func(b *Batch) error { return b.AddHeaders(nil, nil, 2, []Header{{Name: "h", Value: []byte("v")}}) })
			default:
				ends := []int32{int32(r.IntN(9))} // those of a slice do not begin at 0
				var data []byte
				for range r.IntN(20) {
					v := make([]byte, r.IntN(9))
					for i := range v {
						v[i] = byte(r.Uint32())
					}
					data = append(data, v...)
					ends = append(ends, ends[0]+int32(len(data)))
					if err := one.Add(nil, v, 3); err != nil {
						t.Fatal(err)
					}
				}
				if err := all.AddValues(data, ends, 3); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !equalBatches(&one, &all) {
			t.Fatalf("seed %d: %+v, want %+v", seed, all, one)
		}
	}
}

func equalBatches(a, b *Batch) bool {
	same := func(x, y any) bool {
		return reflect.ValueOf(x).Len() == 0 && reflect.ValueOf(y).Len() == 0 || reflect.DeepEqual(x, y)
	}
	return same(a.keys, b.keys) && same(a.values, b.values) && same(a.keyLens, b.keyLens) && same(a.valueLens, b.valueLens) && same(a.times, b.times) &&
		same(a.headers, b.headers) && same(a.headerEnds, b.headerEnds)
}

// TestAddValuesTooLong: a value above the limit is refused, and nothing was added.
func TestAddValuesTooLong(t *testing.T) {
	b := new(Batch)
	if err := b.Add(nil, []byte("x"), 1); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, MaxRecord+2)
	if err := b.AddValues(data, []int32{0, 1, int32(len(data))}, 1); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v, want ErrTooLong", err)
	}
	if b.Len() != 1 || len(b.times) != 1 || len(b.values) != 1 {
		t.Errorf("%d records, %d times, %d bytes are there", b.Len(), len(b.times), len(b.values))
	}
}
