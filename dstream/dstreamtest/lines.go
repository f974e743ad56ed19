package dstreamtest

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// line is a row in a form in which rows are compared: equal rows give equal lines, and only they do.
type line struct {
	shown  string    // the row with all its digits
	form   string    // the row with # in place of each float
	floats []float64 // in order
}

// lineOf is a row. Unexported fields and what a row cannot hold do not come up: rows went through columns.
func lineOf(v any) line {
	w := &lineWriter{}
	w.value(reflect.ValueOf(v))
	return line{w.shown.String(), w.form.String(), w.floats}
}

// linesOf are the rows of a slice.
func linesOf(rows any) []line {
	v := reflect.ValueOf(rows)
	out := make([]line, v.Len())
	for i := range out {
		out[i] = lineOf(v.Index(i).Interface())
	}
	return out
}

type lineWriter struct {
	shown, form strings.Builder
	floats      []float64
}

func (w *lineWriter) text(s string) {
	w.shown.WriteString(s)
	w.form.WriteString(s)
}

func (w *lineWriter) value(v reflect.Value) {
	if t, ok := v.Interface().(time.Time); ok {
		w.text(t.UTC().Format(time.RFC3339Nano))
		return
	}
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		w.shown.WriteString(strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits()))
		w.form.WriteByte('#')
		w.floats = append(w.floats, v.Float())
	case reflect.String:
		w.text(strconv.Quote(v.String()))
	case reflect.Pointer:
		if v.IsNil() {
			w.text("nil")
			return
		}
		w.text("&")
		w.value(v.Elem())
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			w.text(strconv.Quote(string(v.Bytes())))
			return
		}
		w.list(v)
	case reflect.Map:
		w.mapping(v)
	case reflect.Struct:
		w.fields(v)
	default:
		w.text(fmt.Sprint(v.Interface()))
	}
}

func (w *lineWriter) list(v reflect.Value) {
	w.text("[")
	for i := range v.Len() {
		if i > 0 {
			w.text(" ")
		}
		w.value(v.Index(i))
	}
	w.text("]")
}

func (w *lineWriter) fields(v reflect.Value) {
	w.text("{")
	first := true
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		if !first {
			w.text(" ")
		}
		first = false
		w.text(f.Name + ":")
		w.value(v.Field(i))
	}
	w.text("}")
}

// mapping writes a map's entries in the order of their keys' lines.
func (w *lineWriter) mapping(v reflect.Value) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		return cmp.Compare(lineOf(a.Interface()).shown, lineOf(b.Interface()).shown)
	})
	w.text("map[")
	for i, k := range keys {
		if i > 0 {
			w.text(" ")
		}
		w.value(k)
		w.text(":")
		w.value(v.MapIndex(k))
	}
	w.text("]")
}

// near tells whether two lines are equal but for floats, which may differ by tolerance relative to the greater of the two.
func near(a, b line, tolerance float64) bool {
	if a.shown == b.shown {
		return true
	}
	return a.form == b.form && slices.EqualFunc(a.floats, b.floats, func(x, y float64) bool {
		return x == y || x != x && y != y || math.Abs(x-y) <= tolerance*max(math.Abs(x), math.Abs(y))
	})
}

// differInOrder says how two lists of rows differ, "" if they do not.
func differInOrder(got, want []line, tolerance float64) string {
	for i := range min(len(got), len(want)) {
		if !near(got[i], want[i], tolerance) {
			return fmt.Sprintf("row %d is %s, want %s", i+1, got[i].shown, want[i].shown) + "\n" + sideBySide(got, want)
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d rows, want %d", len(got), len(want)) + "\n" + sideBySide(got, want)
	}
	return ""
}

func sideBySide(got, want []line) string { return "got:  " + shownOf(got) + "\nwant: " + shownOf(want) }

// differ says how two lists of rows differ as multisets, "" if they do not.
func differ(got, want []line, tolerance float64) string {
	missing, many := without(want, got, tolerance), without(got, want, tolerance)
	if len(missing)+len(many) == 0 {
		return ""
	}
	var parts []string
	if len(missing) > 0 {
		parts = append(parts, "missing:  "+shownOf(missing))
	}
	if len(many) > 0 {
		parts = append(parts, "too many: "+shownOf(many))
	}
	return strings.Join(append(parts, sideBySide(got, want)), "\n")
}

// without are the rows of a that have no partner in b; each row of b is the partner of one. Rows that are equal to the last digit find
// each other first.
func without(a, b []line, tolerance float64) []line {
	exact := map[string]int{}
	for _, l := range b {
		exact[l.shown]++
	}
	var left []line
	taken := map[string]int{}
	for _, l := range a {
		if taken[l.shown] < exact[l.shown] {
			taken[l.shown]++
			continue
		}
		left = append(left, l)
	}
	if len(left) == 0 {
		return nil
	}
	byForm := map[string][]line{}
	for _, l := range b {
		if taken[l.shown] > 0 {
			taken[l.shown]--
			continue
		}
		byForm[l.form] = append(byForm[l.form], l)
	}
	var alone []line
	for _, l := range left {
		others := byForm[l.form]
		i := slices.IndexFunc(others, func(o line) bool { return near(l, o, tolerance) })
		if i < 0 {
			alone = append(alone, l)
			continue
		}
		byForm[l.form] = slices.Delete(slices.Clone(others), i, i+1)
	}
	return alone
}

// mostShown bounds the rows in a message.
const mostShown = 12

func shownOf(rows []line) string {
	if len(rows) == 0 {
		return "nothing"
	}
	var out []string
	for i, l := range rows {
		if i == mostShown {
			out = append(out, fmt.Sprintf("… and %d more", len(rows)-mostShown))
			break
		}
		out = append(out, l.shown)
	}
	return strings.Join(out, " ")
}
