package records

// Deferred is where the records of a deferred block are. Safe for concurrent use.
type Deferred interface {
	// Load reads them: all of them, again each time, into a block with one user.
	Load() (*Block, error)
	// Size is about how many bytes the block will have.
	Size() int64
	// Close is called when the block has no user any more.
	Close()
}

// Defer is a block of the records with offsets [first, next), without a gap, that is read when it is wanted: a backlog is passed on without being in memory, and
// who reads a block goes through it while it lies in the processor's cache. The block has one user.
func Defer(first, next int64, in Deferred) *Block {
	b := &Block{First: first, Next: next, in: in, mem: &shared{}}
	b.mem.users.Store(1)
	return b
}

// Deferred tells whether the records are read only when they are wanted.
func (b *Block) Deferred() bool { return b.in != nil }

// Load is the block with its records, of which the caller is one user more: the block itself, or what a deferred one reads now.
func (b *Block) Load() (*Block, error) {
	if b.in == nil {
		b.Keep()
		return b, nil
	}
	whole, err := b.in.Load()
	if err != nil {
		return nil, err
	}
	if whole.First < b.First || whole.Next > b.Next {
		return whole.Slice(b.First, b.Next), nil
	}
	return whole, nil
}
