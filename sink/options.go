package sink

// AsOne gathers each batch of the sink into one lane, so that readers see a batch as a whole or not at all (P6). One
// goroutine then writes the whole output.
func (s Sink) AsOne() Sink {
	c := *s.spec
	c.Atomic = true
	return Sink{&c}
}
