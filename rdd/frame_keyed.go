package rdd

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/row"
)

// KeyedFrame is a Frame in which some columns are keys and the others values.
type KeyedFrame struct {
	b          *Builder
	node       *Node
	keys, vals []arrow.Field
}

// Node is the plan's node behind f, nil for the zero value.
func (f KeyedFrame) Node() *Node { return f.node }

// KeyBy makes the given columns keys and the others values. One column is a key, or a value, by itself; several are a struct with their names. Nothing moves.
func (f Frame) KeyBy(columns ...string) KeyedFrame {
	at := Caller()
	out := KeyedFrame{b: f.b}
	var keys, vals []int
	d := f.b.doubtOf(f.node)
	for _, bound := range f.BindAll(at, "keyBy", names(columns)...) {
		if bound != nil {
			keys = append(keys, f.Schema().FieldIndices(bound.Field().Name)...)
		} else {
			d.shape = true
		}
	}
	for i, field := range f.Schema().Fields() {
		if !slices.Contains(keys, i) {
			vals, out.vals = append(vals, i), append(out.vals, field)
		}
	}
	for _, i := range keys {
		out.keys = append(out.keys, f.Schema().Field(i))
	}
	if len(keys) == 0 || len(vals) == 0 {
		if !d.shape {
			f.b.Mistakef(at, "keyBy(%v): keys and values need a column each; there are %s", columns, row.FieldsText(f.Schema().Fields()))
		}
		d.shape = true
		keys, vals, out.keys, out.vals = []int{0}, []int{0}, f.Schema().Fields()[:1], f.Schema().Fields()[:1]
	}
	out.node = f.b.narrow(at, "keyBy", out.codec(at, out.keys), out.codec(at, out.vals), ops.ToKeys(keys, vals), f.node)
	f.b.about(out.node, d)
	return out
}

// names are columns as BindAll takes them.
func names(columns []string) []any {
	list := make([]any, len(columns))
	for i, c := range columns {
		list[i] = c
	}
	return list
}

func (f KeyedFrame) codec(at Site, fields []arrow.Field) *row.Codec {
	c, err := row.OfColumns(fields)
	if err != nil {
		f.b.Mistakef(at, "keyBy: %v", err)
	}
	return c
}

// As is the rows as keys of type K and values of type V, whose columns must be those of f: same types and order, and same names where they are structs. A
// nullable column needs a field that may be nil, and keys have none (P25).
func (f KeyedFrame) As[K comparable, V any]() Keyed[K, V] {
	at := Caller()
	key, val := KeyCodecOf[K](f.b, at), CodecOf[V](f.b, at)
	if key != nil && val != nil {
		for _, part := range []struct {
			fields []arrow.Field
			codec  *row.Codec
			what   string
		}{{f.keys, key, "key"}, {f.vals, val, "value"}} {
			if err := ops.SameColumns(arrow.NewSchema(part.fields, nil), part.codec); err != nil && !f.b.Doubted(f.node) {
				f.b.Mistakef(at, "As: %s %s: %v; bring the columns into its form with Select", part.what, part.codec.Type(), err)
			}
		}
	}
	n := f.b.narrow(at, "as", key, val, ops.ToKeyedRows[K, V](key, val), f.node)
	f.b.Certain(n)
	return Keyed[K, V]{f.b, n}
}
