package sink

import (
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
)

// levels are the slots of a column on the way from its rows down to its leaf. Slot i stands at element idx[i] of the array at hand, or
// nowhere (-1) where something above it is null or an empty list. def and rep are Parquet's definition and repetition levels.
//
//	rows [[1 2] [] null] of an optional list of required ints: def 2 2 1 0, rep 0 1 0 0, values 1 2
type levels struct {
	def, rep []int16
	idx      []int32
	depth    int16 // definition level of what is there
	lists    int16 // repeated groups so far
}

func newLevels(rows int) levels {
	l := levels{def: make([]int16, rows), rep: make([]int16, rows), idx: make([]int32, rows)}
	for i := range l.idx {
		l.idx[i] = int32(i)
	}
	return l
}

// optional goes through a nullable node.
func (l levels) optional(arr arrow.Array) levels {
	out := levels{def: make([]int16, len(l.def)), rep: l.rep, idx: make([]int32, len(l.idx)), depth: l.depth + 1, lists: l.lists}
	copy(out.def, l.def)
	copy(out.idx, l.idx)
	for i, at := range l.idx {
		switch {
		case at < 0:
		case arr.IsNull(int(at)):
			out.idx[i] = -1
		default:
			out.def[i] = out.depth
		}
	}
	return out
}

// repeated goes from a list to its elements: a slot becomes as many as its list has elements, and one for an empty list.
func (l levels) repeated(arr array.ListLike) levels {
	out := levels{depth: l.depth + 1, lists: l.lists + 1}
	for i, at := range l.idx {
		var from, until int64
		if at >= 0 {
			from, until = arr.ValueOffsets(int(at))
		}
		if from == until {
			out.def, out.rep, out.idx = append(out.def, l.def[i]), append(out.rep, l.rep[i]), append(out.idx, -1)
			continue
		}
		rep := l.rep[i]
		for j := from; j < until; j++ {
			out.def, out.rep, out.idx = append(out.def, out.depth), append(out.rep, rep), append(out.idx, int32(j))
			rep = out.lists
		}
	}
	return out
}

// writeNode writes arr, a column or a part of one, to the leaves from number *at on.
func writeNode(group file.BufferedRowGroupWriter, at *int, f arrow.Field, arr arrow.Array, l levels) error {
	if f.Nullable {
		l = l.optional(arr)
	}
	switch a := arr.(type) {
	case *array.Struct:
		for i, child := range a.DataType().(*arrow.StructType).Fields() {
			if err := writeNode(group, at, child, a.Field(i), l); err != nil {
				return err
			}
		}
		return nil
	case *array.Map:
		dt := a.DataType().(*arrow.MapType)
		l = l.repeated(a)
		key := dt.KeyField()
		key.Nullable = false
		if err := writeNode(group, at, key, a.Keys(), l); err != nil {
			return err
		}
		return writeNode(group, at, dt.ItemField(), a.Items(), l)
	case *array.List:
		return writeNode(group, at, a.DataType().(*arrow.ListType).ElemField(), a.ListValues(), l.repeated(a))
	}
	w, err := group.Column(*at)
	if err != nil {
		return err
	}
	*at++
	if l.depth == 0 {
		l.def = nil
	}
	if l.lists == 0 {
		l.rep = nil
	}
	return writeLeaf(w, arr, l)
}

// writeLeaf writes a column of plain values: a type switch, then a loop.
func writeLeaf(w file.ColumnChunkWriter, arr arrow.Array, l levels) (err error) {
	switch w := w.(type) {
	case *file.BooleanColumnChunkWriter:
		_, err = w.WriteBatch(pick(l, arr.(*array.Boolean).Value), l.def, l.rep)
	case *file.Int32ColumnChunkWriter:
		var vals []int32
		if vals, err = int32s(arr, l); err == nil {
			_, err = w.WriteBatch(vals, l.def, l.rep)
		}
	case *file.Int64ColumnChunkWriter:
		var vals []int64
		if vals, err = int64s(arr, l); err == nil {
			_, err = w.WriteBatch(vals, l.def, l.rep)
		}
	case *file.Float32ColumnChunkWriter:
		_, err = w.WriteBatch(pick(l, arr.(*array.Float32).Value), l.def, l.rep)
	case *file.Float64ColumnChunkWriter:
		_, err = w.WriteBatch(pick(l, arr.(*array.Float64).Value), l.def, l.rep)
	case *file.ByteArrayColumnChunkWriter:
		_, err = w.WriteBatch(byteArrays(arr, l), l.def, l.rep)
	case *file.FixedLenByteArrayColumnChunkWriter:
		if d, ok := arr.(*array.Decimal128); ok {
			_, err = w.WriteBatch(pick(l, func(i int) parquet.FixedLenByteArray { return bigEndian(d.Value(i)) }), l.def, l.rep)
			break
		}
		value := arr.(*array.FixedSizeBinary).Value
		_, err = w.WriteBatch(pick(l, func(i int) parquet.FixedLenByteArray { return value(i) }), l.def, l.rep)
	default:
		err = fmt.Errorf("%s has no form in Parquet", arr.DataType())
	}
	return err
}

// pick are the values at the slots that stand somewhere.
func pick[T any](l levels, value func(int) T) []T {
	out := make([]T, 0, len(l.idx))
	for _, at := range l.idx {
		if at >= 0 {
			out = append(out, value(int(at)))
		}
	}
	return out
}

func convert[P int32 | int64, T ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64](l levels, vals []T) []P {
	out := make([]P, 0, len(l.idx))
	for _, at := range l.idx {
		if at >= 0 {
			out = append(out, P(vals[at]))
		}
	}
	return out
}

func int32s(arr arrow.Array, l levels) ([]int32, error) {
	switch a := arr.(type) {
	case *array.Int8:
		return convert[int32](l, a.Int8Values()), nil
	case *array.Int16:
		return convert[int32](l, a.Int16Values()), nil
	case *array.Int32:
		return convert[int32](l, a.Int32Values()), nil
	case *array.Uint8:
		return convert[int32](l, a.Uint8Values()), nil
	case *array.Uint16:
		return convert[int32](l, a.Uint16Values()), nil
	case *array.Uint32:
		return convert[int32](l, a.Uint32Values()), nil
	}
	return nil, fmt.Errorf("%s has no form as a 32-bit integer", arr.DataType())
}

func int64s(arr arrow.Array, l levels) ([]int64, error) {
	switch a := arr.(type) {
	case *array.Int64:
		return convert[int64](l, a.Int64Values()), nil
	case *array.Uint64:
		return convert[int64](l, a.Uint64Values()), nil
	case *array.Duration:
		return convert[int64](l, a.DurationValues()), nil
	case *array.Timestamp:
		return convert[int64](l, a.TimestampValues()), nil
	}
	return nil, fmt.Errorf("%s has no form as a 64-bit integer", arr.DataType())
}

func byteArrays(arr arrow.Array, l levels) []parquet.ByteArray {
	if a, ok := arr.(*array.Binary); ok {
		return pick(l, func(i int) parquet.ByteArray { return a.Value(i) })
	}
	a := arr.(*array.String)
	return pick(l, func(i int) parquet.ByteArray { return parquet.ByteArray(a.Value(i)) })
}

// bigEndian is a decimal as Parquet has it.
func bigEndian(n decimal128.Num) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(n.HighBits()))
	return binary.BigEndian.AppendUint64(b, n.LowBits())
}
