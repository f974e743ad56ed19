package row

import (
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/assert"
	"github.com/millrace/millrace/internal/decimal"
)

// Default is what a column holds in rows that were written before it existed.
type Default struct {
	Path  string `cbor:"1,keyasint"` // "level", "home.city" in a struct, "visits[].at" in the elements of a list or map
	Null  bool   `cbor:"2,keyasint,omitempty"`
	Value string `cbor:"3,keyasint,omitempty"` // numbers in decimal, times in µs since 1970, texts as they are; empty for lists and maps
}

// Defaults are those of all columns, and of the columns within them: the zero value of the Go type, null for a pointer, or what a tag
// `default:"…"` says. The type must pass CheckDefaults.
func (c *Codec) Defaults() []Default {
	assert.True(c.defErr == nil, "defaults that cannot be read: %v", c.defErr)
	var list []Default
	for _, col := range c.cols {
		list = col.defaults(list, col.field.Name)
	}
	return list
}

// CheckDefaults is an error if a tag `default:"…"` is not a value of its field. Types that are not kept as state may have such tags for other uses.
func (c *Codec) CheckDefaults() error { return c.defErr }

// Tagged is the path of a column with a tag `default:"…"`, as in Default, and "" if there is none.
func (c *Codec) Tagged() string { return tagged(c.cols, "") }

func tagged(cols []*column, path string) string {
	for _, col := range cols {
		at := path + col.field.Name
		if col.def != nil {
			return at
		}
		if in := tagged(col.kids, at+"."); in != "" {
			return in
		}
	}
	return ""
}

func (col *column) defaults(list []Default, path string) []Default {
	switch {
	case col.def != nil:
		list = append(list, Default{Path: path, Value: *col.def})
	case col.ptr:
		list = append(list, Default{Path: path, Null: true})
	case col.kind != structKind:
		list = append(list, Default{Path: path, Value: col.zero()})
	}
	switch col.kind {
	case structKind:
		for _, kid := range col.kids {
			list = kid.defaults(list, path+"."+kid.field.Name)
		}
	case listKind:
		list = col.kids[0].inner(list, path+"[]")
	case mapKind:
		list = col.kids[1].inner(list, path+"[]")
	}
	return list
}

// inner are the defaults within an element, which is never missing itself.
func (col *column) inner(list []Default, path string) []Default {
	at := len(list)
	list = col.defaults(list, path)
	if len(list) > at && list[at].Path == path {
		list = append(list[:at], list[at+1:]...)
	}
	return list
}

// zero is the zero value in Default's form.
func (col *column) zero() string {
	switch col.kind {
	case boolKind:
		return "false"
	case fixedKind:
		return "0"
	case timeKind:
		return strconv.FormatInt(time.Time{}.UnixMicro(), 10)
	}
	return ""
}

// setDefault reads the tag of a field.
func (k *compiler) setDefault(path string, col *column, f reflect.StructField) {
	text, ok := f.Tag.Lookup("default")
	if !ok {
		return
	}
	value, err := col.parse(text)
	if err != nil {
		k.defErrs = append(k.defErrs, fmt.Errorf("%s: default:%q: %w", path, text, err))
		return
	}
	col.def = &value
}

var durationType = reflect.TypeFor[time.Duration]()

// parse brings the text of a tag into Default's form.
func (col *column) parse(text string) (string, error) {
	t := col.typ
	bits := 8 * int(col.size)
	switch {
	case t == durationType:
		d, err := time.ParseDuration(text)
		if err != nil {
			return "", fmt.Errorf("write a duration such as 1m30s")
		}
		return strconv.FormatInt(int64(d), 10), nil
	case col.kind == timeKind:
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return "", fmt.Errorf("write a time such as 2006-01-02T15:04:05Z")
		}
		return strconv.FormatInt(at.UnixMicro(), 10), nil
	case col.kind == stringKind:
		return text, nil
	case col.kind == boolKind:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return "", fmt.Errorf("write true or false")
		}
		return strconv.FormatBool(b), nil
	case t == decType:
		scale := int(decimalIn(col.field.Type).Scale)
		d, ok := decimal.ParseDec(text, scale)
		if !ok || !decimal.Fits(d.Num, int(decimalIn(col.field.Type).Precision)) {
			return "", fmt.Errorf("write a number of the tag's digits, such as 0.5")
		}
		return d.Text(scale), nil
	case col.kind != fixedKind:
		return "", fmt.Errorf("a %s cannot have a default: leave the tag out, the field is then empty in old rows", t)
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64:
		n, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			return "", fmt.Errorf("write a whole number that fits into %d bits", bits)
		}
		return strconv.FormatInt(n, 10), nil
	case t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, bits)
		if err != nil {
			return "", fmt.Errorf("write a whole number without a sign that fits into %d bits", bits)
		}
		return strconv.FormatUint(n, 10), nil
	}
	x, err := strconv.ParseFloat(text, bits)
	if err != nil {
		return "", fmt.Errorf("write a number such as 0.5")
	}
	return strconv.FormatFloat(x, 'g', -1, bits), nil
}
