package rdd

// Described is an RDD or Keyed of any type.
type Described interface {
	Node() *Node
	Builder() *Builder
}

// Expanding makes the Expand of a transform from a function over RDDs; for packages that make operators. f makes RDDs of in, which are nodes of b, by Of and
// KeyedOf, and gives the one that it built. Mistakes that f makes on the way are the transform's errors.
func Expanding(f func(info BatchInfo, b *Builder, in []*Node) Described) Expand {
	return func(info BatchInfo, in []*Node) (*Node, error) {
		b := &Builder{Job: true}
		for _, n := range in {
			b.keep(Site{}, n)
		}
		out := f(info, b, in)
		if out.Node() == nil {
			return nil, b.mistaken()
		}
		for _, b := range []*Builder{b, out.Builder()} { // another one, if it used nothing that it was given
			if err := b.mistaken(); err != nil {
				return nil, err
			}
			for i, n := range b.nodes {
				if !n.owned {
					n.ID = i // Sample draws by it
				}
			}
		}
		return out.Node(), nil
	}
}

// Pinned is rows that every process has in memory as an RDD, in equal parts a partition and in order; for packages that have such rows. facts says in the
// plan's text what they are. The rows are shared by all batches: nobody may change them.
func Pinned[T any](at Site, name, facts string, rows []T) RDD[T] {
	b := &Builder{}
	return RDD[T]{b, b.Add(at, &Node{
		Kind: Wide, Op: "pinned", Name: name, Val: CodecOf[T](b, at),
		Wide: &WideSpec{OnEmpty: true, Facts: facts, New: func() Reducer {
			return giver(func(lo, hi int) Chunk { return Chunk{N: hi - lo, Vals: rows[lo:hi:hi]} }, len(rows))
		}},
	})}
}
