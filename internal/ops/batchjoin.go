package ops

// Inner gives f(v, w) for each pair of values of a key.
func Inner[V, W, U any](f func(V, W) U) func([]V, []W, func(U)) {
	return func(vs []V, ws []W, out func(U)) {
		for _, v := range vs {
			for _, w := range ws {
				out(f(v, w))
			}
		}
	}
}

// LeftOuter is Inner that also gives f(v, nil) where there are no ws.
func LeftOuter[V, W, U any](f func(V, *W) U) func([]V, []W, func(U)) {
	return func(vs []V, ws []W, out func(U)) {
		for _, v := range vs {
			for j := range orOne(len(ws)) {
				out(f(v, side(ws, j)))
			}
		}
	}
}

// RightOuter is Inner that also gives f(nil, w) where there are no vs.
func RightOuter[V, W, U any](f func(*V, W) U) func([]V, []W, func(U)) {
	return func(vs []V, ws []W, out func(U)) {
		for i := range orOne(len(vs)) {
			for _, w := range ws {
				out(f(side(vs, i), w))
			}
		}
	}
}

// FullOuter is both LeftOuter and RightOuter.
func FullOuter[V, W, U any](f func(*V, *W) U) func([]V, []W, func(U)) {
	return func(vs []V, ws []W, out func(U)) {
		for i := range orOne(len(vs)) {
			for j := range orOne(len(ws)) {
				out(f(side(vs, i), side(ws, j)))
			}
		}
	}
}

// orOne is n, and 1 for none: an outer join goes once through a side that is missing.
func orOne(n int) int { return max(n, 1) }

// side is row i of a side, nil if the side is missing.
func side[T any](rows []T, i int) *T {
	if len(rows) == 0 {
		return nil
	}
	return &rows[i]
}
