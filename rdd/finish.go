package rdd

// Finisher is a kernel that holds rows back until all rows of its task have come: what it gives depends on the whole partition.
type Finisher interface {
	Kernel
	// Finish gives the rows that were held back, after the last call of Process, and leaves the kernel as new.
	Finish(ctx *Context) (Chunk, error)
}

// finish lets a stage that held rows back send them on. Which record they came from is not known any more.
func (t *Pipeline) finish(s *stage) error {
	f, ok := s.kernel.(Finisher)
	if !ok {
		return nil
	}
	return t.guard(nil, func() error {
		t.at, t.origin = s.node, extent{}
		out, err := f.Finish(t.ctx)
		if err != nil {
			return t.engineError(s.node, err)
		}
		return t.spread(s, out)
	})
}
