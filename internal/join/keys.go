package join

import (
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
)

// Keys computes and encodes the keys of batches, for one task.
type Keys struct {
	row.Keys
	codec *row.Codec
	evals []*expr.Eval
	null  []bool
	vecs  []*col.Vec // the parts of the keys that were read
	found []int32
}

// NewKeys is a Keys for the given parts of keys, whose codec has columns that are never null.
func NewKeys(codec *row.Codec, parts []*expr.Bound) *Keys {
	k := &Keys{codec: codec, evals: make([]*expr.Eval, len(parts))}
	for i, p := range parts {
		k.evals[i] = p.Eval()
	}
	return k
}

// Read encodes the keys of the rows of b, which must be dense, in place of those before. null tells which have a null in them, nil if none has: what is encoded for them
// is the key with zero in place of null.
func (k *Keys) Read(b *col.Batch) (null []bool) {
	k.Reset()
	null = k.parts(b)
	k.codec.AppendVecKeys(k.vecs, numbered(b.N), &k.Keys)
	return null
}

// Find are the numbers that the keys of the rows of b, which must be dense, have in a dictionary, -1 where it has not; they are valid until Find is called again. null is as for Read; what was read before is of no more use.
func (k *Keys) Find(d *row.Dict, b *col.Batch) (null []bool, numbers []int32) {
	k.found = ops.Sized(k.found, b.N)
	numbers = k.found
	if k.codec.BareText() {
		null = k.parts(b)
		d.FindTexts(k.vecs[0], numbers)
		return null, numbers
	}
	null = k.Read(b)
	d.Find(&k.Keys, numbers)
	return null, numbers
}

// parts computes the parts of the keys. null is as for Read.
func (k *Keys) parts(b *col.Batch) (null []bool) {
	assert.True(b.Sel == nil, "keys of a batch that is not dense")
	vecs := make([]*col.Vec, len(k.evals))
	for i, e := range k.evals {
		vecs[i] = e.Vec(b)
		if n := vecs[i].Null; n != nil {
			null = k.mark(null, n[:b.N])
		}
	}
	k.vecs = vecs
	return null
}

// mark adds the nulls of one part to those of the key.
func (k *Keys) mark(all, part []bool) []bool {
	if all == nil {
		k.null = append(k.null[:0], part...)
		return k.null
	}
	for i, n := range part {
		all[i] = all[i] || n
	}
	return all
}
