package expr

import "unsafe"

// arena is memory for texts: many in one allocation. It is never used again, so texts of a batch stay what they are.
type arena struct {
	buf  []byte
	rows int // how many texts are made at most, 0: not known. Few do not take room for many
}

const arenaChunk = 16 << 10

// room begins a text of about n bytes: append to buf behind the place that it gives.
func (a *arena) room(n int) (start int) {
	if cap(a.buf)-len(a.buf) < n {
		size := arenaChunk
		if a.rows > 0 {
			size = min(size, a.rows*n)
		}
		a.buf = make([]byte, 0, max(n, size))
	}
	return len(a.buf)
}

// text is what was appended behind start.
func (a *arena) text(start int) string {
	if start == len(a.buf) {
		return ""
	}
	return unsafe.String(&a.buf[start], len(a.buf)-start)
}
