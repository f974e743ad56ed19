package row

import (
	"reflect"
	"time"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/batch"
)

// Vectors are rows of one codec as columns that change in place: numbered rows over pointer-free memory, for state. One
// goroutine at a time. Scalars are kept in vectors of their width, strings as places in an arena, everything else encoded
// in an arena as strings are. The limit of one column's arena is 4 GiB.
type Vectors struct {
	codec *Codec
	n     int
	cols  []vector
}

// vector is one leaf of the row.
type vector struct {
	col   *column
	off   uintptr  // of the leaf in a row
	width int      // 1, 2, 4, 8; 0: in the arena
	w1    []uint8  // values by width
	w2    []uint16 //
	w4    []uint32 //
	longs longs    //
	valid []uint8  // nullable scalars: 1 where there is a value
	arena Arena
}

// zeroTime is time.Time{}. Vectors count times from there, so that zero memory is the zero time.
var zeroTime = uint64(time.Time{}.UnixMicro())

// NewVectors has no rows.
func NewVectors(c *Codec) *Vectors {
	v := &Vectors{codec: c}
	for _, col := range c.cols {
		v.addLeaves(col, col.off)
	}
	v.pair()
	return v
}

// pair keeps the second of two times that stand next to each other by how far it is behind the first.
func (v *Vectors) pair() {
	isTime := func(c *vector) bool { return c.col.kind == timeKind && !c.col.ptr }
	for i := 1; i < len(v.cols); i++ {
		if first, second := &v.cols[i-1], &v.cols[i]; isTime(first) && isTime(second) && first.longs.near == nil {
			second.longs.near = &first.longs
		}
	}
}

func (v *Vectors) addLeaves(col *column, off uintptr) {
	if col.kind == structKind && !col.ptr {
		for _, kid := range col.kids {
			v.addLeaves(kid, off+kid.off)
		}
		return
	}
	leaf := vector{col: col, off: off}
	switch col.kind {
	case boolKind:
		leaf.width = 1
	case timeKind:
		leaf.width = 8
	case fixedKind:
		if col.size <= 8 { // decimals are in the arena
			leaf.width = int(col.size)
		}
	}
	v.cols = append(v.cols, leaf)
}

// Len is the number of rows.
func (v *Vectors) Len() int { return v.n }

// Grow adds zero rows until there are n.
func (v *Vectors) Grow(n int) {
	if n <= v.n {
		return
	}
	v.n = n
	for i := range v.cols {
		c := &v.cols[i]
		switch c.width {
		case 0:
			c.arena.Grow(n)
			continue
		case 1:
			c.w1 = grow(c.w1, n)
		case 2:
			c.w2 = grow(c.w2, n)
		case 4:
			c.w4 = grow(c.w4, n)
		case 8:
			c.longs.grow(n)
		}
		if c.col.ptr {
			c.valid = grow(c.valid, n)
		}
	}
}

// grow is s with n elements; new ones are zero. Memory grows by a quarter at least.
func grow[T any](s []T, n int) []T {
	if n <= cap(s) {
		return s[:n]
	}
	t := make([]T, n, max(n, cap(s)+cap(s)/4, 64))
	copy(t, s)
	return t
}

// Set stores rows src (a []T) as rows idx. A row that stands in idx twice keeps the later one.
func (v *Vectors) Set(idx []int32, src any) {
	base, n := v.codec.memory(src)
	assert.True(n == len(idx), "%d values for %d rows", n, len(idx))
	if n == 0 {
		return
	}
	for i := range v.cols {
		c := &v.cols[i]
		in := cells{base: unsafe.Add(base, c.off), stride: v.codec.size, n: n}
		if c.width == 0 {
			c.setBytes(idx, in)
			continue
		}
		if c.col.ptr {
			in, _, _ = deref(in)
			for j, r := range idx {
				c.valid[r] = 0
				if in.at[j] != nil {
					c.valid[r] = 1
				}
			}
		}
		c.setFixed(idx, in)
	}
}

func (c *vector) setFixed(idx []int32, in cells) {
	switch {
	case c.col.kind == timeKind:
		c.longs.put(idx, sinceZero(batch.As[uint64](writeTimes(in))))
	case c.width == 1: // a bool is a byte of 0 or 1
		store(c.w1, idx, in)
	case c.width == 2:
		store(c.w2, idx, in)
	case c.width == 4:
		store(c.w4, idx, in)
	case c.longs.full != nil:
		store(c.longs.full, idx, in)
	default:
		c.longs.putCells(idx, in)
	}
}

// sinceZero counts times from the zero time, in place.
func sinceZero(us []uint64) []uint64 {
	for i := range us {
		us[i] -= zeroTime
	}
	return us
}

// putCells is put for cells of eight bytes; those inside a null are zero.
func (w *longs) putCells(idx []int32, in cells) {
	var vals [256]uint64
	for lo := 0; lo < len(idx); lo += len(vals) {
		part := idx[lo:min(lo+len(vals), len(idx))]
		for i := range part {
			if vals[i] = 0; in.cell(lo+i) != nil {
				vals[i] = *(*uint64)(in.cell(lo + i))
			}
		}
		w.put(part, vals[:len(part)])
	}
}

// store sets vec[idx[i]] to cell i; values inside a null are zero.
func store[T any](vec []T, idx []int32, in cells) {
	var zero T
	for i, r := range idx {
		if p := in.cell(i); p != nil {
			vec[r] = *(*T)(p)
		} else {
			vec[r] = zero
		}
	}
}

func (c *vector) setBytes(idx []int32, in cells) {
	if !c.col.ptr && (c.col.kind == stringKind || c.col.kind == bytesKind) {
		for i, r := range idx {
			t := (*text)(in.cell(i)) // a slice begins as a string does
			c.arena.Set(r, unsafe.Slice((*byte)(t.data), t.len))
		}
	} else {
		var b []byte
		for i, r := range idx {
			b = c.col.encode(b[:0], in.cell(i))
			c.arena.Set(r, b)
		}
	}
	c.arena.Compact()
}

// Get appends rows idx to dst, a []T or nil, and returns it. Strings are copies.
func (v *Vectors) Get(idx []int32, dst any) any {
	inRange(idx, v.n)
	dst, out := v.codec.extend(dst, len(idx))
	if len(idx) == 0 {
		return dst
	}
	for i := range v.cols {
		c := &v.cols[i]
		cells := out.field(c.off)
		if c.width == 0 {
			c.getBytes(idx, cells)
			continue
		}
		if c.col.ptr {
			cells = c.point(idx, cells)
		}
		c.getFixed(idx, cells)
	}
	return dst
}

// point allocates the values of nullable scalars and points the cells to them.
func (c *vector) point(idx []int32, out cells) cells {
	at := make([]unsafe.Pointer, len(idx))
	count := 0
	for _, r := range idx {
		count += int(c.valid[r])
	}
	slab := reflect.MakeSlice(reflect.SliceOf(c.col.typ), count, count).UnsafePointer()
	next := uintptr(0)
	for i, r := range idx {
		if c.valid[r] == 1 {
			at[i] = unsafe.Add(slab, next*c.col.size)
			*(*unsafe.Pointer)(out.cell(i)) = at[i]
			next++
		}
	}
	return cells{at: at, listed: true, n: len(idx)}
}

func (c *vector) getFixed(idx []int32, out cells) {
	switch {
	case c.col.kind == timeKind:
		for i, r := range idx {
			if p := out.cell(i); p != nil {
				*(*time.Time)(p) = time.UnixMicro(int64(c.longs.at(r) + zeroTime)).UTC()
			}
		}
	case c.width == 1:
		load(c.w1, idx, out)
	case c.width == 2:
		load(c.w2, idx, out)
	case c.width == 4:
		load(c.w4, idx, out)
	case c.longs.full != nil:
		load(c.longs.full, idx, out)
	case c.longs.slim != nil: // otherwise they are zero, as the cells are
		for i, r := range idx {
			if p := out.cell(i); p != nil {
				*(*uint64)(p) = c.longs.at(r)
			}
		}
	}
}

// load sets cell i to vec[idx[i]].
func load[T any](vec []T, idx []int32, out cells) {
	for i, r := range idx {
		if p := out.cell(i); p != nil {
			*(*T)(p) = vec[r]
		}
	}
}

func (c *vector) getBytes(idx []int32, out cells) {
	size := 0
	for _, r := range idx {
		size += c.arena.Len(r)
	}
	copies := texts{make([]byte, 0, size)}
	plain := !c.col.ptr && (c.col.kind == stringKind || c.col.kind == bytesKind)
	for i, r := range idx {
		b := copies.copy(c.arena.Get(r))
		if plain {
			c.col.decodeScalar(b, out.cell(i))
		} else if len(b) > 0 { // a row that was never set has no encoding: zero
			_, err := c.col.decode(b, out.cell(i))
			assert.True(err == nil, "row %d of column %s: %v", r, c.col.field.Name, err)
		}
	}
}

// Ints is column i as it is kept, if it is an int64 that is not nullable, and nil otherwise. It is valid until the next Grow.
func (v *Vectors) Ints(i int) []int64 {
	c := &v.cols[i]
	if !v.Int64(i) || v.n == 0 {
		return nil
	}
	return reread[int64](c.longs.widen())
}

// Int64 tells whether Ints works for column i.
func (v *Vectors) Int64(i int) bool {
	return i < len(v.cols) && v.cols[i].col.kind == fixedKind && !v.cols[i].col.ptr && v.cols[i].col.field.Type.ID() == arrow.INT64
}

// Clear makes rows zero.
func (v *Vectors) Clear(rows []int32) {
	for i := range v.cols {
		c := &v.cols[i]
		switch c.width {
		case 0:
			c.arena.Clear(rows)
			continue
		case 1:
			zero(c.w1, rows)
		case 2:
			zero(c.w2, rows)
		case 4:
			zero(c.w4, rows)
		case 8:
			c.longs.clear(rows)
		}
		if c.valid != nil {
			zero(c.valid, rows)
		}
	}
}

func zero[T uint8 | uint16 | uint32 | uint64](mem []T, rows []int32) {
	for _, r := range rows {
		mem[r] = 0
	}
}

// Bytes is the memory held.
func (v *Vectors) Bytes() int64 {
	var n int
	for i := range v.cols {
		c := &v.cols[i]
		n += cap(c.w1) + 2*cap(c.w2) + 4*cap(c.w4) + c.longs.bytes() + cap(c.valid) + c.arena.Bytes()
	}
	return int64(n)
}
