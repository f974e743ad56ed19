package parquetfile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

var (
	micros = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	cents  = &arrow.Decimal128Type{Precision: 18, Scale: 2}
)

func field(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

// written is a record as Arrow's own writer writes it.
func written(t *testing.T, rec arrow.Record, opts ...parquet.WriterProperty) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := pqarrow.NewFileWriter(rec.Schema(), &buf, parquet.NewWriterProperties(opts...), pqarrow.NewArrowWriterProperties(pqarrow.WithDeprecatedInt96Timestamps(false)))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteBuffered(rec); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func recordOf(t *testing.T, s *arrow.Schema, json string) arrow.Record {
	t.Helper()
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, s, strings.NewReader(json))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// What Arrow's own writer writes is read as it was: all types, in small row groups, with each compression, with a dictionary and without.
func TestReadIsWhatWasWritten(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{
		field("ok", arrow.FixedWidthTypes.Boolean), field("i8", arrow.PrimitiveTypes.Int8), field("i16", arrow.PrimitiveTypes.Int16), field("i32", arrow.PrimitiveTypes.Int32),
		{Name: "i64", Type: arrow.PrimitiveTypes.Int64}, field("u8", arrow.PrimitiveTypes.Uint8), field("u16", arrow.PrimitiveTypes.Uint16), field("u32", arrow.PrimitiveTypes.Uint32),
		field("u64", arrow.PrimitiveTypes.Uint64), field("f32", arrow.PrimitiveTypes.Float32), field("f64", arrow.PrimitiveTypes.Float64), {Name: "s", Type: arrow.BinaryTypes.String},
		field("bin", arrow.BinaryTypes.Binary), field("fix", &arrow.FixedSizeBinaryType{ByteWidth: 3}), field("at", micros), field("dec", cents),
	}, nil)
	for i, props := range [][]parquet.WriterProperty{
		nil,
		{parquet.WithMaxRowGroupLength(7)},
		{parquet.WithCompression(compress.Codecs.Snappy), parquet.WithDictionaryDefault(false)},
		{parquet.WithCompression(compress.Codecs.Zstd), parquet.WithDataPageVersion(parquet.DataPageV2), parquet.WithDataPageSize(64)},
		{parquet.WithCompression(compress.Codecs.Gzip), parquet.WithVersion(parquet.V1_0)},
	} {
		rnd := rand.New(rand.NewPCG(uint64(i), 1))
		for _, n := range []int{0, 1, 100, pageRows + 50} {
			rec := random(rnd, schema, n)
			got, err := Read(written(t, rec, props...), schema)
			if err != nil {
				t.Fatalf("properties %d, %d rows: %v", i, n, err)
			}
			if !array.RecordEqual(rec, got) {
				t.Fatalf("properties %d, %d rows:\n got %v\nwant %v", i, n, got, rec)
			}
		}
	}
}

// random is n random rows, with nulls where they may be.
func random(rnd *rand.Rand, s *arrow.Schema, n int) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	for i, f := range s.Fields() {
		for range n {
			v := rnd.Int64() >> rnd.IntN(64)
			if rnd.IntN(2) == 0 {
				v = -v
			}
			if f.Nullable && rnd.IntN(4) == 0 {
				b.Field(i).AppendNull()
				continue
			}
			switch b := b.Field(i).(type) {
			case *array.BooleanBuilder:
				b.Append(v > 0)
			case *array.Int8Builder:
				b.Append(int8(v))
			case *array.Int16Builder:
				b.Append(int16(v))
			case *array.Int32Builder:
				b.Append(int32(v))
			case *array.Int64Builder:
				b.Append(v)
			case *array.Uint8Builder:
				b.Append(uint8(v))
			case *array.Uint16Builder:
				b.Append(uint16(v))
			case *array.Uint32Builder:
				b.Append(uint32(v))
			case *array.Uint64Builder:
				b.Append(uint64(v))
			case *array.Float32Builder:
				b.Append(float32(v) / 7)
			case *array.Float64Builder:
				b.Append(float64(v) / 7)
			case *array.StringBuilder:
				b.Append(fmt.Sprintf("ä%d", v%50))
			case *array.BinaryBuilder:
				b.Append([]byte{byte(v), 0xff})
			case *array.FixedSizeBinaryBuilder:
				b.Append([]byte{byte(v), 0, byte(v >> 8)})
			case *array.TimestampBuilder:
				b.Append(arrow.Timestamp(v))
			case *array.Decimal128Builder:
				b.Append(decimal128.FromI64(v % 1e17))
			}
		}
	}
	return b.NewRecord()
}

// A type that differs is converted where nothing is lost, and other columns of the file do not matter.
func TestReadConverts(t *testing.T) {
	in := recordOf(t, arrow.NewSchema([]arrow.Field{
		field("other", arrow.ListOf(arrow.PrimitiveTypes.Int64)), field("n", arrow.PrimitiveTypes.Int32), field("u", arrow.PrimitiveTypes.Uint16),
		field("ms", &arrow.TimestampType{Unit: arrow.Millisecond}), field("ns", &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}), field("day", arrow.FixedWidthTypes.Date32),
		field("f", arrow.PrimitiveTypes.Float32), field("d", cents),
	}, nil), `[
		{"other": [1, 2], "n": -5, "u": 65535, "ms": "2024-05-01 10:00:00.123", "ns": "1969-12-31 23:59:59.999999999", "day": "1969-12-31", "f": 0.5, "d": "-3.25"},
		{"other": null, "n": null, "u": null, "ms": null, "ns": null, "day": null, "f": null, "d": null}]`)
	want := recordOf(t, arrow.NewSchema([]arrow.Field{
		field("day", micros), field("n", arrow.PrimitiveTypes.Int64), field("u", arrow.PrimitiveTypes.Uint64), field("ms", micros), field("ns", micros), field("f", arrow.PrimitiveTypes.Float64),
		field("d", &arrow.Decimal128Type{Precision: 38, Scale: 2}),
	}, nil), `[
		{"n": -5, "u": 65535, "ms": "2024-05-01 10:00:00.123", "ns": "1969-12-31 23:59:59.999999", "day": "1969-12-31 00:00:00", "f": 0.5, "d": "-3.25"},
		{"n": null, "u": null, "ms": null, "ns": null, "day": null, "f": null, "d": null}]`)
	got, err := Read(written(t, in), want.Schema())
	if err != nil {
		t.Fatal(err)
	}
	if !array.RecordEqual(want, got) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// Errors name the column, what the file has, and the row.
func TestReadErrors(t *testing.T) {
	in := recordOf(t, arrow.NewSchema([]arrow.Field{
		field("seats", arrow.PrimitiveTypes.Int32), field("tail", arrow.BinaryTypes.String), field("raw", arrow.BinaryTypes.Binary), field("tags", arrow.ListOf(arrow.BinaryTypes.String)),
		field("at", &arrow.TimestampType{Unit: arrow.Millisecond}), field("u", arrow.PrimitiveTypes.Uint64), field("price", cents), field("f", arrow.PrimitiveTypes.Float64),
		field("noon", arrow.FixedWidthTypes.Time32ms),
	}, nil), `[
		{"seats": 100, "tail": "N1", "raw": "YQ==", "tags": [], "at": "2024-05-01 10:00:00", "u": 1, "price": "1.00", "f": 1, "noon": "12:00:00"},
		{"seats": 300, "tail": null, "raw": "/w==", "tags": [], "at": "2024-05-01 10:00:00", "u": 9223372036854775808, "price": "1000.00", "f": 1, "noon": "12:00:00"}]`)
	data := written(t, in)
	for want, f := range map[string]arrow.Field{
		`column "seat": it is not in the file; did you mean "seats"?`:                                           field("seat", arrow.PrimitiveTypes.Int64),
		`column "maker": it is not in the file, whose columns are seats, tail, raw,`:                            field("maker", arrow.PrimitiveTypes.Int64),
		`column "tags": it is a list, a map or a struct in the file; only plain columns are read`:               field("tags", arrow.BinaryTypes.String),
		`column "seats": row 2: the int32 300 is no int8`:                                                       field("seats", arrow.PrimitiveTypes.Int8),
		`column "seats": it is int32 in the file, and utf8 is wanted`:                                           field("seats", arrow.BinaryTypes.String),
		`column "tail": row 2 is null, and rows must have a value there; take a pointer for the field`:          {Name: "tail", Type: arrow.BinaryTypes.String},
		`column "tail": it is text in the file, and int64 is wanted`:                                            field("tail", arrow.PrimitiveTypes.Int64),
		`column "raw": row 2: the byte_array "\xff" is no utf8`:                                                 field("raw", arrow.BinaryTypes.String),
		`column "u": row 2: the uint64 9223372036854775808 is no int64`:                                         field("u", arrow.PrimitiveTypes.Int64),
		`column "at": it is timestamp of milliseconds in the file, and int64 is wanted`:                         field("at", arrow.PrimitiveTypes.Int64),
		`column "price": row 2: the decimal(18, 2) has more digits than decimal(4, 2)`:                          field("price", &arrow.Decimal128Type{Precision: 4, Scale: 2}),
		`column "price": it is decimal(18, 2) in the file, and decimal(18, 4) is wanted`:                        field("price", &arrow.Decimal128Type{Precision: 18, Scale: 4}),
		`column "f": it is double in the file, and float32 is wanted`:                                           field("f", arrow.PrimitiveTypes.Float32),
		`column "noon": it is time(isadjustedtoutc=true, timeunit=milliseconds) in the file, which is not read`: field("noon", arrow.PrimitiveTypes.Int64),
	} {
		_, err := Read(data, arrow.NewSchema([]arrow.Field{f}, nil))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// A damaged file is an error, or is read; it is never a panic.
func TestReadDamaged(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{field("n", arrow.PrimitiveTypes.Int64), field("s", arrow.BinaryTypes.String)}, nil)
	data := written(t, random(rand.New(rand.NewPCG(1, 2)), schema, 50))
	rnd := rand.New(rand.NewPCG(3, 4))
	failed := 0
	for range 300 {
		bad := bytes.Clone(data)
		bad[rnd.IntN(len(bad))] ^= byte(1 + rnd.IntN(255))
		if _, err := Read(bad[:len(bad)-rnd.IntN(2)*rnd.IntN(len(bad))], schema); err != nil {
			failed++
		}
	}
	if _, err := Read(nil, schema); err == nil || failed < 100 {
		t.Errorf("no error for an empty file (%v), or %d for 300 damaged ones", err, failed)
	}
}

func FuzzRead(f *testing.F) {
	schema := arrow.NewSchema([]arrow.Field{field("n", arrow.PrimitiveTypes.Int64)}, nil)
	f.Add([]byte("PAR1"))
	f.Fuzz(func(_ *testing.T, data []byte) { Read(data, schema) })
}
