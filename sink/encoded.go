package sink

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// Rows that a sink writes as bytes are encoded by the tasks that make them, while their columns are in the cache (decision 0037). What goes to the lanes are
// records of two columns, the bytes of keys and of values; null is absent.

// encodedMark in a schema's metadata tells such records from rows that happen to have two columns of bytes.
const encodedMark = "millrace.encoded"

var (
	encodedKeyed = encodedSchema("key", "value")
	encodedPlain = encodedSchema("value")
)

func encodedSchema(names ...string) *arrow.Schema {
	var fields []arrow.Field
	for _, n := range names {
		fields = append(fields, arrow.Field{Name: n, Type: arrow.BinaryTypes.Binary, Nullable: true})
	}
	mark := arrow.NewMetadata([]string{encodedMark}, []string{"1"})
	return arrow.NewSchema(fields, &mark)
}

// EncodedSchema is the form of rows that reach a lane as bytes (Spec.Encoded): a column of keys, where rows have such, and one of values.
func EncodedSchema(keyed bool) *arrow.Schema {
	if keyed {
		return encodedKeyed
	}
	return encodedPlain
}

// encodedRows are the keys (nil: none) and values of a record of EncodedSchema; values is nil if rec is not one.
func encodedRows(rec arrow.Record) (keys, values *array.Binary) {
	if rec.Schema().Metadata().FindKey(encodedMark) < 0 {
		return nil, nil
	}
	n := int(rec.NumCols()) - 1
	if n > 0 {
		keys = rec.Column(0).(*array.Binary)
	}
	return keys, rec.Column(n).(*array.Binary)
}

// bytesAt is row i of a column of EncodedSchema, nil exactly if it is absent.
func bytesAt(c *array.Binary, i int) []byte {
	if c == nil || c.IsNull(i) {
		return nil
	}
	if v := c.Value(i); v != nil {
		return v
	}
	return []byte{} // of a column that holds no byte
}

// Encodes implements rdd.EncodingOutlet.
func (s *Spec) Encodes() bool { return s.Encoded != nil }

// RowEncoder implements rdd.EncodingOutlet. Spec.Encoded must be set.
func (s *Spec) RowEncoder(key, val *row.Codec, lanes int) rdd.RowEncoder {
	e, err := newRowEncoder(SchemaOf(key, val), *s.Encoded, lanes)
	assert.True(err == nil, "sink %s: rows that were checked when the job was built: %v", s.Name, err)
	return e
}

func newRowEncoder(s Schema, f Format, lanes int) (*rowEncoder, error) {
	enc, err := newEncoder(s, f)
	return &rowEncoder{enc: enc, lanes: make([]laneBytes, lanes)}, err
}

// rowEncoder encodes one task's rows for the lanes of a sink.
type rowEncoder struct {
	enc   *encoder
	lanes []laneBytes
}

// laneBytes are the rows of one lane so far.
type laneBytes struct {
	keys, values *encodedColumn // nil until there are some
}

// encodedColumn is a column of bytes that grows. Its memory is used again when it has become an array.
type encodedColumn struct {
	data  []byte
	ends  []int32
	nulls []int32 // rows
}

var encodedColumns = sync.Pool{New: func() any { return new(encodedColumn) }}

// maxScratch is the memory of a column that is kept for the next one: a task's rows for all partitions where one lane publishes them (W5 with 4 MiB: 1.8 CPU-s a million, with 16: 1.47).
const maxScratch = 16 << 20

// end closes a row whose bytes were appended to data.
func (c *encodedColumn) end() { c.ends = append(c.ends, int32(len(c.data))) }

// null adds a row without a value.
func (c *encodedColumn) null() {
	c.nulls = append(c.nulls, int32(len(c.ends)))
	c.end()
}

// array is the column in memory of its own. c is given back.
func (c *encodedColumn) array() (arrow.Array, error) {
	if len(c.data) > math.MaxInt32 {
		return nil, fmt.Errorf("%d rows for one lane take over 2 GiB encoded: make batches smaller (--max-rate)", len(c.ends))
	}
	n := len(c.ends)
	offs := batch.Alloc(4 * (n + 1))
	copy(batch.As[int32](offs)[1:], c.ends)
	var valid *memory.Buffer
	if len(c.nulls) > 0 {
		bits := batch.Alloc((n + 7) / 8)
		for i := range n {
			bits[i>>3] |= 1 << (i & 7)
		}
		for _, i := range c.nulls {
			bits[i>>3] &^= 1 << (i & 7)
		}
		valid = memory.NewBufferBytes(bits)
	}
	bufs := []*memory.Buffer{valid, memory.NewBufferBytes(offs), memory.NewBufferBytes(slices.Clone(c.data))}
	a := array.NewBinaryData(array.NewData(arrow.BinaryTypes.Binary, n, bufs, nil, len(c.nulls), 0))
	if cap(c.data) <= maxScratch {
		c.data, c.ends, c.nulls = c.data[:0], c.ends[:0], c.nulls[:0]
		encodedColumns.Put(c)
	}
	return a, nil
}

// Columns encodes rows without keys.
func (e *rowEncoder) Columns(b *col.Batch, lane []int32) error {
	if b.Sel != nil && slices.ContainsFunc(b.Cols, func(v *col.Vec) bool { return !direct(v) }) {
		b = b.Dense()
	}
	if err := e.enc.bindVecs(b); err != nil {
		return err
	}
	e.add(b.Len(), b.Sel, lane)
	return nil
}

// Record encodes rows with or without keys.
func (e *rowEncoder) Record(rec arrow.Record, lane []int32) error {
	if err := e.enc.bind(rec); err != nil {
		return err
	}
	e.add(int(rec.NumRows()), nil, lane)
	return nil
}

// add encodes n rows of the columns that are bound: those of the numbers rows, nil for the first n.
func (e *rowEncoder) add(n int, rows, lane []int32) {
	keyed := e.enc.keys > 0
	to := &e.lanes[0]
	for i := range n {
		r := i
		if rows != nil {
			r = int(rows[i])
		}
		if lane != nil {
			to = &e.lanes[lane[i]]
		}
		if to.values == nil {
			to.begin(keyed)
		}
		if keyed {
			to.keys.add(&e.enc.key, r)
		}
		to.values.add(&e.enc.val, r)
	}
	e.enc.unbind()
}

func (l *laneBytes) begin(keyed bool) {
	l.values = encodedColumns.Get().(*encodedColumn)
	if keyed {
		l.keys = encodedColumns.Get().(*encodedColumn)
	}
}

func (c *encodedColumn) add(p *part, row int) {
	if p.null(row) {
		c.null()
		return
	}
	c.data = p.append(c.data, row)
	c.end()
}

// Records are the lanes' rows.
func (e *rowEncoder) Records() ([]arrow.Record, error) {
	out := make([]arrow.Record, len(e.lanes))
	for i, l := range e.lanes {
		if l.values == nil {
			continue
		}
		n := len(l.values.ends)
		var cols []arrow.Array
		for _, c := range []*encodedColumn{l.keys, l.values} {
			if c == nil {
				continue
			}
			a, err := c.array()
			if err != nil {
				return nil, fmt.Errorf("lane %d: %w", i, err)
			}
			cols = append(cols, a)
		}
		out[i] = array.NewRecord(EncodedSchema(l.keys != nil), cols, int64(n))
	}
	clear(e.lanes)
	return out, nil
}
