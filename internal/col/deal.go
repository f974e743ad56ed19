package col

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/batch"
)

// Dealing deals rows of batches out to parts, a record each. Rows are copied once, when many have come together: until then the batches are kept.
type Dealing struct {
	schema *arrow.Schema
	pieces [][]Piece // by part
	rows   int       // of pieces
	packed [][]arrow.Record
}

// dealRows is how many rows wait in batches: most tasks have fewer, and those of large batches are put together from few records.
const dealRows = 1 << 16

// NewDealing deals out to n parts.
func NewDealing(schema *arrow.Schema, n int) *Dealing {
	return &Dealing{schema: schema, pieces: make([][]Piece, n), packed: make([][]arrow.Record, n)}
}

// Add gives rows idx of those of b that count (nil: all) to a part. Neither may be changed afterwards.
func (d *Dealing) Add(b *Batch, part int, idx []int32) {
	n := len(idx)
	if idx == nil {
		n = b.Len()
	}
	if n == 0 {
		return
	}
	d.pieces[part] = append(d.pieces[part], Piece{b, idx})
	if d.rows += n; d.rows >= dealRows {
		d.pack()
	}
}

// pack copies the rows that wait.
func (d *Dealing) pack() {
	for i, p := range d.pieces {
		if len(p) > 0 {
			d.packed[i] = append(d.packed[i], Gather(d.schema, p))
			clear(p)
			d.pieces[i] = p[:0]
		}
	}
	d.rows = 0
}

// Records are the parts in the order in which rows were added, nil for those without rows. Nothing is left.
func (d *Dealing) Records() []arrow.Record {
	d.pack()
	out := make([]arrow.Record, len(d.packed))
	for i, recs := range d.packed {
		out[i] = batch.Concat(recs)
		d.packed[i] = nil
	}
	return out
}
