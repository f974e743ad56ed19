package row

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/internal/decimal"
)

// kind is how a value is read and written.
type kind uint8

const (
	boolKind   kind = iota
	fixedKind       // copied as it is: ints, floats, durations
	timeKind        // time.Time <-> int64 µs
	stringKind      // string
	bytesKind       // []byte
	structKind      // kids: fields
	listKind        // kids: the element
	mapKind         // kids: key, item
)

// column is how one value of a row is read and written.
type column struct {
	field arrow.Field
	kind  kind
	typ   reflect.Type // Go type, without the pointer of a nullable value
	size  uintptr      // of typ
	off   uintptr      // of the value (or the pointer to it) in the struct around it
	ptr   bool         // the Go value is a *typ; nil is null
	norm  bool         // Normalize may change it
	kids  []*column
	skip  []skipped // fields that are left out of the columns
	def   *string   // what rows from before the column existed hold, in the form of Default.Value; nil: null or zero
}

// skipped is a field with `arrow:"-"`.
type skipped struct {
	off uintptr
	typ reflect.Type
}

var (
	timeType  = reflect.TypeFor[time.Time]()
	decType   = reflect.TypeFor[decimal.Dec]()
	timestamp = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
)

// scalars are the Arrow types of fixed Go kinds.
var scalars = map[reflect.Kind]arrow.DataType{
	reflect.Int: arrow.PrimitiveTypes.Int64, reflect.Int8: arrow.PrimitiveTypes.Int8, reflect.Int16: arrow.PrimitiveTypes.Int16,
	reflect.Int32: arrow.PrimitiveTypes.Int32, reflect.Int64: arrow.PrimitiveTypes.Int64,
	reflect.Uint: arrow.PrimitiveTypes.Uint64, reflect.Uint8: arrow.PrimitiveTypes.Uint8, reflect.Uint16: arrow.PrimitiveTypes.Uint16,
	reflect.Uint32: arrow.PrimitiveTypes.Uint32, reflect.Uint64: arrow.PrimitiveTypes.Uint64,
	reflect.Float32: arrow.PrimitiveTypes.Float32, reflect.Float64: arrow.PrimitiveTypes.Float64,
}

// compiler builds the columns of one type and collects what is wrong with it.
type compiler struct {
	inside  []reflect.Type        // structs around the one being compiled
	decimal *arrow.Decimal128Type // what the tag of the field around says
	errs    []error
	defErrs []error // tags of defaults that cannot be read: wrong for state only
}

func compile(t reflect.Type) (*Codec, error) {
	if t == nil {
		return nil, errors.New("an untyped nil has no columns")
	}
	var k compiler
	name := t.String()
	root := k.value(name, "value", t)
	if root != nil && root.ptr && root.kind == structKind {
		k.fail(name, "a row that is a pointer to a struct; use %s itself", t.Elem())
	}
	if err := errors.Join(k.errs...); err != nil {
		return nil, err
	}
	c := &Codec{typ: t, slice: reflect.SliceOf(t), size: t.Size(), root: root}
	if root.kind == structKind && !root.ptr {
		c.cols = root.kids
	} else {
		c.cols, c.scalar = []*column{root}, true
	}
	fields := make([]arrow.Field, len(c.cols))
	for i, col := range c.cols {
		fields[i] = col.field
	}
	c.schema = arrow.NewSchema(fields, nil)
	c.text = FieldsText(fields)
	for _, col := range c.cols {
		c.packed = packLeaves(c.packed, col, col.off)
	}
	c.compileKey()
	c.defErr = errors.Join(k.defErrs...)
	return c, nil
}

func (k *compiler) fail(path, format string, args ...any) {
	k.errs = append(k.errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

// value compiles a value of type t; nil if it has no columns, which is then reported.
func (k *compiler) value(path, name string, t reflect.Type) *column {
	col := &column{typ: t, size: t.Size()}
	if t.Kind() == reflect.Pointer {
		col.typ, col.size, col.ptr = t.Elem(), t.Elem().Size(), true
	}
	if col.ptr && !nullable(col.typ) {
		k.fail(path, "%s: only scalars and structs may be pointers; use %s itself", t, col.typ)
		return nil
	}
	dt := k.dataType(path, col)
	if dt == nil {
		return nil
	}
	col.field = arrow.Field{Name: name, Type: dt, Nullable: col.ptr}
	return col
}

// nullable tells whether *t may stand for a nullable t.
func nullable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Map:
		return false
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Uint8
	}
	return true
}

// dataType fills col's kind and kids and is its Arrow type; nil if it has none.
func (k *compiler) dataType(path string, col *column) arrow.DataType {
	t := col.typ
	if t == timeType {
		col.kind, col.norm = timeKind, true
		return timestamp
	}
	if t == decType {
		if k.decimal == nil {
			k.fail(path, "a decimal without its digits; tag the field, as in `decimal:\"18,2\"`")
			return nil
		}
		col.kind = fixedKind
		return k.decimal
	}
	if dt, ok := scalars[t.Kind()]; ok {
		col.kind = fixedKind
		return dt
	}
	switch t.Kind() {
	case reflect.Bool:
		col.kind = boolKind
		return arrow.FixedWidthTypes.Boolean
	case reflect.String:
		col.kind = stringKind
		return arrow.BinaryTypes.String
	case reflect.Slice:
		col.norm = true
		if t.Elem().Kind() == reflect.Uint8 {
			col.kind = bytesKind
			return arrow.BinaryTypes.Binary
		}
		return k.list(path, col)
	case reflect.Map:
		col.norm = true
		return k.mapping(path, col)
	case reflect.Struct:
		return k.structure(path, col)
	}
	what := t.String()
	if what == path {
		what = "it" // the row itself
	}
	k.fail(path, "%s has no column form; %s", what, fixes[t.Kind()])
	return nil
}

// fixes say what to use instead of a kind that is refused.
var fixes = map[reflect.Kind]string{
	reflect.Interface:     "use a concrete type, or a struct with one pointer field a case",
	reflect.Chan:          "leave it out with `arrow:\"-\"`",
	reflect.Func:          "leave it out with `arrow:\"-\"`",
	reflect.Complex64:     "use two floats",
	reflect.Complex128:    "use two floats",
	reflect.Array:         "use a slice, or a string for bytes that are a key",
	reflect.Pointer:       "use a pointer to the value itself",
	reflect.Uintptr:       "use uint64",
	reflect.UnsafePointer: "leave it out with `arrow:\"-\"`",
}

func (k *compiler) list(path string, col *column) arrow.DataType {
	elem := k.value(path+"[]", "item", col.typ.Elem())
	if elem == nil {
		return nil
	}
	col.kind, col.kids = listKind, []*column{elem}
	return arrow.ListOfField(elem.field)
}

func (k *compiler) mapping(path string, col *column) arrow.DataType {
	if col.typ.Key().Kind() != reflect.String {
		k.fail(path, "%s: only strings may be keys of a map; use a slice of structs", col.typ)
		return nil
	}
	key := k.value(path+" key", "key", col.typ.Key())
	item := k.value(path+"[]", "value", col.typ.Elem())
	if key == nil || item == nil {
		return nil
	}
	col.kind, col.kids = mapKind, []*column{key, item}
	return mapOf(key.field.Type, item.field)
}

func (k *compiler) structure(path string, col *column) arrow.DataType {
	for _, t := range k.inside {
		if t == col.typ {
			k.fail(path, "%s contains itself; use a slice of rows that refer to each other by number", t)
			return nil
		}
	}
	before := len(k.errs)
	k.inside = append(k.inside, col.typ)
	k.fields(path, col, col.typ, 0)
	k.inside = k.inside[:len(k.inside)-1]
	if len(k.errs) > before {
		return nil
	}
	if len(col.kids) == 0 {
		k.fail(path, "%s has no fields that are columns; give it one, or use bool", col.typ)
		return nil
	}
	col.kind = structKind
	fields := make([]arrow.Field, len(col.kids))
	seen := map[string]bool{}
	for i, kid := range col.kids {
		fields[i] = kid.field
		if seen[kid.field.Name] {
			k.fail(path, "two fields are column %q; give one another name by `arrow:\"name\"`", kid.field.Name)
		}
		seen[kid.field.Name] = true
	}
	if len(k.errs) > before {
		return nil
	}
	return arrow.StructOf(fields...)
}

// fields adds the fields of struct t, which begins at off, to col.
func (k *compiler) fields(path string, col *column, t reflect.Type, off uintptr) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("arrow"), ",")
		at := path + "." + f.Name
		switch {
		case name == "-":
			col.skip = append(col.skip, skipped{off + f.Offset, f.Type})
			col.norm = true
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct && f.Type != timeType && f.Type != decType:
			k.fields(at, col, f.Type, off+f.Offset)
		case !f.IsExported():
			k.fail(at, "field is not exported; export it, or leave it out with `arrow:\"-\"`")
		default:
			if name == "" {
				name = snake(f.Name)
			}
			outer := k.decimal
			k.decimal = k.decimalTag(at, f.Tag)
			if kid := k.value(at, name, f.Type); kid != nil {
				kid.off = off + f.Offset
				k.setDefault(at, kid, f)
				col.kids = append(col.kids, kid)
				col.norm = col.norm || kid.norm
			}
			k.decimal = outer
		}
	}
}

// snake is a Go name in snake case: PageURL -> page_url.
func snake(s string) string {
	var b strings.Builder
	r := []rune(s)
	for i, c := range r {
		if unicode.IsUpper(c) && i > 0 && r[i-1] != '_' {
			endOfWord := !unicode.IsUpper(r[i-1])
			startOfWord := i+1 < len(r) && unicode.IsLower(r[i+1])
			if endOfWord || startOfWord {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}
