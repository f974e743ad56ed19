package ops

import (
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/row"
)

// Scratch is pointer-free memory of one task for working with keys. Nothing that a user could hold is in it, so it is
// reused from task to task (P26).
type Scratch struct {
	Dict *row.Dict // numbers of the keys so far
	Keys row.Keys  // of the chunk or block in hand
	Rows []int32   // for row numbers of a state
	idx  []int32
}

var scratches = sync.Pool{New: func() any { return &Scratch{Dict: row.NewDict(0)} }}

// NewScratch is a scratch without keys.
func NewScratch() *Scratch { return scratches.Get().(*Scratch) }

// Free gives s back; the caller forgets it. Memory that has grown far beyond what this task needed is let go: emptying it
// would cost every small batch after a large one.
func (s *Scratch) Free() {
	if keys := s.Dict.Keys(); cap(keys.Ends) > 64*len(keys.Ends)+1<<13 {
		return
	}
	s.Dict.Reset()
	s.Keys.Reset()
	scratches.Put(s)
}

// WithScratch lends f a scratch. It is not given back when f panics: a locator may still read it.
func WithScratch(f func(s *Scratch) error) error {
	s := NewScratch()
	err := f(s)
	s.Free()
	return err
}

// Numbers is memory for n numbers of keys, of any content, until it is called again.
func (s *Scratch) Numbers(n int) []int32 {
	s.idx = Sized(s.idx, n)
	return s.idx
}

// Sized is buf with n elements of any content.
func Sized[T any](buf []T, n int) []T {
	if cap(buf) < n {
		return make([]T, n, n+n/4)
	}
	return buf[:n]
}

// Add numbers the n keys of a chunk in the dictionary: the number of each, and how many keys are known now.
func (s *Scratch) Add(key *row.Codec, keys any, n int) (idx []int32, known int) {
	idx = s.Numbers(n)
	if !s.Dict.AddRows(key, keys, idx) {
		s.Keys.Reset()
		key.AppendKeys(keys, &s.Keys)
		s.Dict.Add(&s.Keys, idx)
	}
	return idx, s.Dict.Len()
}

// Read reads the keys of a block.
func (s *Scratch) Read(key *row.Codec, rec arrow.Record) error {
	s.Keys.Reset()
	return key.AppendKeyColumns(KeyColumns(key, rec), &s.Keys)
}

// NumberBlock numbers the keys of a block in the dictionary.
func (s *Scratch) NumberBlock(key *row.Codec, rec arrow.Record, idx []int32) error {
	if key.BareText() {
		return s.Dict.AddTextColumn(key, KeyColumns(key, rec), idx)
	}
	if err := s.Read(key, rec); err != nil {
		return err
	}
	s.Dict.Add(&s.Keys, idx)
	return nil
}

// KeyColumns are the columns of the key.
func KeyColumns(key *row.Codec, rec arrow.Record) []arrow.Array {
	return rec.Columns()[:key.Schema().NumFields()]
}

// ValColumns are the columns behind the key and skip more.
func ValColumns(key *row.Codec, rec arrow.Record, skip int) []arrow.Array {
	return rec.Columns()[key.Schema().NumFields()+skip:]
}

// RowsOf is c.Rows with its type: cols as a new []T.
func RowsOf[T any](c *row.Codec, cols []arrow.Array) ([]T, error) {
	rows, err := c.Rows(cols, nil)
	if err != nil {
		return nil, err
	}
	return rows.([]T), nil
}

// KeyedRowsOf are the keys and values of a record of both.
func KeyedRowsOf[K, V any](key, val *row.Codec, rec arrow.Record) (keys []K, vals []V, err error) {
	if keys, err = RowsOf[K](key, KeyColumns(key, rec)); err == nil {
		vals, err = RowsOf[V](val, ValColumns(key, rec, 0))
	}
	return keys, vals, err
}

// KeyRows are keys idx (nil: all) of k as a new []K.
func KeyRows[K any](c *row.Codec, k *row.Keys, idx []int32) ([]K, error) {
	rows, err := c.KeyRows(k, idx, nil)
	if err != nil {
		return nil, err
	}
	return rows.([]K), nil
}

// Present are the row numbers that are not -1, and where they stand.
func Present(rows []int32) (known, places []int32) {
	for i, n := range rows {
		if n >= 0 {
			known = append(known, n)
			places = append(places, int32(i))
		}
	}
	return known, places
}

// Subset are keys idx of k.
func Subset(k *row.Keys, idx []int32) *row.Keys {
	if len(idx) == k.Len() {
		return k
	}
	out := &row.Keys{}
	out.AppendFrom(k, idx)
	return out
}
