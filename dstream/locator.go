package dstream

import (
	"fmt"

	"github.com/millrace/millrace/internal/row"
)

// locator remembers which keys a reducer works on, for messages about panics.
type locator[K any] struct {
	codec *row.Codec
	keys  *row.Keys
	now   int
	only  *K // in place of keys
}

// at says that the reducer goes through keys from now on.
func (l *locator[K]) at(c *row.Codec, keys *row.Keys) {
	l.codec, l.keys, l.now, l.only = c, keys, 0, nil
}

// At is the key in hand; it makes reducers rdd.Locators.
func (l *locator[K]) At() string {
	if l.only != nil {
		return fmt.Sprintf("%+v", *l.only)
	}
	if l.keys == nil || l.now >= l.keys.Len() {
		return ""
	}
	rows, err := l.codec.KeyRows(l.keys, []int32{int32(l.now)}, nil)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%+v", rows.([]K)[0])
}
