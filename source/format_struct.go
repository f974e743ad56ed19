package source

import (
	"bytes"
	"errors"
	"reflect"
	"unicode/utf8"
	"unsafe"

	"github.com/millrace/millrace/internal/decode"
	"github.com/millrace/millrace/internal/records"
)

// JSON is one row a record: its value is a JSON value that becomes a T, an object where T is a struct.
//
// Columns are named by the json tag, else the arrow tag, else the field's name in snake case. A column that is missing or null makes a
// bad record, unless the field is a pointer, slice or map, or has the tag option omitempty or omitzero. The option string reads a number or
// boolean out of a JSON string. Times are RFC 3339; a tag `layout:"2006-01-02"` reads them in that layout, and layout:"seconds",
// "millis" or "micros" from a number since 1970, within a string or not. A decimal (expr.Dec) is read from a number, or from one within a string, exactly: one with more
// digits than its column has makes a bad record, zeros at the end not counted. Of a name that occurs twice the last counts.
//
// The whole record is checked to be JSON (RFC 8259) in UTF-8, also the names that T does not have and the columns that the job does not read: what encoding/json/v2 would
// refuse is a bad record, whoever reads which part of it. There is no lazier way to be asked for, nor a stricter one.
func JSON[T any](opts ...Option) Format[T] {
	o, err := collect("JSON", opts, "MaxRecord")
	plan, planErr := decode.JSON(reflect.TypeFor[T]())
	f := Format[T]{text: "json", err: errors.Join(err, planErr), limit: o.maxRecord}
	if planErr != nil {
		return f
	}
	f.text, f.direct = plan.Text(), plan
	f.reader = func() recordReader[T] {
		d := plan.Decoder()
		return func(b *records.Block, i int, dst *T) string { return readJSON(d, b, i, unsafe.Pointer(dst)) }
	}
	return f
}

// readJSON reads the value of record i into dst.
func readJSON(d *decode.JSONDecoder, b *records.Block, i int, dst unsafe.Pointer) string {
	sp := b.Values[i]
	if sp.Len == records.Null {
		return noValue
	}
	if !d.Decode(b.Data, sp, dst) {
		return d.Reason()
	}
	return ""
}

// CSV is one row a record: a line of fields. Columns are named by the csv tag, else the arrow tag, else the field's name
// in snake case; tags are JSON's otherwise, and decimals are read as there. An empty field is an empty string, or missing for all other types. A quoted field may hold
// commas and doubled quotes but no line break.
func CSV[T any](opts ...Option) Format[T] {
	o, err := collect("CSV", opts, "MaxRecord", "Header", "Columns", "Comma", "NullText")
	if o.header && o.columns != nil {
		err = errors.Join(err, errors.New("options Header and Columns both name the columns; use one"))
	}
	plan, planErr := decode.CSV(reflect.TypeFor[T](), decode.CSVOptions{Comma: o.comma, Columns: o.columns, Null: o.null})
	f := Format[T]{text: "csv", err: errors.Join(err, planErr), limit: o.maxRecord, header: o.header}
	if planErr != nil {
		return f
	}
	f.text = plan.Text()
	if o.header {
		f.text += " header"
	}
	f.reader = func() recordReader[T] { return csvReader[T](plan, o.header) }
	return f
}

// csvReader reads lines. With header, each record's key is the header of its file.
func csvReader[T any](plan *decode.CSVPlan, header bool) recordReader[T] {
	d := plan.Decoder()
	var last []byte
	return func(b *records.Block, i int, dst *T) string {
		sp := b.Values[i]
		if sp.Len == records.Null {
			return noValue
		}
		if key := b.Key(i); header && key != nil && !(len(last) == len(key) && (unsafe.SliceData(last) == unsafe.SliceData(key) || bytes.Equal(last, key))) {
			last = key
			d.Header(key)
		}
		if !d.Decode(b.Data, sp, unsafe.Pointer(dst)) {
			return d.Reason()
		}
		return ""
	}
}

// Change is a row of Changelog: from now on Key has Value, or none where Deleted.
type Change[V any] struct {
	Key     string `arrow:"key"`
	Deleted bool   `arrow:"deleted"`
	Value   V      `arrow:"value"`
}

// Changelog is one row a record of a topic that holds the latest value of each key: the record's key is the key, its
// value a JSON value that becomes a V as in JSON, and a record without a value deletes the key.
func Changelog[V any](opts ...Option) Format[Change[V]] {
	o, err := collect("a changelog", opts, "MaxRecord")
	plan, planErr := decode.JSON(reflect.TypeFor[V]())
	f := Format[Change[V]]{text: "changelog", err: errors.Join(err, planErr), limit: o.maxRecord}
	if planErr != nil {
		return f
	}
	f.text += " " + plan.Text()
	f.reader = func() recordReader[Change[V]] {
		d := plan.Decoder()
		return func(b *records.Block, i int, dst *Change[V]) string {
			key := b.Key(i)
			switch {
			case key == nil:
				return "record of a changelog has no key"
			case !utf8.Valid(key):
				return "key: invalid UTF-8"
			}
			dst.Key = unsafe.String(unsafe.SliceData(key), len(key))
			if b.Value(i) == nil {
				dst.Deleted = true
				return ""
			}
			return readJSON(d, b, i, unsafe.Pointer(&dst.Value))
		}
	}
	return f
}
