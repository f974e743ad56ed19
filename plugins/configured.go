package plugins

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Configured is an operator that f makes of a configuration, the bytes of Ref.With as JSON: a field that C does not have is an error, with the one that was probably meant. No bytes are a zero
// C. f checks values, and its errors arrive while the job is built; secrets are named by file.
//
// What kind of operator it is must be known without a configuration: f is called once here, with an example if one is given, and otherwise with a zero C. It panics if that is refused.
func Configured[C any](name string, f func(C) (Operator, error), example ...C) Operator {
	var c C
	if len(example) > 0 {
		c = example[0]
	}
	like, err := f(c)
	if err == nil && like.Kind() == "" {
		err = errors.New("the function gives an operator of no kind")
	}
	if err != nil {
		panic(fmt.Sprintf("plugins.Configured(%q): %v; give it an example of a configuration that works, behind the function", name, err))
	}
	build := func(config []byte) (Operator, error) {
		c, err := decoded[C](config)
		if err != nil {
			return Operator{}, err
		}
		op, err := f(c)
		if err == nil && op.Kind() != like.Kind() {
			err = fmt.Errorf("operator %q is a %s with this configuration, and was a %s", name, op.Kind(), like.Kind())
		}
		return op, err
	}
	op := Operator{Name: name, Doc: like.Doc}
	switch like.Kind() {
	case "map":
		op.Map = configured(build, func(o Operator) (Map, error) { return o.Map(nil) })
	case "scalar":
		op.Scalar = configured(build, func(o Operator) (Scalar, error) { return o.Scalar(nil) })
	case "aggregate":
		op.Aggregate = configured(build, func(o Operator) (Aggregate, error) { return o.Aggregate(nil) })
	case "keyed":
		op.Keyed = configured(build, func(o Operator) (Keyed, error) { return o.Keyed(nil) })
	case "source":
		op.Source = configured(build, func(o Operator) (Source, error) { return o.Source(nil) })
	case "sink":
		op.Sink = configured(build, func(o Operator) (Sink, error) { return o.Sink(nil) })
	}
	return op
}

func configured[T any](build func([]byte) (Operator, error), pick func(Operator) (T, error)) func([]byte) (T, error) {
	return func(config []byte) (T, error) {
		op, err := build(config)
		if err != nil {
			var none T
			return none, err
		}
		return pick(op)
	}
}

// WithDoc is the operator with a line for people.
func (o Operator) WithDoc(doc string) Operator {
	o.Doc = doc
	return o
}

// decoded is a configuration.
func decoded[C any](config []byte) (C, error) {
	var c C
	if len(config) == 0 {
		return c, nil
	}
	d := json.NewDecoder(bytes.NewReader(config))
	d.DisallowUnknownFields()
	err := d.Decode(&c)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("something follows the value")
		}
	}
	if err == nil {
		return c, nil
	}
	text := strings.TrimPrefix(err.Error(), "json: ")
	if name, ok := strings.CutPrefix(text, "unknown field "); ok {
		return c, fmt.Errorf("configuration: there is no field %s%s", name, meant(strings.Trim(name, `"`), jsonNames(reflect.TypeFor[C](), nil)))
	}
	return c, fmt.Errorf("configuration: %s; want JSON of %T", text, c)
}

// jsonNames are the fields that JSON has for a type, in structs and lists within it too.
func jsonNames(t reflect.Type, names []string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || len(names) > 100 {
		return names
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case name != "":
			names = append(names, name)
		case !f.Anonymous:
			names = append(names, f.Name)
		}
		names = jsonNames(f.Type, names)
	}
	return names
}
