package row

import "encoding/binary"

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
			b = binary.LittleEndian.AppendUint64(b, c.w8[r])
		}
		if c.valid != nil {
			b = append(b, c.valid[r])
		}
	}
	return b
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
			c.w8[r] = binary.LittleEndian.Uint64(b)
		}
		b = b[c.width:]
		if c.valid != nil {
			c.valid[r] = b[0]
			b = b[1:]
		}
	}
	return b
}
