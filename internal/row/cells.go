package row

import "unsafe"

// cells are the addresses of one value in a run of rows: a strided run of memory, chosen rows of one, or a list.
//
//	strided  base + i*stride
//	chosen   base + idx[i]*stride
//	listed   at[i] + off; nil is a value inside a null
type cells struct {
	base   unsafe.Pointer
	stride uintptr
	idx    []int32
	at     []unsafe.Pointer
	off    uintptr
	listed bool
	n      int
}

// field is the cells of a value at off in each of c's.
func (c cells) field(off uintptr) cells {
	switch {
	case c.listed:
		c.off += off
	case c.base != nil && off > 0:
		c.base = unsafe.Add(c.base, off)
	}
	return c
}

// cell is the address of value i, nil inside a null.
func (c *cells) cell(i int) unsafe.Pointer {
	switch {
	case c.listed:
		if c.at[i] == nil {
			return nil
		}
		return unsafe.Add(c.at[i], c.off)
	case c.idx != nil:
		return unsafe.Add(c.base, uintptr(c.idx[i])*c.stride)
	}
	return unsafe.Add(c.base, uintptr(i)*c.stride)
}

// gather copies the cells' values to dst; values inside a null are left as they are.
func gather[T any](dst []T, c *cells) {
	if c.n == 0 {
		return
	}
	dst = dst[:c.n]
	switch {
	case c.listed:
		for i, p := range c.at[:len(dst)] {
			if p != nil {
				dst[i] = *(*T)(unsafe.Add(p, c.off))
			}
		}
	case c.idx != nil:
		for i, r := range c.idx[:len(dst)] {
			dst[i] = *(*T)(unsafe.Add(c.base, uintptr(r)*c.stride))
		}
	case c.stride == unsafe.Sizeof(dst[0]):
		copy(dst, unsafe.Slice((*T)(c.base), len(dst)))
	default:
		for i := range dst {
			dst[i] = *(*T)(unsafe.Add(c.base, uintptr(i)*c.stride))
		}
	}
}

// scatter copies src to the cells; values inside a null are passed over.
func scatter[T any](src []T, c *cells) {
	if c.n == 0 {
		return
	}
	src = src[:c.n]
	switch {
	case c.listed:
		for i, p := range c.at[:len(src)] {
			if p != nil {
				*(*T)(unsafe.Add(p, c.off)) = src[i]
			}
		}
	case c.idx != nil:
		for i, r := range c.idx[:len(src)] {
			*(*T)(unsafe.Add(c.base, uintptr(r)*c.stride)) = src[i]
		}
	case c.stride == unsafe.Sizeof(src[0]):
		copy(unsafe.Slice((*T)(c.base), len(src)), src)
	default:
		for i := range src {
			*(*T)(unsafe.Add(c.base, uintptr(i)*c.stride)) = src[i]
		}
	}
}

// header is a slice as the runtime lays it out.
type header struct {
	data     unsafe.Pointer
	len, cap int
}

// text is a string as the runtime lays it out.
type text struct {
	data unsafe.Pointer
	len  int
}
