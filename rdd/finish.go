package rdd

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
		if s.gathers != nil {
			return t.allOf(s, out)
		}
		return t.spread(s, out)
	})
}
