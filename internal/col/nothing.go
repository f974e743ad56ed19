package col

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// Nothing is n values of a nested type that are not there, as rows of Go values have them: a list or map is empty, which stands for null, and a struct is null. The fields
// of a struct that is null have values: they may be of types without nulls.
func Nothing(t arrow.DataType, n int) arrow.Array {
	s, is := t.(*arrow.StructType)
	if !is {
		return empty(t, n)
	}
	fields := make([]arrow.ArrayData, len(s.Fields()))
	for i, f := range s.Fields() {
		fields[i] = empty(f.Type, n).Data()
	}
	return array.NewStructData(array.NewData(t, n, []*memory.Buffer{memory.NewBufferBytes(make([]byte, (n+7)/8))}, fields, n, 0))
}

// empty is n values of a type that are empty or zero.
func empty(t arrow.DataType, n int) arrow.Array {
	b := array.NewBuilder(memory.DefaultAllocator, t)
	for range n {
		b.AppendEmptyValue()
	}
	return b.NewArray()
}
