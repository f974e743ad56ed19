package dstream

// Join gives f(v, w) for each pair of a row of s and a row of o that have the same key in this batch, under that key. Keys come in order of
// first appearance in s; the rows of a key by s first, then by o, each in order of (source partition, offset).
func (s Keyed[K, V]) Join[W, U any](o Keyed[K, W], f func(V, W) U) Keyed[K, U] {
	at := caller()
	need(s.job, at, "Join", f == nil)
	return coGroup[K](s.job, at, "join", s.node, o.node, func(vs []V, ws []W, out func(U)) {
		for _, v := range vs {
			for _, w := range ws {
				out(f(v, w))
			}
		}
	})
}

// LeftOuterJoin is Join that also gives f(v, nil) for each row of s whose key this batch has not in o. What the pointer refers to must not
// be changed: other rows of the key have the same.
func (s Keyed[K, V]) LeftOuterJoin[W, U any](o Keyed[K, W], f func(V, *W) U) Keyed[K, U] {
	at := caller()
	need(s.job, at, "LeftOuterJoin", f == nil)
	return coGroup[K](s.job, at, "leftOuterJoin", s.node, o.node, func(vs []V, ws []W, out func(U)) {
		for _, v := range vs {
			for j := range orOne(len(ws)) {
				out(f(v, side(ws, j)))
			}
		}
	})
}

// RightOuterJoin is Join that also gives f(nil, w) for each row of o whose key this batch has not in s: those keys come last, in order of
// first appearance in o. What the pointer refers to must not be changed.
func (s Keyed[K, V]) RightOuterJoin[W, U any](o Keyed[K, W], f func(*V, W) U) Keyed[K, U] {
	at := caller()
	need(s.job, at, "RightOuterJoin", f == nil)
	return coGroup[K](s.job, at, "rightOuterJoin", s.node, o.node, func(vs []V, ws []W, out func(U)) {
		for i := range orOne(len(vs)) {
			for _, w := range ws {
				out(f(side(vs, i), w))
			}
		}
	})
}

// FullOuterJoin is Join that also gives f(&v, nil) for each row of s whose key this batch has not in o, and f(nil, &w) the other way round:
// those keys come last, in order of first appearance in o. What the pointers refer to must not be changed.
func (s Keyed[K, V]) FullOuterJoin[W, U any](o Keyed[K, W], f func(*V, *W) U) Keyed[K, U] {
	at := caller()
	need(s.job, at, "FullOuterJoin", f == nil)
	return coGroup[K](s.job, at, "fullOuterJoin", s.node, o.node, func(vs []V, ws []W, out func(U)) {
		for i := range orOne(len(vs)) {
			for j := range orOne(len(ws)) {
				out(f(side(vs, i), side(ws, j)))
			}
		}
	})
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
