package agg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
)

func quantileOf(a expr.Agg, args []arrow.DataType) (kind, error) {
	of, err := number(args[0])
	q := a.Param().(float64)
	switch {
	case err != nil:
		return kind{}, err
	case of == col.Decimal:
		return kind{}, errors.New("a quantile of decimals is not computed; cast them to float64")
	case !(q >= 0 && q <= 1):
		return kind{}, fmt.Errorf("quantile %v; want 0 to 1", q)
	}
	k := kind{partial: []arrow.Field{{Name: "sketch", Type: bytesType}}, result: arrow.Field{Type: floatType, Nullable: true}}
	k.new = func() state {
		return &sketches[buckets, *buckets]{typ: floatType, put: bucketed, result: func(b *buckets, out *col.Vec, i int) {
			if b.n == 0 {
				out.SetNull(i)
				return
			}
			out.Floats[i] = b.quantile(q)
		}}
	}
	return k, nil
}

func bucketed(b *buckets, v *col.Vec, row int32) {
	switch v.Kind {
	case col.Int:
		b.add(float64(v.Ints[row]))
	case col.Uint:
		b.add(float64(v.Uints[row]))
	default:
		if x := v.Floats[row]; x == x {
			b.add(x)
		}
	}
}

// buckets is a histogram whose buckets are as wide as their values are large, like a DDSketch with a linearly interpolated index: a bucket is all floats with the same
// sign, exponent and first bits of the mantissa, so that its number is cut from the float's bits. At level 0 that is 7 bits of mantissa: the middle of a bucket is off by 1/256 at
// most. When there are too many buckets, pairs of neighbours become one and the level rises. The level is the lowest at which the set of values fits, whatever their
// order and split, and so are the bytes.
type buckets struct {
	level  uint8
	keys   []int32 // ascending
	counts []uint64
	n      uint64
	lo, hi float64 // extremes
}

const (
	bucketShift = 52 - 7
	maxBuckets  = 2048
)

func (b *buckets) reset() { *b = buckets{keys: b.keys[:0], counts: b.counts[:0]} }

// keyOf is the bucket of a float at level 0. Keys are in the order of the floats.
func keyOf(x float64) int32 {
	k := int32(math.Float64bits(math.Abs(x)) >> bucketShift)
	if x < 0 {
		return ^k
	}
	return k
}

func (b *buckets) add(x float64) {
	if x == 0 {
		x = 0 // not -0
	}
	b.reach(x, x, 1)
	b.put(keyOf(x)>>b.level, 1)
}

// reach counts n values between lo and hi.
func (b *buckets) reach(lo, hi float64, n uint64) {
	if b.n == 0 {
		b.lo, b.hi = lo, hi
	}
	b.lo, b.hi, b.n = min(b.lo, lo), max(b.hi, hi), b.n+n
}

func (b *buckets) put(key int32, n uint64) {
	at, found := slices.BinarySearch(b.keys, key)
	if found {
		b.counts[at] += n
		return
	}
	b.keys, b.counts = slices.Insert(b.keys, at, key), slices.Insert(b.counts, at, n)
	for len(b.keys) > maxBuckets {
		b.widen()
	}
}

// widen makes one bucket of two neighbours.
func (b *buckets) widen() {
	b.level++
	n := 0
	for i, k := range b.keys {
		k >>= 1
		if n > 0 && b.keys[n-1] == k {
			b.counts[n-1] += b.counts[i]
			continue
		}
		b.keys[n], b.counts[n] = k, b.counts[i]
		n++
	}
	b.keys, b.counts = b.keys[:n], b.counts[:n]
}

// append writes level, extremes and buckets: each key as the distance from the one before.
func (b *buckets) append(out []byte) []byte {
	if b.n == 0 {
		return out
	}
	out = append(out, b.level)
	out = binary.LittleEndian.AppendUint64(out, math.Float64bits(b.lo))
	out = binary.LittleEndian.AppendUint64(out, math.Float64bits(b.hi))
	last := int32(0)
	for i, k := range b.keys {
		out = binary.AppendVarint(out, int64(k-last))
		out = binary.AppendUvarint(out, b.counts[i])
		last = k
	}
	return out
}

func (b *buckets) merge(data string) bool {
	if data == "" {
		return true
	}
	if len(data) < 17 {
		return false
	}
	in := []byte(data)
	level, lo, hi := in[0], math.Float64frombits(binary.LittleEndian.Uint64(in[1:])), math.Float64frombits(binary.LittleEndian.Uint64(in[9:]))
	for b.level < level {
		b.widen()
	}
	key := int32(0)
	for in = in[17:]; len(in) > 0; {
		d, w := binary.Varint(in)
		if w <= 0 {
			return false
		}
		n, v := binary.Uvarint(in[w:])
		if v <= 0 {
			return false
		}
		key += int32(d)
		b.reach(lo, hi, n)
		b.put(key>>(b.level-level), n)
		in = in[w+v:]
	}
	return true
}

// quantile is the value of rank q*(n-1), rounded down, as the middle of its bucket; extremes are exact.
func (b *buckets) quantile(q float64) float64 {
	rank := uint64(q * float64(b.n-1))
	switch rank {
	case 0:
		return b.lo
	case b.n - 1:
		return b.hi
	}
	var below uint64
	for i, k := range b.keys {
		if below += b.counts[i]; below > rank {
			return min(max(middle(k, b.level), b.lo), b.hi)
		}
	}
	return b.hi
}

// middle is the middle of a bucket.
func middle(key int32, level uint8) float64 {
	if key < 0 {
		return -middle(^key, level)
	}
	from := math.Float64frombits(uint64(key) << (bucketShift + level))
	until := math.Float64frombits(uint64(key+1) << (bucketShift + level))
	if key == 0 || math.IsInf(until, 0) || until != until {
		return from // of the bucket that begins with 0, and of those at the ends
	}
	return from + (until-from)/2
}
