package ops

import (
	"fmt"

	"github.com/millrace/millrace/internal/row"
)

// Locator remembers which keys a reducer works on, for messages about panics; reducers embed it.
type Locator[K any] struct {
	Now  int // the place in the keys that Through was given
	Only *K  // the key in hand, in place of them

	codec *row.Codec
	keys  *row.Keys
}

// Through says that the reducer goes through keys from now on.
func (l *Locator[K]) Through(c *row.Codec, keys *row.Keys) {
	l.codec, l.keys, l.Now, l.Only = c, keys, 0, nil
}

// At is the key in hand; it makes reducers task.Locators.
func (l *Locator[K]) At() string {
	if l.Only != nil {
		return fmt.Sprintf("%+v", *l.Only)
	}
	if l.keys == nil || l.Now >= l.keys.Len() {
		return ""
	}
	rows, err := l.codec.KeyRows(l.keys, []int32{int32(l.Now)}, nil)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%+v", rows.([]K)[0])
}
