package records

import (
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/internal/fault"
)

// Blocks are large, read once, and gone with their batch. Fresh memory for each would be cleared by the allocator and mapped page by page by the kernel, which
// costs more than reading it, so blocks of some size are used again once nobody uses them any more.

const (
	poolStep  = 64 << 10 // sizes are multiples of it
	poolSteps = 32       // larger blocks are not kept,
	poolLeast = 32 << 10 // nor are smaller ones
)

var pools [poolSteps]sync.Pool

// shared counts who uses the memory of a block and its slices.
type shared struct {
	block *Block // as it was made; nil for a deferred block
	keys  []Span // memory for keys
	users atomic.Int32
}

// New is a block with size bytes of Data, of any content, and no records. It has one user, and Slices of it count as it. The memory is used again when
// there is no user left; a user who goes on to hold strings or slices of Data never calls Free, and leaves it to the garbage collector.
func New(size int) *Block {
	total := size + Padding
	if total < poolLeast || total > poolStep*poolSteps {
		return &Block{Data: make([]byte, size, total)}
	}
	class := (total - 1) / poolStep
	b, ok := pools[class].Get().(*Block)
	if !ok {
		b = &Block{Data: make([]byte, (class+1)*poolStep)}
		b.mem = &shared{block: b}
	}
	b.mem.users.Store(1)
	b.Data = b.Data[:size]
	return b
}

// Keep counts one more user.
func (b *Block) Keep() {
	if b.mem != nil {
		b.mem.users.Add(1)
	}
}

// Free says that a user needs neither the block nor anything in its memory any more.
func (b *Block) Free() {
	if b.mem == nil || b.mem.users.Add(-1) != 0 && !fault.Planted("P26-freed") {
		return
	}
	if b.in != nil {
		b.in.Close()
		return
	}
	whole := b.mem.block
	if fault.Enabled { // who reads on reads this
		data := whole.Data[:cap(whole.Data)]
		for i := range data {
			data[i] = '~'
		}
	}
	*whole = Block{Data: whole.Data, Values: whole.Values[:0], Times: whole.Times[:0], mem: b.mem}
	pools[(cap(whole.Data)-1)/poolStep].Put(whole)
}

// Room makes room for n records with times, and keys if there are some, in a block of New.
func (b *Block) Room(n int, keys bool) {
	b.Values, b.Times = sized(b.Values, n), sized(b.Times, n)
	switch {
	case !keys:
	case b.mem == nil:
		b.Keys = make([]Span, 0, n)
	default:
		b.mem.keys = sized(b.mem.keys, n)
		b.Keys = b.mem.keys
	}
}

// sized is s without elements, and with room for n.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, 0, n+n/8)
	}
	return s[:0]
}
