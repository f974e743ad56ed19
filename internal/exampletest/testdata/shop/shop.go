// Package shop is a package whose examples are looked for.
package shop

// Till is a type with methods.
type Till[T any] struct{ rows []T }

// Pair is a type with two parameters.
type Pair[K, V any] struct{}

// Open has an example.
func Open() {}

// Close has none.
func Close() {}

// Count has an example.
func (t *Till[T]) Count() int { return len(t.rows) }

// Sum has one without an output.
func (t Till[T]) Sum() int { return 0 }

// Swap has none.
func (p Pair[K, V]) Swap() {}

func (p Pair[K, V]) hidden() {}

type inner struct{}

// Shown belongs to a type that is not exported.
func (inner) Shown() {}
