package row

import (
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/batch"
)

// textColumn is KeyColumns of bare text.
func textColumn(t arrow.DataType, k *Keys, idx []int32) arrow.Array {
	n, size := k.Len(), len(k.Data)
	if idx != nil {
		n, size = len(idx), k.size(idx)
	}
	assert.True(size <= math.MaxInt32, "a column of %d bytes of text in one batch passes the limit of 2 GiB", size)
	offs, mem := batch.Alloc(4*(n+1)), batch.Alloc(size)
	ends := batch.As[uint32](offs)[1:]
	if idx == nil {
		copy(ends, k.Ends)
		copy(mem, k.Data)
	} else {
		k.gather(idx, mem, ends)
	}
	return array.MakeFromData(data(t, n, 0, nil, nil, offs, mem))
}

// gather writes keys idx one behind the other to mem, which is as long as they are, and where they end.
func (k *Keys) gather(idx []int32, mem []byte, ends []uint32) {
	at := 0
	for i, j := range idx {
		lo, hi := uint32(0), k.Ends[j]
		if j > 0 {
			lo = k.Ends[j-1]
		}
		if hi-lo <= wordSize && int(lo)+wordSize <= len(k.Data) && at+wordSize <= len(mem) {
			*(*[wordSize]byte)(mem[at:]) = [wordSize]byte(k.Data[lo:]) // the next key is written over what is too much
			at += int(hi - lo)
		} else {
			at += copy(mem[at:], k.Data[lo:hi])
		}
		ends[i] = uint32(at)
	}
}
