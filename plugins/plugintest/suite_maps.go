package plugintest

import (
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/batch"
)

// mapCase is what a map does, computed plainly.
type mapCase struct {
	name   string // of the operator, and behind a space what is special
	config string
	in     *arrow.Schema
	plain  func(in arrow.Record) arrow.Record
}

func (c mapCase) op() string {
	name, _, _ := strings.Cut(c.name, " ")
	return name
}

func mapCases() []mapCase {
	same := func(in arrow.Record) arrow.Record { return in }
	every, few := everyType(), schemaOf(field("text", utf8), orNull(field("more", int64s)), field("n", int64s))
	return []mapCase{
		{"identity", "", every, same}, {"identity without columns", "", schemaOf(), same}, {"identity of one", "", schemaOf(field("b", bools)), same},
		{"keep", "", every, same}, {"keep without columns", "", schemaOf(), same},
		{"drop", "", every, func(in arrow.Record) arrow.Record { return array.NewRecord(schemaOf(), nil, in.NumRows()) }},
		{"even", "", every, plainEven}, {"even of few", "", few, plainEven},
		{"double", "", every, plainDouble}, {"double without columns", "", schemaOf(), func(in arrow.Record) arrow.Record { return array.NewRecord(in.Schema(), nil, 2*in.NumRows()) }},
		{"repeat", "", every, plainRepeat}, {"repeat of few", "", few, plainRepeat},
		{"with", "", every, plainWith}, {"with of few", "", few, plainWith},
		{"replace", "", every, plainReplace}, {"replace of few", "", few, plainReplace},
		{"words", "", every, plainWords}, {"words of few", "", few, plainWords},
		{"nullable", "", schemaOf(orNull(field("text", utf8))), plainNullable}, {"nullable of few", "", few, plainNullable},
		{"scale", `{"factor": 3}`, few, func(in arrow.Record) arrow.Record { return plainScale(in, 3) }}, {"scale by 0", "", few, func(in arrow.Record) arrow.Record { return plainScale(in, 0) }},
		{"batch", "", few, plainTold}, {"batch without columns", "", schemaOf(), plainTold},
	}
}

func plainEven(in arrow.Record) arrow.Record {
	idx := []int32{}
	for i, n := range ints(in, "n") {
		if n%2 == 0 {
			idx = append(idx, int32(i))
		}
	}
	return batch.Take(in, idx)
}

func plainDouble(in arrow.Record) arrow.Record {
	idx := []int32{}
	for i := range int32(in.NumRows()) {
		idx = append(idx, i, i)
	}
	return batch.Take(in, idx)
}

func plainRepeat(in arrow.Record) arrow.Record {
	idx, is := []int32{}, []int64{}
	for i, n := range ints(in, "n") {
		for k := range ((n % 4) + 4) % 4 {
			idx, is = append(idx, int32(i)), append(is, k)
		}
	}
	return plus(batch.Take(in, idx), field("i", int64s), is)
}

func plainWith(in arrow.Record) arrow.Record {
	sizes, sums := []int64{}, []int64{}
	for i, n := range ints(in, "n") {
		size := int64(len(texts(in, "text")[i]))
		sizes, sums = append(sizes, size), append(sums, size+n)
	}
	return plus(plus(in, field("size", int64s), sizes), field("sum", int64s), sums)
}

func plainReplace(in arrow.Record) arrow.Record {
	list := []string{}
	for _, n := range ints(in, "n") {
		list = append(list, strconv.FormatInt(n, 10))
	}
	at := in.Schema().FieldIndices("n")[0]
	more := plus(in, field("n", utf8), list)
	cols, fields := append([]arrow.Array(nil), in.Columns()...), in.Schema().Fields()
	cols[at], fields[at] = more.Column(int(in.NumCols())), field("n", utf8)
	return array.NewRecord(schemaOf(fields...), cols, in.NumRows())
}

func plainWords(in arrow.Record) arrow.Record {
	list, at := []string{}, []int64{}
	for _, text := range texts(in, "text") {
		word := ""
		for i, c := range []byte(text + " ") {
			switch {
			case c != ' ':
				word += string([]byte{c})
			case word != "":
				list, at = append(list, word), append(at, int64(i-len(word)))
				word = ""
			}
		}
	}
	return arrowRecord(schemaOf(field("word", utf8), field("at", int64s)), list, at)
}

func plainNullable(in arrow.Record) arrow.Record {
	col := in.Column(in.Schema().FieldIndices("text")[0]).(*array.String)
	list := []*int64{}
	for i := range col.Len() {
		n := int64(len(col.Value(i)))
		list = append(list, &n)
		if col.IsNull(i) {
			list[i] = nil
		}
	}
	return plus(in, orNull(field("length", int64s)), list)
}

func plainScale(in arrow.Record, factor int64) arrow.Record {
	list := []int64{}
	for _, n := range ints(in, "n") {
		list = append(list, n*factor)
	}
	return plus(in, field("scaled", int64s), list)
}

func plainTold(in arrow.Record) arrow.Record {
	for i, v := range []int64{batchOf.Number, batchOf.Time, int64(batchOf.Partition)} {
		in = plus(in, field([]string{"number", "time", "partition"}[i], int64s), repeated(v, in.NumRows()))
	}
	return plus(in, field("final", bools), repeated(batchOf.Final, in.NumRows()))
}

func repeated[T any](v T, n int64) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// ints are the values of a column.
func ints(rec arrow.Record, name string) []int64 {
	return rec.Column(rec.Schema().FieldIndices(name)[0]).(*array.Int64).Int64Values()
}

func texts(rec arrow.Record, name string) []string {
	col := rec.Column(rec.Schema().FieldIndices(name)[0]).(*array.String)
	out := make([]string, col.Len())
	for i := range out {
		out[i] = col.Value(i)
	}
	return out
}

// plus is a record batch with one column more.
func plus(in arrow.Record, f arrow.Field, values any) arrow.Record {
	return array.NewRecord(schemaOf(append(in.Schema().Fields(), f)...), append(append([]arrow.Array(nil), in.Columns()...), column(f, values)), in.NumRows())
}

// arrowRecord is a record batch of slices.
func arrowRecord(s *arrow.Schema, values ...any) arrow.Record {
	cols := make([]arrow.Array, len(values))
	for i, v := range values {
		cols[i] = column(s.Field(i), v)
	}
	return array.NewRecord(s, cols, int64(cols[0].Len()))
}

func column(f arrow.Field, values any) arrow.Array {
	b := array.NewBuilder(alloc, f.Type)
	defer b.Release()
	switch v := values.(type) {
	case []int64:
		b.(*array.Int64Builder).AppendValues(v, nil)
	case []float64:
		b.(*array.Float64Builder).AppendValues(v, nil)
	case []string:
		b.(*array.StringBuilder).AppendValues(v, nil)
	case []bool:
		b.(*array.BooleanBuilder).AppendValues(v, nil)
	case []*int64:
		for _, n := range v {
			if n == nil {
				b.AppendNull()
			} else {
				b.(*array.Int64Builder).Append(*n)
			}
		}
	}
	return b.NewArray()
}
