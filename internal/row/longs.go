package row

// longs is a column of eight-byte numbers that takes the memory which its numbers need: none while all of them are zero, as the upper words of wide sums nearly
// always are, four bytes a row while they are below 2³², as counts and most sums are, and eight otherwise. It gets wider as numbers are stored, and stays so.
//
// With near, the numbers that are kept are what lies above those of another column in the same rows: of two times of a row the second mostly is a little behind the
// first. Both columns of a row are then stored together, near's before.
type longs struct {
	rows int
	slim []uint32
	full []uint64 // of the numbers themselves, whatever near is
	near *longs   // has none itself
}

// grow adds zeros until there are n rows.
func (w *longs) grow(n int) {
	switch w.rows = n; {
	case w.full != nil:
		w.full = grow(w.full, n)
	case w.slim != nil:
		w.slim = grow(w.slim, n)
	}
}

// base is what is added to the slim number of row r.
func (w *longs) base(r int32) uint64 {
	if w.near == nil {
		return 0
	}
	return w.near.at(r)
}

// at is the number of row r.
func (w *longs) at(r int32) uint64 {
	switch {
	case w.full != nil:
		return w.full[r]
	case w.slim != nil:
		return w.base(r) + uint64(w.slim[r])
	}
	return w.base(r)
}

// fit gets the memory that holds vals as rows idx.
func (w *longs) fit(idx []int32, vals []uint64) {
	if w.full != nil {
		return
	}
	bits := uint64(0)
	if w.near == nil {
		for _, v := range vals {
			bits |= v
		}
	} else {
		for i, r := range idx {
			bits |= vals[i] - w.near.at(r)
		}
	}
	switch {
	case bits>>32 != 0:
		w.widen()
	case bits != 0 && w.slim == nil:
		w.slim = make([]uint32, w.rows)
	}
}

// widen goes over to eight bytes a row.
func (w *longs) widen() []uint64 {
	if w.full == nil {
		full := make([]uint64, w.rows)
		if w.slim != nil || w.near != nil {
			for r := range full {
				full[r] = w.at(int32(r))
			}
		}
		w.full, w.slim = full, nil
	}
	return w.full
}

// put stores vals as rows idx. A row that stands in idx twice keeps the later one.
func (w *longs) put(idx []int32, vals []uint64) {
	w.fit(idx, vals)
	switch {
	case w.full != nil:
		for i, r := range idx {
			w.full[r] = vals[i]
		}
	case w.slim == nil:
	case w.near == nil:
		for i, r := range idx {
			w.slim[r] = uint32(vals[i])
		}
	default:
		for i, r := range idx {
			w.slim[r] = uint32(vals[i] - w.near.at(r))
		}
	}
}

// set is put for one row.
func (w *longs) set(r int32, val uint64) {
	if w.full != nil {
		w.full[r] = val
		return
	}
	w.put([]int32{r}, []uint64{val})
}

// get sets out[i] to the number of row idx[i].
func (w *longs) get(idx []int32, out []uint64) {
	switch {
	case w.full != nil:
		for i, r := range idx {
			out[i] = w.full[r]
		}
	case w.near != nil:
		for i, r := range idx {
			out[i] = w.at(r)
		}
	case w.slim != nil:
		for i, r := range idx {
			out[i] = uint64(w.slim[r])
		}
	default:
		clear(out[:len(idx)])
	}
}

// clear makes rows zero.
func (w *longs) clear(rows []int32) {
	switch {
	case w.full != nil:
		zero(w.full, rows)
	case w.slim != nil:
		zero(w.slim, rows)
	}
}

func (w *longs) bytes() int { return 4*cap(w.slim) + 8*cap(w.full) }
