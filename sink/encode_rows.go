package sink

import (
	"strconv"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// columnKind is how a column's cells are read.
type columnKind uint8

const (
	encodedBefore columnKind = iota // by cells, all at once
	ofInts
	ofFloats
	ofTimes
	ofTexts
)

// column writes the cells of one column a row at a time, so that rows are written where they stay. Columns of which most rows are made are read where they are.
type column struct {
	cells     *cells
	kind      columnKind
	nulls     arrow.Array // the column, nil if nothing in it is null
	ints      []int64
	floats    []float64
	times     []arrow.Timestamp
	perSecond int64
	texts     *array.String
	done      bytesColumn
}

// bind makes arr the column. It is read until the next call.
func (c *column) bind(arr arrow.Array) error {
	c.nulls = nil
	if arr.NullN() > 0 {
		c.nulls = arr
	}
	switch a := arr.(type) {
	case *array.Int64:
		c.kind, c.ints = ofInts, a.Int64Values()
	case *array.Float64:
		c.kind, c.floats = ofFloats, a.Float64Values()
	case *array.Timestamp:
		c.kind, c.times, c.perSecond = ofTimes, a.TimestampValues(), unitsPerSecond(a)
	case *array.String:
		c.kind, c.texts = ofTexts, a
	default:
		c.kind = encodedBefore
		c.done.reset()
		return c.cells.encode(&c.done, arr)
	}
	return nil
}

// unbind lets go of the column, which is much memory to hold on to until the next one comes.
func (c *column) unbind() {
	*c = column{cells: c.cells, done: c.done}
}

// append appends row i's cell: null is "null" in JSON and nothing in text.
func (c *column) append(dst []byte, i int) []byte {
	if c.nulls != nil && c.nulls.IsNull(i) {
		if c.cells.text {
			return dst
		}
		return append(dst, "null"...)
	}
	switch c.kind {
	case ofInts:
		return strconv.AppendInt(dst, c.ints[i], 10)
	case ofFloats:
		return appendFloat(dst, c.floats[i], 64, c.cells.text)
	case ofTimes:
		return appendTime(dst, int64(c.times[i]), c.perSecond, c.cells.text)
	case ofTexts:
		if c.cells.text {
			return append(dst, c.texts.Value(i)...)
		}
		return appendString(dst, c.texts.Value(i))
	}
	return append(dst, c.done.Value(i)...)
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
	return p.scalar && p.column.nulls != nil && p.column.nulls.IsNull(i)
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
