package sink

import (
	"strconv"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/col"
)

// columnKind is how a column's cells are read.
type columnKind uint8

const (
	encodedBefore columnKind = iota // by cells, all at once
	ofInts
	ofUints
	ofFloats
	ofTimes
	ofTexts
	ofStrings
)

// column writes the cells of one column a row at a time, so that rows are written where they stay. Columns of which most rows are made are read where they are.
type column struct {
	cells     *cells
	kind      columnKind
	nulls     arrow.Array // the column, nil if nothing in it is null
	null      []bool      // the same of a Vec
	ints      []int64     // of times too
	uints     []uint64
	floats    []float64
	bits      int // of floats
	perSecond int64
	texts     *array.String
	strings   []string
	done      bytesColumn
}

// bind makes arr the column. It is read until the next call.
func (c *column) bind(arr arrow.Array) error {
	c.nulls, c.null = nil, nil
	if arr.NullN() > 0 {
		c.nulls = arr
	}
	switch a := arr.(type) {
	case *array.Int64:
		c.kind, c.ints = ofInts, a.Int64Values()
	case *array.Float64:
		c.kind, c.floats, c.bits = ofFloats, a.Float64Values(), 64
	case *array.Timestamp:
		c.kind, c.ints, c.perSecond = ofTimes, numbersOf(a.TimestampValues()), unitsPerSecond(a.DataType())
	case *array.String:
		c.kind, c.texts = ofTexts, a
	default:
		c.kind = encodedBefore
		c.done.reset()
		return c.cells.encode(&c.done, arr)
	}
	return nil
}

// numbersOf are times as the numbers that they are.
func numbersOf(times []arrow.Timestamp) []int64 {
	return unsafe.Slice((*int64)(unsafe.SliceData(times)), len(times))
}

// direct tells whether the cells of a Vec are read where they are; of others they are encoded all at once.
func direct(v *col.Vec) bool {
	switch v.Kind {
	case col.Int, col.Uint, col.Float:
		return true
	case col.Text:
		return v.Type.ID() == arrow.STRING
	}
	return false
}

// bindVec is bind for a column that is no array.
func (c *column) bindVec(v *col.Vec) error {
	if !direct(v) {
		return c.bind(v.ToArray(nil))
	}
	c.nulls, c.null = nil, v.Null
	switch v.Kind {
	case col.Int:
		c.kind, c.ints = ofInts, v.Ints
		if v.Type.ID() == arrow.TIMESTAMP {
			c.kind, c.perSecond = ofTimes, unitsPerSecond(v.Type)
		}
	case col.Uint:
		c.kind, c.uints = ofUints, v.Uints
	case col.Float:
		c.kind, c.floats, c.bits = ofFloats, v.Floats, 64
		if v.Type.ID() == arrow.FLOAT32 {
			c.bits = 32
		}
	default:
		c.kind, c.strings = ofStrings, v.Texts
	}
	return nil
}

// isNull tells whether row i has no value.
func (c *column) isNull(i int) bool {
	return c.null != nil && c.null[i] || c.nulls != nil && c.nulls.IsNull(i)
}

// unbind lets go of the column, which is much memory to hold on to until the next one comes.
func (c *column) unbind() {
	*c = column{cells: c.cells, done: c.done}
}

// append appends row i's cell: null is "null" in JSON and nothing in text.
func (c *column) append(dst []byte, i int) []byte {
	if c.isNull(i) {
		if c.cells.text {
			return dst
		}
		return append(dst, "null"...)
	}
	switch c.kind {
	case ofInts:
		return strconv.AppendInt(dst, c.ints[i], 10)
	case ofUints:
		return strconv.AppendUint(dst, c.uints[i], 10)
	case ofFloats:
		return appendFloat(dst, c.floats[i], c.bits, c.cells.text)
	case ofTimes:
		return appendTime(dst, c.ints[i], c.perSecond, c.cells.text)
	case ofTexts:
		return c.text(dst, c.texts.Value(i))
	case ofStrings:
		return c.text(dst, c.strings[i])
	}
	return append(dst, c.done.Value(i)...)
}

func (c *column) text(dst []byte, s string) []byte {
	if c.cells.text {
		return append(dst, s...)
	}
	return appendString(dst, s)
}

// bind makes rec's columns those whose rows are asked for, until unbind.
func (e *encoder) bind(rec arrow.Record) error {
	if err := sameSchema(e.schema, rec); err != nil {
		return err
	}
	cols := rec.Columns()
	if e.keys > 0 {
		if err := e.key.bind(cols[:e.keys]); err != nil {
			return err
		}
	}
	return e.val.bind(cols[e.keys:])
}

// bindVecs is bind for rows without keys whose columns are no arrays.
func (e *encoder) bindVecs(b *col.Batch) error {
	if err := sameFields(e.schema, b.Schema); err != nil {
		return err
	}
	if e.val.scalar {
		return e.val.column.bindVec(b.Cols[0])
	}
	for i := range e.val.object.cols {
		if err := e.val.object.cols[i].bindVec(b.Cols[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *part) bind(cols []arrow.Array) error {
	if !p.scalar {
		return p.object.bind(cols)
	}
	return p.column.bind(cols[0])
}

// unbind lets go of the rows.
func (e *encoder) unbind() {
	e.key.unbind()
	e.val.unbind()
}

func (p *part) unbind() {
	p.column.unbind()
	if p.object == nil {
		return
	}
	for i := range p.object.cols {
		p.object.cols[i].unbind()
	}
}

// null tells whether row i is absent.
func (p *part) null(i int) bool {
	return p.scalar && p.column.isNull(i)
}

// append appends row i, which is not null.
func (p *part) append(dst []byte, i int) []byte {
	if !p.scalar {
		return p.object.append(dst, i)
	}
	return p.column.append(dst, i)
}

// bytes is row i, nil exactly if it is null: in memory of the column where its bytes are there, else in scratch.
func (p *part) bytes(scratch *[]byte, i int) []byte {
	if p.null(i) {
		return nil
	}
	if p.scalar && p.column.kind == ofTexts && p.column.cells.text {
		if s := p.column.texts.Value(i); s != "" {
			return unsafe.Slice(unsafe.StringData(s), len(s))
		}
		return []byte{}
	}
	*scratch = p.append((*scratch)[:0], i)
	if *scratch == nil {
		return []byte{}
	}
	return *scratch
}
