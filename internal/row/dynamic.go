package row

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/col"
)

var dynamic sync.Map // text -> *Codec, see known

// OfSchema is the codec of rows that are known by their columns only, those of a Frame: its Go type is a struct without a name. Chunks of such
// rows are *col.Batch, which Columns and Len take as they take slices. Nullable columns are pointers in the struct, but for lists and maps, whose null
// is the empty one; as a key, null is a value of its own. The error names a column whose type no row has, or that stands there twice.
func OfSchema(s *arrow.Schema) (*Codec, error) {
	return known(FieldsText(s.Fields()), func() (reflect.Type, error) { return structOf(s.Fields()) })
}

// known is the codec of that text, cached: of columns only, whose Go type typ makes.
func known(text string, typ func() (reflect.Type, error)) (*Codec, error) {
	if c, ok := dynamic.Load(text); ok {
		return c.(*Codec), nil
	}
	t, err := typ()
	if err != nil {
		return nil, err
	}
	c, err := compile(t)
	if err != nil {
		return nil, err
	}
	c.dynamic, c.keys, c.keyWidth = true, nil, 0
	c.compileKey()
	first, _ := dynamic.LoadOrStore(text, c)
	return first.(*Codec), nil
}

// OfColumns is the codec of some columns of a Frame as a key or a value of their own: one column is a scalar, as that of a Go value is, several are an
// OfSchema, and so is one that is a struct itself.
func OfColumns(fields []arrow.Field) (*Codec, error) {
	if len(fields) != 1 || fields[0].Type.ID() == arrow.STRUCT {
		return OfSchema(arrow.NewSchema(fields, nil))
	}
	t, err := elemType(fields[0])
	if err != nil {
		return nil, fmt.Errorf("column %q: %w", fields[0].Name, err)
	}
	return Of(t)
}

// structOf is a struct with the fields' columns.
func structOf(fields []arrow.Field) (reflect.Type, error) {
	var errs []error
	var out []reflect.StructField
	seen := map[string]bool{}
	for i, f := range fields {
		t, err := goType(f.Type)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("column %q: %w", f.Name, err))
			continue
		case seen[f.Name]:
			errs = append(errs, fmt.Errorf("column %q is there twice; name one of them otherwise", f.Name))
		case f.Name == "" || f.Name == "-" || strings.Contains(f.Name, ","):
			errs = append(errs, fmt.Errorf("column %q: give it a name without commas", f.Name))
		}
		seen[f.Name] = true
		if f.Nullable && nullable(t) {
			t = reflect.PointerTo(t)
		}
		tag := `arrow:` + strconv.Quote(f.Name)
		if d := decimalIn(f.Type); d != nil {
			tag += fmt.Sprintf(` decimal:"%d,%d"`, d.Precision, d.Scale)
		}
		out = append(out, reflect.StructField{Name: "F" + strconv.Itoa(i), Type: t, Tag: reflect.StructTag(tag)})
	}
	if len(fields) == 0 {
		errs = append(errs, errors.New("rows without columns"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return reflect.StructOf(out), nil
}

// goTypes are the Go types of plain columns.
var goTypes = map[arrow.Type]reflect.Type{
	arrow.BOOL: reflect.TypeFor[bool](), arrow.STRING: reflect.TypeFor[string](), arrow.BINARY: reflect.TypeFor[[]byte](), arrow.TIMESTAMP: timeType,
	arrow.DECIMAL128: decType,
	arrow.INT8:       reflect.TypeFor[int8](), arrow.INT16: reflect.TypeFor[int16](), arrow.INT32: reflect.TypeFor[int32](), arrow.INT64: reflect.TypeFor[int64](),
	arrow.UINT8: reflect.TypeFor[uint8](), arrow.UINT16: reflect.TypeFor[uint16](), arrow.UINT32: reflect.TypeFor[uint32](), arrow.UINT64: reflect.TypeFor[uint64](),
	arrow.FLOAT32: reflect.TypeFor[float32](), arrow.FLOAT64: reflect.TypeFor[float64](),
}

func goType(dt arrow.DataType) (reflect.Type, error) {
	if t, ok := goTypes[dt.ID()]; ok {
		return t, nil
	}
	switch dt := dt.(type) {
	case *arrow.ListType:
		elem, err := elemType(dt.ElemField())
		if err != nil {
			return nil, err
		}
		return reflect.SliceOf(elem), nil
	case *arrow.MapType:
		item, err := elemType(dt.ItemField())
		if err != nil {
			return nil, err
		}
		return reflect.MapOf(reflect.TypeFor[string](), item), nil
	case *arrow.StructType:
		return structOf(dt.Fields())
	}
	return nil, fmt.Errorf("no row holds %s", dt)
}

func elemType(f arrow.Field) (reflect.Type, error) {
	t, err := goType(f.Type)
	if err == nil && f.Nullable && nullable(t) {
		t = reflect.PointerTo(t)
	}
	return t, err
}

// batchColumns are rows idx of rows if they are columns already, nil otherwise.
func batchColumns(rows any, idx []int32) []arrow.Array {
	if b, ok := rows.(*col.Batch); ok {
		return b.Arrays(idx)
	}
	return nil
}

// OfGroupedSchema is OfSchema for keys that say their key group themselves: the first column, uint8, is a GroupID.
func OfGroupedSchema(s *arrow.Schema) (*Codec, error) {
	return known("grouped: "+FieldsText(s.Fields()), func() (reflect.Type, error) {
		plain, err := structOf(s.Fields())
		if err != nil {
			return nil, err
		}
		fields := make([]reflect.StructField, plain.NumField())
		for i := range fields {
			fields[i] = plain.Field(i)
		}
		if fields[0].Type != reflect.TypeFor[uint8]() {
			return nil, fmt.Errorf("column %q is %s; the group of a key is uint8", s.Field(0).Name, s.Field(0).Type)
		}
		fields[0].Type = groupType
		return reflect.StructOf(fields), nil
	})
}
