package row

import (
	"encoding/binary"
	"slices"
)

// AppendImage appends what row r holds to b, for SetImage.
func (v *Vectors) AppendImage(b []byte, r int32) []byte {
	for i := range v.cols {
		c := &v.cols[i]
		switch c.width {
		case 0:
			s := c.arena.Get(r)
			b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
			continue
		case 1:
			b = append(b, c.w1[r])
		case 2:
			b = binary.LittleEndian.AppendUint16(b, c.w2[r])
		case 4:
			b = binary.LittleEndian.AppendUint32(b, c.w4[r])
		case 8:
			b = binary.LittleEndian.AppendUint64(b, c.longs.at(r))
		}
		if c.valid != nil {
			b = append(b, c.valid[r])
		}
	}
	return b
}

// AppendImages is AppendImage for many rows.
func (v *Vectors) AppendImages(b []byte, rows []int32) []byte {
	size := v.imageSize()
	if size == 0 {
		for _, r := range rows {
			b = v.AppendImage(b, r)
		}
		return b
	}
	first := len(b)
	b = slices.Grow(b, size*len(rows))[:first+size*len(rows)]
	at := first
	for i := range v.cols {
		c := &v.cols[i]
		switch c.width {
		case 1:
			for j, r := range rows {
				b[at+j*size] = c.w1[r]
			}
		case 2:
			for j, r := range rows {
				binary.LittleEndian.PutUint16(b[at+j*size:], c.w2[r])
			}
		case 4:
			for j, r := range rows {
				binary.LittleEndian.PutUint32(b[at+j*size:], c.w4[r])
			}
		case 8:
			for j, r := range rows {
				binary.LittleEndian.PutUint64(b[at+j*size:], c.longs.at(r))
			}
		}
		at += c.width
		if c.valid != nil {
			for j, r := range rows {
				b[at+j*size] = c.valid[r]
			}
			at++
		}
	}
	return b
}

// imageSize is the size of an image, 0 if they differ.
func (v *Vectors) imageSize() (size int) {
	for i := range v.cols {
		c := &v.cols[i]
		if c.width == 0 {
			return 0
		}
		if size += c.width; c.valid != nil {
			size++
		}
	}
	return size
}

// SetImage gives row r back what it held when b was appended by AppendImage, and is the rest of b.
func (v *Vectors) SetImage(b []byte, r int32) []byte {
	for i := range v.cols {
		c := &v.cols[i]
		switch c.width {
		case 0:
			n, w := binary.Uvarint(b)
			b = b[w:]
			c.arena.Set(r, b[:n])
			b = b[n:]
			continue
		case 1:
			c.w1[r] = b[0]
		case 2:
			c.w2[r] = binary.LittleEndian.Uint16(b)
		case 4:
			c.w4[r] = binary.LittleEndian.Uint32(b)
		case 8:
			c.longs.set(r, binary.LittleEndian.Uint64(b))
		}
		b = b[c.width:]
		if c.valid != nil {
			c.valid[r] = b[0]
			b = b[1:]
		}
	}
	return b
}
