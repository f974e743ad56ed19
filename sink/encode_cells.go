package sink

import (
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/decimal"
)

// cells encodes one column: a type switch once, then a loop over its rows.
type cells struct {
	text   bool     // bare text instead of JSON
	object *objects // struct: its fields
	elem   *cells   // list: its elements; map: its items
	scratch,
	keys bytesColumn // elements of a list; keys of a map
	mapKey *cells
}

// newCells is the encoder of columns of type dt; name is for the error.
func newCells(name string, dt arrow.DataType, text bool) (*cells, error) {
	c := &cells{text: text}
	switch dt := dt.(type) {
	case *arrow.BooleanType, *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Int64Type,
		*arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type, *arrow.Uint64Type, *arrow.Float32Type, *arrow.Float64Type,
		*arrow.StringType, *arrow.BinaryType, *arrow.FixedSizeBinaryType, *arrow.TimestampType, *arrow.DurationType, *arrow.NullType,
		*arrow.Decimal128Type:
		return c, nil
	case *arrow.StructType:
		if !text {
			var err error
			c.object, err = newObjects(dt.Fields())
			return c, err
		}
	case *arrow.MapType:
		if !text {
			return c, c.setMap(name, dt)
		}
	case arrow.ListLikeType:
		if _, fixed := dt.(*arrow.FixedSizeListType); !text && !fixed {
			var err error
			c.elem, err = newCells(name+"[]", dt.Elem(), false)
			return c, err
		}
	}
	if text {
		return nil, fmt.Errorf("column %s: %s has no form as text: write JSON, or map the row to a string first", name, dt)
	}
	return nil, fmt.Errorf("column %s: %s has no form as JSON", name, dt)
}

func (c *cells) setMap(name string, dt *arrow.MapType) (err error) {
	switch dt.KeyType().ID() {
	case arrow.STRING, arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64, arrow.BOOL:
	default:
		return fmt.Errorf("column %s: a map with %s keys has no form as JSON", name, dt.KeyType())
	}
	// A JSON object's names are strings: keys are encoded as text and quoted when they are put in.
	if c.mapKey, err = newCells(name+" key", dt.KeyType(), true); err != nil {
		return err
	}
	c.elem, err = newCells(name+"[]", dt.ItemType(), false)
	return err
}

// encode appends a cell for each row of arr. Nulls are "null" in JSON and empty in text.
func (c *cells) encode(dst *bytesColumn, arr arrow.Array) error {
	switch a := arr.(type) {
	case *array.Boolean:
		c.each(dst, a, func(i int) { dst.Data = strconv.AppendBool(dst.Data, a.Value(i)) })
	case *array.Int8:
		signed(c, dst, a, a.Int8Values())
	case *array.Int16:
		signed(c, dst, a, a.Int16Values())
	case *array.Int32:
		signed(c, dst, a, a.Int32Values())
	case *array.Int64:
		signed(c, dst, a, a.Int64Values())
	case *array.Duration:
		signed(c, dst, a, a.DurationValues())
	case *array.Uint8:
		unsigned(c, dst, a, a.Uint8Values())
	case *array.Uint16:
		unsigned(c, dst, a, a.Uint16Values())
	case *array.Uint32:
		unsigned(c, dst, a, a.Uint32Values())
	case *array.Uint64:
		unsigned(c, dst, a, a.Uint64Values())
	case *array.Float32:
		floats(c, dst, a, a.Float32Values(), 32)
	case *array.Float64:
		floats(c, dst, a, a.Float64Values(), 64)
	case *array.Decimal128:
		scale := int(a.DataType().(*arrow.Decimal128Type).Scale)
		c.each(dst, a, func(i int) { dst.Data = decimal.Append(dst.Data, a.Value(i), scale) })
	case *array.Timestamp:
		c.times(dst, a)
	case *array.String:
		c.strings(dst, a)
	case *array.Binary:
		c.binaries(dst, a, a.Value)
	case *array.FixedSizeBinary:
		c.binaries(dst, a, a.Value)
	case *array.Struct:
		return c.structs(dst, a)
	case *array.Map: // before List: a Map is one
		return c.maps(dst, a)
	case array.ListLike:
		return c.lists(dst, a)
	case *array.Null:
		for range a.Len() {
			c.null(dst)
		}
	default:
		return fmt.Errorf("%s has no form as %s", arr.DataType(), map[bool]Format{false: JSON, true: Text}[c.text])
	}
	if len(dst.Data) > maxEncoded {
		return fmt.Errorf("%d rows take over 4 GiB encoded: make batches smaller (--max-rate)", arr.Len())
	}
	return nil
}

func (c *cells) null(dst *bytesColumn) {
	if !c.text {
		dst.Data = append(dst.Data, "null"...)
	}
	dst.end()
}

func signed[T ~int8 | ~int16 | ~int32 | ~int64](c *cells, dst *bytesColumn, arr arrow.Array, vals []T) {
	nulls := arr.NullN() > 0
	for i, v := range vals {
		if nulls && arr.IsNull(i) {
			c.null(dst)
			continue
		}
		dst.Data = strconv.AppendInt(dst.Data, int64(v), 10)
		dst.end()
	}
}

func unsigned[T ~uint8 | ~uint16 | ~uint32 | ~uint64](c *cells, dst *bytesColumn, arr arrow.Array, vals []T) {
	nulls := arr.NullN() > 0
	for i, v := range vals {
		if nulls && arr.IsNull(i) {
			c.null(dst)
			continue
		}
		dst.Data = strconv.AppendUint(dst.Data, uint64(v), 10)
		dst.end()
	}
}

func floats[T ~float32 | ~float64](c *cells, dst *bytesColumn, arr arrow.Array, vals []T, bits int) {
	nulls := arr.NullN() > 0
	for i, v := range vals {
		if nulls && arr.IsNull(i) {
			c.null(dst)
			continue
		}
		dst.Data = appendFloat(dst.Data, float64(v), bits, c.text)
		dst.end()
	}
}

// each appends a cell for each row: null, or what add appends. Numbers, times and strings, of which there are many, have loops without a call a row.
func (c *cells) each(dst *bytesColumn, a arrow.Array, add func(i int)) {
	for i := range a.Len() {
		if a.IsNull(i) {
			c.null(dst)
			continue
		}
		add(i)
		dst.end()
	}
}

func (c *cells) times(dst *bytesColumn, a *array.Timestamp) {
	perSecond := unitsPerSecond(a.DataType())
	for i, v := range a.TimestampValues() {
		if a.IsNull(i) {
			c.null(dst)
			continue
		}
		dst.Data = appendTime(dst.Data, int64(v), perSecond, c.text)
		dst.end()
	}
}

func unitsPerSecond(t arrow.DataType) int64 {
	return int64(1e9) / int64(t.(*arrow.TimestampType).Unit.Multiplier())
}

func (c *cells) strings(dst *bytesColumn, a *array.String) {
	nulls := a.NullN() > 0
	for i := range a.Len() {
		switch {
		case nulls && a.IsNull(i):
			c.null(dst)
			continue
		case c.text:
			dst.Data = append(dst.Data, a.Value(i)...)
		default:
			dst.Data = appendString(dst.Data, a.Value(i))
		}
		dst.end()
	}
}

func (c *cells) binaries(dst *bytesColumn, a arrow.Array, value func(int) []byte) {
	c.each(dst, a, func(i int) {
		if c.text {
			dst.Data = append(dst.Data, value(i)...)
			return
		}
		dst.Data = append(dst.Data, '"')
		dst.Data = base64.StdEncoding.AppendEncode(dst.Data, value(i))
		dst.Data = append(dst.Data, '"')
	})
}
