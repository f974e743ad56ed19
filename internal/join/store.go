package join

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"reflect"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
)

// place is where rows of one key and of a span of time are kept together: few rows for most keys, and never all rows of a frequent one.
type place struct {
	Group row.GroupID // of the key
	Key   []byte      // encoded
	Span  int64       // the time divided by the span's length, rounded down
}

var placeCodec = row.Must[place]()

// heldCodec is the codec of what is kept at a place: packed rows. The column's name says of which form they are: a checkpoint with rows of another form is refused
// and not misread.
func heldCodec(form string) *row.Codec {
	h := fnv.New64a()
	h.Write([]byte(form))
	c, err := row.Of(reflect.StructOf([]reflect.StructField{
		{Name: "Rows", Type: reflect.TypeFor[[]byte](), Tag: reflect.StructTag(fmt.Sprintf(`arrow:"rows_%016x"`, h.Sum64()))},
	}))
	assert.True(err == nil, "%v", err)
	return c
}

// placeBytes is what a place has besides the key, nearly always.
const placeBytes = 10

// appendPlace adds a place to k, which must be Grouped.
func appendPlace(k *row.Keys, buf []byte, key []byte, hash uint64, span int64) []byte {
	buf = append(buf[:0], byte(row.Group(hash)))
	buf = binary.AppendUvarint(buf, uint64(len(key)))
	buf = append(buf, key...)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(span))
	k.Append(buf)
	return buf
}

// spanOf is the place of a time t and the time since the span's beginning.
func spanOf(t, width int64) (span int64, since uint64) {
	span = t / width
	if t%width < 0 {
		span--
	}
	return span, uint64(t - span*width)
}

// touched are the places of a side that a batch has to do with.
type touched struct {
	table *state.Table
	codec *row.Codec // of what is held
	slots *row.Dict  // the places, numbered
	rows  []int32    // by slot: of the table, -1 where there is none
	data  [][]byte   // by slot: the rows there, in memory of its own
	dirty []bool     // by slot
	due   []int64    // by slot, where dirty: when it is to be looked at
}

// load reads what is held at the slots.
func (t *touched) load() {
	n := t.slots.Len()
	t.rows, t.data, t.dirty, t.due = make([]int32, n), make([][]byte, n), make([]bool, n), make([]int64, n)
	t.table.Find(t.slots.Keys(), t.rows)
	known, at := ops.Present(t.rows)
	for i, d := range heldData(t.table, known) {
		t.data[at[i]] = d
	}
}

// heldData are the packed rows at rows of a table, in memory of the caller's.
func heldData(t *state.Table, rows []int32) [][]byte {
	if len(rows) == 0 {
		return nil
	}
	out := make([][]byte, len(rows))
	for i, d := range t.GetCols(rows).Cols[0].Texts {
		out[i] = unsafe.Slice(unsafe.StringData(d), len(d)) // nobody else has this memory
	}
	return out
}

// store writes the slots that are dirty; those without rows go.
func (t *touched) store() {
	var gone, idx []int32
	for i, d := range t.dirty {
		switch {
		case !d:
		case len(t.data[i]) > 0:
			idx = append(idx, int32(i))
		case t.rows[i] >= 0:
			gone = append(gone, t.rows[i])
		}
	}
	if len(gone) > 0 {
		t.table.Delete(gone)
	}
	if len(idx) == 0 {
		return
	}
	data, due, rows := make([][]byte, len(idx)), make([]int64, len(idx)), make([]int32, len(idx))
	for i, s := range idx {
		data[i], due[i] = t.data[s], t.due[s]
	}
	t.table.Upsert(ops.Subset(t.slots.Keys(), idx), rows)
	putData(t.table, t.codec, rows, data, due)
}

// putData stores packed rows at rows of a table.
func putData(t *state.Table, c *row.Codec, rows []int32, data [][]byte, due []int64) {
	if len(rows) == 0 {
		return
	}
	texts := make([]string, len(data))
	for i, d := range data {
		texts[i] = unsafe.String(unsafe.SliceData(d), len(d))
	}
	t.SetCols(rows, col.Of(c.Schema(), len(rows), &col.Vec{Type: arrow.BinaryTypes.Binary, Kind: col.Text, N: len(rows), Texts: texts}))
	t.SetDue(rows, due)
}
