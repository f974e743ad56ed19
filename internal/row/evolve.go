package row

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/fault"
)

// Change is how columns differ from those of an earlier version of their type.
type Change struct {
	Added   []string // paths of columns that are new, as in Default
	Refused []string // why rows of the earlier version cannot be read, a sentence each; none: they can
}

// Compare finds what makes want of have. Columns are found by name, in any order, in structs, lists and maps too. Columns may be added and nothing else.
func Compare(have, want []arrow.Field) Change {
	var c Change
	c.compare("", have, want)
	return c
}

func (c *Change) compare(prefix string, have, want []arrow.Field) {
	var gone, added []arrow.Field
	for _, h := range have {
		i := byName(want, h.Name)
		if i < 0 {
			gone = append(gone, h)
			continue
		}
		c.compareType(prefix+h.Name, h, want[i])
	}
	for _, w := range want {
		if byName(have, w.Name) < 0 {
			added = append(added, w)
			c.Added = leaves(c.Added, prefix+w.Name, w)
		}
	}
	for _, g := range gone {
		text := fmt.Sprintf("field %s is gone", prefix+g.Name)
		if i := slices.IndexFunc(added, func(a arrow.Field) bool { return fieldText(a) == fieldText(g) }); i >= 0 {
			text += fmt.Sprintf("; if it is %s now, tag that `arrow:%q`", prefix+added[i].Name, g.Name)
		}
		c.Refused = append(c.Refused, text)
	}
}

func (c *Change) compareType(path string, h, w arrow.Field) {
	if fieldText(h) == fieldText(w) {
		return
	}
	hs, ws := childrenOf(h.Type), childrenOf(w.Type)
	switch {
	case h.Nullable != w.Nullable || h.Type.ID() != w.Type.ID() || hs == nil:
		c.Refused = append(c.Refused, fmt.Sprintf("field %s was %s and is %s", path, fieldText(h), fieldText(w)))
	case h.Type.ID() == arrow.STRUCT:
		c.compare(path+".", hs, ws)
	default:
		c.compareType(path+"[]", hs[0], ws[0])
	}
}

// leaves are the paths below a new column that have a default of their own.
func leaves(list []string, path string, f arrow.Field) []string {
	if f.Type.ID() != arrow.STRUCT || f.Nullable {
		return append(list, path)
	}
	for _, kid := range childrenOf(f.Type) {
		list = leaves(list, path+"."+kid.Name, kid)
	}
	return list
}

// childrenOf are the fields of a struct, the element of a list or the value of a map, nil for other types.
func childrenOf(dt arrow.DataType) []arrow.Field {
	switch t := dt.(type) {
	case *arrow.StructType:
		return t.Fields()
	case *arrow.ListType:
		return []arrow.Field{t.ElemField()}
	case *arrow.MapType:
		return []arrow.Field{t.ItemField()}
	}
	return nil
}

func byName(fields []arrow.Field, name string) int {
	return slices.IndexFunc(fields, func(f arrow.Field) bool { return f.Name == name })
}

// Widen gives cols, whose fields are have, the form of want. Columns are found by name; one that is missing holds its default, and without one
// among defaults it is an error, like all that Compare refuses. It never panics on columns that were read from outside. The result may
// share memory with cols.
func Widen(cols []arrow.Array, have, want []arrow.Field, n int, defaults []Default) ([]arrow.Array, error) {
	if len(cols) != len(have) {
		return nil, fmt.Errorf("%d columns, want %d", len(cols), len(have))
	}
	for i, col := range cols {
		if err := batch.Check(col.Data(), have[i]); err != nil {
			return nil, err
		}
		if col.Len() != n {
			return nil, fmt.Errorf("column %s: %d rows of %d", have[i].Name, col.Len(), n)
		}
	}
	if c := Compare(have, want); len(c.Refused) > 0 {
		return nil, fmt.Errorf("%s", c.Refused[0])
	}
	kids := make([]arrow.ArrayData, len(cols))
	for i, col := range cols {
		kids[i] = col.Data()
	}
	kids, err := widening{defaults}.fields("", kids, have, want, n)
	if err != nil {
		return nil, err
	}
	return arraysOf(kids)
}

// arraysOf makes arrays of data. Arrow's constructors panic for some damage that Check lets pass.
func arraysOf(list []arrow.ArrayData) (out []arrow.Array, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("columns: %v", p)
		}
	}()
	for _, d := range list {
		out = append(out, array.MakeFromData(d))
	}
	return out, nil
}

type widening struct{ defaults []Default }

// fields widens columns of which rows [0, n) count.
func (w widening) fields(prefix string, kids []arrow.ArrayData, have, want []arrow.Field, n int) ([]arrow.ArrayData, error) {
	out := make([]arrow.ArrayData, len(want))
	for i, f := range want {
		var err error
		at := byName(have, f.Name)
		if fault.Planted("P19-order") && len(have) == len(want) {
			at = i
		}
		if at < 0 {
			out[i], err = w.missing(prefix+f.Name, f, n)
		} else {
			out[i], err = w.column(prefix+f.Name, kids[at], have[at], f)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// column widens what a column holds. Its bitmaps, offsets and values stay where they are.
func (w widening) column(path string, data arrow.ArrayData, have, want arrow.Field) (arrow.ArrayData, error) {
	if arrow.TypeEqual(have.Type, want.Type) {
		return data, nil
	}
	hs, ws := childrenOf(have.Type), childrenOf(want.Type)
	kids := data.Children()
	var err error
	switch want.Type.ID() {
	case arrow.STRUCT:
		kids, err = w.fields(path+".", kids, hs, ws, data.Offset()+data.Len())
	case arrow.LIST:
		var kid arrow.ArrayData
		kid, err = w.column(path+"[]", kids[0], hs[0], ws[0])
		kids = []arrow.ArrayData{kid}
	case arrow.MAP:
		pairs := kids[0]
		var items arrow.ArrayData
		if items, err = w.column(path+"[]", pairs.Children()[1], hs[0], ws[0]); err == nil {
			elem := want.Type.(*arrow.MapType).Elem()
			both := []arrow.ArrayData{pairs.Children()[0], items}
			kids = []arrow.ArrayData{array.NewData(elem, pairs.Len(), pairs.Buffers(), both, 0, pairs.Offset())}
		}
	default:
		err = fmt.Errorf("column %s: type %s, want %s", path, have.Type, want.Type)
	}
	if err != nil {
		return nil, err
	}
	return array.NewData(want.Type, data.Len(), data.Buffers(), kids, data.NullN(), data.Offset()), nil
}

// missing is a column of defaults.
func (w widening) missing(path string, f arrow.Field, n int) (arrow.ArrayData, error) {
	if f.Type.ID() == arrow.STRUCT && !f.Nullable {
		kids, err := w.fields(path+".", nil, nil, childrenOf(f.Type), n)
		if err != nil {
			return nil, err
		}
		return array.NewData(f.Type, n, []*memory.Buffer{nil}, kids, 0, 0), nil
	}
	i := slices.IndexFunc(w.defaults, func(d Default) bool { return d.Path == path })
	if i < 0 {
		return nil, fmt.Errorf("column %s is missing, and it is not recorded what it holds in older rows", path)
	}
	return constant(path, f, w.defaults[i], n)
}

// constant is a column that holds a default n times.
func constant(path string, f arrow.Field, d Default, n int) (arrow.ArrayData, error) {
	switch f.Type.ID() {
	case arrow.STRUCT, arrow.LIST, arrow.MAP, arrow.BINARY:
		return blank(f, n), nil
	}
	if d.Null {
		return blank(f, n), nil
	}
	b := array.NewBuilder(memory.DefaultAllocator, f.Type)
	defer b.Release()
	b.Reserve(n)
	if err := fillWith(b, d.Value, n); err != nil {
		return nil, fmt.Errorf("column %s: default %q of type %s: %w", path, d.Value, f.Type, err)
	}
	return b.NewArray().Data(), nil
}

// fillWith appends a scalar n times.
func fillWith(b array.Builder, value string, n int) error {
	switch b := b.(type) {
	case *array.StringBuilder:
		for range n {
			b.Append(value)
		}
		return nil
	case *array.TimestampBuilder:
		us, err := strconv.ParseInt(value, 10, 64)
		for range n {
			b.Append(arrow.Timestamp(us))
		}
		return err
	}
	for range n {
		if err := b.AppendValueFromString(value); err != nil {
			return err
		}
	}
	return nil
}

// blank is a column of n nulls where there may be any, else of zeros, empty texts or empty lists.
func blank(f arrow.Field, n int) *array.Data {
	var valid []byte
	nulls := 0
	if f.Nullable && n > 0 {
		valid, nulls = batch.Alloc((n+7)/8), n
	}
	switch dt := f.Type.(type) {
	case *arrow.StructType:
		var kids []arrow.ArrayData
		for _, kid := range dt.Fields() {
			kids = append(kids, blank(kid, n))
		}
		return data(dt, n, nulls, kids, valid)
	case *arrow.ListType:
		return data(dt, n, nulls, []arrow.ArrayData{blank(dt.ElemField(), 0)}, valid, batch.Alloc(4*(n+1)))
	case *arrow.MapType:
		return data(dt, n, nulls, []arrow.ArrayData{blank(dt.ElemField(), 0)}, valid, batch.Alloc(4*(n+1)))
	case *arrow.StringType, *arrow.BinaryType:
		return data(dt, n, nulls, nil, valid, batch.Alloc(4*(n+1)), nil)
	case *arrow.BooleanType:
		return data(dt, n, nulls, nil, valid, batch.Alloc((n+7)/8))
	case arrow.FixedWidthDataType:
		return data(dt, n, nulls, nil, valid, batch.Alloc(n*dt.BitWidth()/8))
	}
	assert.True(false, "a column of type %s", f.Type)
	return nil
}
