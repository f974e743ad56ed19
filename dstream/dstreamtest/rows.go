package dstreamtest

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// Values are the rows that reached a sink of a stream without keys, or of a Frame whose columns are T's, as for Frame.As, lane after lane. A sink of another name or type of rows is
// a mistake of the test: it panics.
func Values[T any](b *Batch, sink string) []T {
	n := b.node(sink)
	codec := codecFor[T](n.Val, sink)
	var out []T
	for _, rec := range b.Sinks[sink] {
		rows, err := codec.Rows(rec.Columns(), nil)
		check(err)
		out = append(out, typed[T](rows, "sink "+sink)...)
	}
	return out
}

// codecFor is the codec of a sink's rows, which T's takes the place of where the rows are a Frame's, known by their columns only.
func codecFor[T any](val *row.Codec, sink string) *row.Codec {
	if t := val.Type(); t.Kind() != reflect.Struct || t.Name() != "" {
		return val
	}
	own, err := row.For[T]()
	check(err)
	if err := ops.SameColumns(val.Schema(), own); err != nil {
		panic(fmt.Sprintf("the columns of sink %s are not those of %v: %v", sink, own.Type(), err))
	}
	return own
}

// Pairs are the rows that reached a sink of a keyed stream, as Values gives those of others.
func Pairs[K, V any](b *Batch, sink string) []dstream.Pair[K, V] {
	n := b.node(sink)
	if n.Key == nil {
		panic(fmt.Sprintf("the rows of sink %s have no keys: ask for its Values", sink))
	}
	var out []dstream.Pair[K, V]
	for _, rec := range b.Sinks[sink] {
		nk := n.Key.Schema().NumFields()
		keys, err := n.Key.Rows(rec.Columns()[:nk], nil)
		check(err)
		vals, err := n.Val.Rows(rec.Columns()[nk:], nil)
		check(err)
		out = append(out, pairs(typed[K](keys, "keys of sink "+sink), typed[V](vals, "sink "+sink))...)
	}
	return out
}

func pairs[K, V any](keys []K, vals []V) []dstream.Pair[K, V] {
	out := make([]dstream.Pair[K, V], len(keys))
	for i := range keys {
		out[i] = dstream.Pair[K, V]{Key: keys[i], Value: vals[i]}
	}
	return out
}

// typed is rows as []T.
func typed[T any](rows any, of string) []T {
	list, ok := rows.([]T)
	if !ok {
		panic(fmt.Sprintf("%s has %T, not %T", of, rows, list))
	}
	return list
}

// JSON is the rows that reached a sink, of whatever type, as lines of JSON with the names of their columns.
func (b *Batch) JSON(sink string) string {
	b.node(sink)
	var text bytes.Buffer
	for _, rec := range b.Sinks[sink] {
		check(array.RecordToJSON(rec, &text))
	}
	return text.String()
}

// DeadLetters are the records of a source that could not be decoded in this batch, wherever the job sends them.
func (b *Batch) DeadLetters(source string) []rdd.DeadLetter {
	n := b.plan.Node(source)
	if n == nil || n.Kind != rdd.Source {
		panic(fmt.Sprintf("the job has no source %q", source))
	}
	if n.Dead == nil {
		return nil
	}
	return Values[rdd.DeadLetter](b, n.Dead.Name)
}

func (b *Batch) node(sink string) *rdd.Node {
	n := b.plan.Node(sink)
	if n == nil || n.Kind != rdd.Sink {
		panic(fmt.Sprintf("the job has no sink %q", sink))
	}
	return n
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
