package row

import (
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
)

// ParseFields takes Codec.Text back into columns. Texts of names with ": ", ", ", "<", ">" or "?" in them may be read as something else.
func ParseFields(text string) ([]arrow.Field, error) {
	p := fieldParser{rest: text}
	fields, err := p.fields()
	if err == nil && p.rest != "" {
		err = fmt.Errorf("%q follows", p.rest)
	}
	if err != nil {
		return nil, fmt.Errorf("columns %q: %w", text, err)
	}
	return fields, nil
}

type fieldParser struct {
	rest  string
	depth int
}

// maxDepth bounds how deep types may be nested in a text that was read from outside.
const maxDepth = 64

func (p *fieldParser) fields() ([]arrow.Field, error) {
	var fields []arrow.Field
	for p.rest != "" && p.rest[0] != '>' {
		name, rest, ok := strings.Cut(p.rest, ": ")
		if !ok {
			return nil, fmt.Errorf("%q has no type", p.rest)
		}
		p.rest = rest
		f, err := p.field(name)
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
		if p.rest, ok = strings.CutPrefix(p.rest, ", "); !ok {
			break
		}
	}
	return fields, nil
}

// field is one type under a name, with ? if it is nullable.
func (p *fieldParser) field(name string) (arrow.Field, error) {
	dt, err := p.dataType()
	if err != nil {
		return arrow.Field{}, err
	}
	f := arrow.Field{Name: name, Type: dt}
	p.rest, f.Nullable = strings.CutPrefix(p.rest, "?")
	return f, nil
}

func (p *fieldParser) dataType() (arrow.DataType, error) {
	if rest, ok := strings.CutPrefix(p.rest, "decimal("); ok {
		text, rest, _ := strings.Cut(rest, ")")
		dt, ok := parseDecimal(text)
		if !ok {
			return nil, fmt.Errorf("there is no type \"decimal(%s)\"", text)
		}
		p.rest = rest
		return dt, nil
	}
	n := strings.IndexAny(p.rest, ",<>?")
	if n < 0 {
		n = len(p.rest)
	}
	name := p.rest[:n]
	p.rest = p.rest[n:]
	if dt := named[name]; dt != nil {
		return dt, nil
	}
	if name != "list" && name != "map" && name != "struct" || p.depth == maxDepth {
		return nil, fmt.Errorf("there is no type %q", name)
	}
	return p.nested(name)
}

// nested is the type whose name was read, from its < on.
func (p *fieldParser) nested(name string) (arrow.DataType, error) {
	rest, ok := strings.CutPrefix(p.rest, "<")
	if !ok {
		return nil, fmt.Errorf("%s without <", name)
	}
	p.rest = rest
	p.depth++
	defer func() { p.depth-- }()
	var dt arrow.DataType
	switch name {
	case "struct":
		fields, err := p.fields()
		if err != nil {
			return nil, err
		}
		dt = arrow.StructOf(fields...)
	case "list":
		f, err := p.field("item")
		if err != nil {
			return nil, err
		}
		dt = arrow.ListOfField(f)
	default:
		f, err := p.field("value")
		if err != nil {
			return nil, err
		}
		dt = mapOf(arrow.BinaryTypes.String, f)
	}
	if p.rest, ok = strings.CutPrefix(p.rest, ">"); !ok {
		return nil, fmt.Errorf("%s without >", name)
	}
	return dt, nil
}

// named are the types without a bracket, by the name that they have in a text.
var named = func() map[string]arrow.DataType {
	types := map[string]arrow.DataType{}
	for _, dt := range scalars {
		types[dt.Name()] = dt
	}
	for _, dt := range []arrow.DataType{arrow.FixedWidthTypes.Boolean, arrow.BinaryTypes.String, arrow.BinaryTypes.Binary} {
		types[dt.Name()] = dt
	}
	types["timestamp[us]"] = timestamp
	return types
}()

// mapOf is a map sorted by key.
func mapOf(key arrow.DataType, item arrow.Field) *arrow.MapType {
	dt := arrow.MapOf(key, item.Type)
	dt.SetItemNullable(item.Nullable)
	dt.KeysSorted = true
	return dt
}
