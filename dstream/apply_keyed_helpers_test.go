package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/plugins"
)

// spread is an operator of kind aggregate over a column count: how many rows there are, the lowest and the highest count, and the last one.
var spread = plugins.Operator{Name: "spread", Aggregate: func([]byte) (plugins.Aggregate, error) { return spreading{}, nil }}

type spreading struct{}

var (
	int64Type    = arrow.PrimitiveTypes.Int64
	spreadResult = arrow.NewSchema([]arrow.Field{{Name: "n", Type: int64Type}, {Name: "low", Type: int64Type, Nullable: true}, {Name: "high", Type: int64Type, Nullable: true}, {Name: "last", Type: int64Type, Nullable: true}}, nil)
)

func (spreading) Schemas(_, in *arrow.Schema) (partial, out *arrow.Schema, err error) {
	if at := in.FieldIndices("count"); len(at) != 1 || in.Field(at[0]).Type.ID() != arrow.INT64 {
		return nil, nil, errors.New("it needs a column \"count\" of int64")
	}
	return spreadResult, spreadResult, nil
}

func (s spreading) Partial(_ context.Context, _ plugins.Batch, in arrow.Record, of []int32, keys int) (arrow.Record, error) {
	count := in.Column(in.Schema().FieldIndices("count")[0]).(*array.Int64)
	return s.combined(of, keys, func(row, column int) int64 {
		if column == 0 {
			return 1
		}
		return count.Value(row)
	}), nil
}

func (s spreading) Merge(_ context.Context, _ plugins.Batch, in arrow.Record, of []int32, keys int) (arrow.Record, error) {
	return s.combined(of, keys, func(row, column int) int64 { return in.Column(column).(*array.Int64).Value(row) }), nil
}

func (spreading) combined(of []int32, keys int, value func(row, column int) int64) arrow.Record {
	all := make([][4]int64, keys)
	for row, key := range of {
		if n := all[key][0]; n == 0 {
			all[key] = [4]int64{0, value(row, 1), value(row, 2), 0}
		}
		all[key][0] += value(row, 0)
		all[key][1], all[key][2], all[key][3] = min(all[key][1], value(row, 1)), max(all[key][2], value(row, 2)), value(row, 3)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, spreadResult)
	for _, a := range all {
		for i, v := range a {
			b.Field(i).(*array.Int64Builder).Append(v)
		}
	}
	return b.NewRecord()
}

// sessions is an operator of kind keyed: it counts the rows of a key and remembers them in a list, closes a key 2 seconds after its last rows, and forgets keys that have a row "forget".
var sessions = plugins.Operator{Name: "sessions", Keyed: func([]byte) (plugins.Keyed, error) { return sessionsOf{}, nil }}

type sessionsOf struct{}

var (
	sessionState = arrow.NewSchema([]arrow.Field{{Name: "n", Type: int64Type, Nullable: true}, {Name: "seen", Type: arrow.ListOfNonNullable(arrow.BinaryTypes.String)}}, nil)
	sessionRows  = arrow.NewSchema([]arrow.Field{{Name: "what", Type: arrow.BinaryTypes.String}, {Name: "seen", Type: arrow.ListOfNonNullable(arrow.BinaryTypes.String), Nullable: true}}, nil)
)

func (sessionsOf) Schemas(_, in *arrow.Schema) (state, out *arrow.Schema, err error) {
	if len(in.FieldIndices("value")) != 1 {
		return nil, nil, errors.New("it needs a column \"value\"")
	}
	return sessionState, sessionRows, nil
}

func (sessionsOf) Update(_ context.Context, b plugins.Batch, in plugins.KeyedInput) (plugins.KeyedOutput, error) {
	n := int(in.Keys.NumRows())
	out := plugins.KeyedOutput{Actions: make([]plugins.Action, n), Timers: make([]int64, n)}
	values := make([][]string, n)
	for i, key := range in.Of {
		values[key] = append(values[key], in.Rows.Column(0).(*array.String).Value(i))
	}
	state, rows := array.NewRecordBuilder(memory.DefaultAllocator, sessionState), array.NewRecordBuilder(memory.DefaultAllocator, sessionRows)
	put := func(b array.Builder, seen []string) {
		b.(*array.ListBuilder).Append(true)
		for _, s := range seen {
			b.(*array.ListBuilder).ValueBuilder().(*array.StringBuilder).Append(s)
		}
	}
	emit := func(key int, seen []string, format string, args ...any) {
		rows.Field(0).(*array.StringBuilder).Append(fmt.Sprintf(format, args...))
		put(rows.Field(1), seen)
		out.OutOf = append(out.OutOf, int32(key))
	}
	for key := range n {
		var count int64
		var seen []string
		if old := in.State.Column(0).(*array.Int64); in.Exists[key] {
			count = old.Value(key)
			list := in.State.Column(1).(*array.List)
			for i, hi := list.ValueOffsets(key); i < hi; i++ {
				seen = append(seen, list.ListValues().(*array.String).Value(int(i)))
			}
		} else if !old.IsNull(key) {
			return out, errors.New("a key without state has one")
		}
		if in.Due[key] {
			emit(key, seen, "closed after %d", count)
			count, seen, out.Actions[key] = 0, nil, plugins.Delete
		}
		if v := values[key]; strings.Contains(strings.Join(v, " "), "forget") {
			out.Actions[key] = plugins.Delete
		} else if len(v) > 0 {
			count, seen = count+int64(len(v)), append(seen, v...)
			out.Actions[key], out.Timers[key] = plugins.Set, b.Time+2_000_000
			emit(key, nil, "has %d", count)
		}
		state.Field(0).(*array.Int64Builder).Append(count)
		put(state.Field(1), seen)
	}
	out.State, out.Out = state.NewRecord(), rows.NewRecord()
	return out, nil
}

// shout is an operator of kind scalar: text in capitals, with a mark.
var shout = plugins.Operator{Name: "shout", Scalar: func(mark []byte) (plugins.Scalar, error) { return shouting{string(mark)}, nil }}

type shouting struct{ mark string }

func (shouting) Declare(args []arrow.Field) (arrow.Field, error) {
	if len(args) != 1 || args[0].Type.ID() != arrow.STRING {
		return arrow.Field{}, errors.New("it takes one text")
	}
	return args[0], nil
}

func (s shouting) Eval(_ context.Context, args arrow.Record) (arrow.Array, error) {
	b, in := array.NewStringBuilder(memory.DefaultAllocator), args.Column(0).(*array.String)
	for i := range in.Len() {
		switch {
		case in.IsNull(i):
			b.AppendNull()
		case in.Value(i) == "boom":
			return nil, errors.New("it broke")
		default:
			b.Append(strings.ToUpper(in.Value(i)) + s.mark)
		}
	}
	return b.NewArray(), nil
}
