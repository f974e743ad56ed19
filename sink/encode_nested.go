package sink

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

func (c *cells) structs(dst *bytesColumn, a *array.Struct) error {
	cols := make([]arrow.Array, a.NumField())
	for i := range cols {
		cols[i] = a.Field(i)
	}
	if a.NullN() == 0 {
		return c.object.encode(dst, cols, a.Len())
	}
	c.scratch.reset()
	if err := c.object.encode(&c.scratch, cols, a.Len()); err != nil {
		return err
	}
	c.each(dst, a, func(i int) { dst.Data = append(dst.Data, c.scratch.Value(i)...) })
	return nil
}

// lists encodes all elements first, then puts them together.
func (c *cells) lists(dst *bytesColumn, a array.ListLike) error {
	first, last := elements(a)
	c.scratch.reset()
	if err := c.elem.encode(&c.scratch, array.NewSlice(a.ListValues(), first, last)); err != nil {
		return err
	}
	c.joined(dst, a, "[]", func(j int) { dst.Data = append(dst.Data, c.scratch.Value(j-int(first))...) })
	return nil
}

func (c *cells) maps(dst *bytesColumn, a *array.Map) error {
	first, last := elements(a)
	c.keys.reset()
	c.scratch.reset()
	if err := c.mapKey.encode(&c.keys, array.NewSlice(a.Keys(), first, last)); err != nil {
		return err
	}
	if err := c.elem.encode(&c.scratch, array.NewSlice(a.Items(), first, last)); err != nil {
		return err
	}
	c.joined(dst, a, "{}", func(j int) {
		dst.Data = appendString(dst.Data, c.keys.Value(j-int(first)))
		dst.Data = append(dst.Data, ':')
		dst.Data = append(dst.Data, c.scratch.Value(j-int(first))...)
	})
	return nil
}

// elements is which elements the lists of a have.
func elements(a array.ListLike) (first, last int64) {
	if a.Len() > 0 {
		first, _ = a.ValueOffsets(0)
		_, last = a.ValueOffsets(a.Len() - 1)
	}
	return first, last
}

// joined appends each row's elements between two brackets.
func (c *cells) joined(dst *bytesColumn, a array.ListLike, brackets string, add func(j int)) {
	c.each(dst, a, func(i int) {
		dst.Data = append(dst.Data, brackets[0])
		from, until := a.ValueOffsets(i)
		for j := from; j < until; j++ {
			if j > from {
				dst.Data = append(dst.Data, ',')
			}
			add(int(j))
		}
		dst.Data = append(dst.Data, brackets[1])
	})
}

// objects encodes several columns as one JSON object a row.
type objects struct {
	before [][]byte // what stands before each column's cell: {"a": and ,"b":
	after  string   // what ends a row: } or, in files, } and a line feed
	cols   []column
}

func newObjects(fields []arrow.Field) (*objects, error) {
	o := &objects{after: "}"}
	for i, f := range fields {
		c, err := newCells(f.Name, f.Type, false)
		if err != nil {
			return nil, err
		}
		before := []byte{','}
		if i == 0 {
			before[0] = '{'
		}
		o.before = append(o.before, append(appendString(before, f.Name), ':'))
		o.cols = append(o.cols, column{cells: c})
	}
	return o, nil
}

func (o *objects) bind(cols []arrow.Array) error {
	for i := range o.cols {
		if err := o.cols[i].bind(cols[i]); err != nil {
			return err
		}
	}
	return nil
}

// append appends row i's object.
func (o *objects) append(dst []byte, i int) []byte {
	if len(o.cols) == 0 {
		dst = append(dst, '{')
	}
	for j := range o.cols {
		dst = append(dst, o.before[j]...)
		dst = o.cols[j].append(dst, i)
	}
	return append(dst, o.after...)
}

// encode appends n objects to dst.
func (o *objects) encode(dst *bytesColumn, cols []arrow.Array, n int) error {
	if err := o.bind(cols); err != nil {
		return err
	}
	for i := range n {
		dst.Data = o.append(dst.Data, i)
		dst.end()
	}
	for i := range o.cols {
		o.cols[i].unbind()
	}
	if len(dst.Data) > maxEncoded {
		return fmt.Errorf("%d rows take over 4 GiB encoded: make batches smaller (--max-rate)", n)
	}
	return nil
}
