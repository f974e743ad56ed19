package row

import (
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
)

// Fingerprint is a checksum of what rows, a []T, hold: test builds compare it before and after a call to find user code that
// changes rows which it was given (P24).
func (c *Codec) Fingerprint(rows any) uint64 {
	return batch.Sum(array.NewRecord(c.schema, c.Columns(rows, nil), int64(c.Len(rows))))
}
