package sink

// Atomic gathers each batch of the sink into one lane, so that readers see a batch as a whole or not at all (P6): the driver gives it one lane. One
// goroutine then writes the whole output.
func (s Sink) Atomic() Sink {
	c := *s.spec
	c.Atomic = true
	return Sink{&c}
}
