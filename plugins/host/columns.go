package host

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// numbers is a column of int32.
func numbers(schema *arrow.Schema, list []int32) arrow.Record {
	b := array.NewInt32Builder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues(list, nil)
	return array.NewRecord(schema, []arrow.Array{b.NewArray()}, int64(len(list)))
}

// flags are what an Update is told of its keys.
func flags(exists, due []bool, timers []int64) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, wire.Flags)
	defer b.Release()
	b.Field(0).(*array.BooleanBuilder).AppendValues(exists, nil)
	b.Field(1).(*array.BooleanBuilder).AppendValues(due, nil)
	b.Field(2).(*array.Int64Builder).AppendValues(timers, nil)
	return b.NewRecord()
}

// actions are what an Update answers of n keys.
func actions(rec arrow.Record, n int) ([]plugins.Action, []int64, error) {
	if rec == nil && n == 0 {
		return nil, nil, nil
	}
	if rec == nil || int(rec.NumRows()) != n {
		return nil, nil, fmt.Errorf("no action for each of %d keys", n)
	}
	out := make([]plugins.Action, n)
	for i, a := range rec.Column(0).(*array.Uint8).Uint8Values() {
		out[i] = plugins.Action(a)
	}
	return out, append([]int64(nil), rec.Column(1).(*array.Int64).Int64Values()...), nil
}

func int32s(rec arrow.Record) []int32 {
	if rec == nil {
		return nil
	}
	return rec.Column(0).(*array.Int32).Int32Values()
}

func int64s(rec arrow.Record) []int64 {
	if rec == nil {
		return nil
	}
	return rec.Column(0).(*array.Int64).Int64Values()
}

// keysOf are the key numbers of some rows, counted from key from on.
func keysOf(of, rows []int32, from int) []int32 {
	out := make([]int32, len(rows))
	for i, r := range rows {
		out[i] = of[r] - int32(from)
	}
	return out
}
