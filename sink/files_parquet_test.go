package sink_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/sinktest"
)

// readTable reads a Parquet file with Arrow's own reader.
func readTable(path string) (arrow.Table, error) {
	r, err := file.OpenParquetFile(path, false)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	fr, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	return fr.ReadTable(context.Background())
}

// readParquet reads the rows of a directory of Parquet files.
func readParquet(dir string) ([]sinktest.Row, error) {
	return readFiles(dir, func(path string) ([]sinktest.Row, error) {
		t, err := readTable(path)
		if err != nil {
			return nil, err
		}
		var rows []sinktest.Row
		tr := array.NewTableReader(t, 0)
		for tr.Next() {
			keys, vals := tr.Record().Column(0).(*array.String), tr.Record().Column(1).(*array.Int64)
			for i := range keys.Len() {
				rows = append(rows, sinktest.Row{Key: strings.Clone(keys.Value(i)), Value: vals.Value(i)})
			}
		}
		return rows, nil
	})
}

func parquetSubject(opts ...sink.FileOption) sinktest.Make {
	return filesSubject(sink.FilesParquet, readParquet, opts)
}

func TestFilesParquet(t *testing.T) { sinktest.Run(t, parquetSubject()) }

func TestFilesParquetSmall(t *testing.T) {
	sinktest.Run(t, parquetSubject(sink.RollSize(3000), sink.MergeFiles(3), sink.MergeGrace(0)))
}

// TestParquetTypes writes every type that a row can have, nested ones with nulls at every level, and reads it with Arrow's own reader.
func TestParquetTypes(t *testing.T) {
	opt := func(name string, dt arrow.DataType) arrow.Field {
		return arrow.Field{Name: name, Type: dt, Nullable: true}
	}
	req := func(name string, dt arrow.DataType) arrow.Field { return arrow.Field{Name: name, Type: dt} }
	i64 := arrow.PrimitiveTypes.Int64
	schema := arrow.NewSchema([]arrow.Field{
		req("s", arrow.BinaryTypes.String), opt("b", arrow.BinaryTypes.Binary), opt("ok", arrow.FixedWidthTypes.Boolean),
		req("i8", arrow.PrimitiveTypes.Int8), opt("u16", arrow.PrimitiveTypes.Uint16), req("i64", i64), opt("u64", arrow.PrimitiveTypes.Uint64),
		opt("f32", arrow.PrimitiveTypes.Float32), req("f64", arrow.PrimitiveTypes.Float64),
		opt("at", &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}),
		opt("list", arrow.ListOf(i64)),
		req("lists", arrow.ListOfNonNullable(arrow.ListOf(arrow.BinaryTypes.String))),
		opt("st", arrow.StructOf(opt("x", i64), req("l", arrow.ListOf(arrow.StructOf(opt("y", i64)))))),
		opt("m", arrow.MapOf(arrow.BinaryTypes.String, i64)), opt("dec", &arrow.Decimal128Type{Precision: 18, Scale: 2}),
	}, nil)
	rows := `[
	{"s":"a","b":"aGk=","ok":true,"i8":-1,"u16":65535,"i64":1,"u64":18446744073709551615,"f32":0.5,"f64":1.5,"at":"2024-01-02 03:04:05.000006","list":[1,null,3],"lists":[["x","y"],[],["z"]],"st":{"x":1,"l":[{"y":2},null,{"y":null}]},"m":[{"key":"k","value":1},{"key":"l","value":null}],"dec":"-1234567890.12"},
	{"s":"","b":null,"ok":null,"i8":2,"u16":null,"i64":-5,"u64":null,"f32":null,"f64":0,"at":null,"list":null,"lists":[],"st":null,"m":null,"dec":null},
	{"s":"é","b":"","ok":false,"i8":3,"u16":1,"i64":7,"u64":0,"f32":-1,"f64":2.25,"at":"1969-12-31","list":[],"lists":[[]],"st":{"x":null,"l":[]},"m":[],"dec":"0.05"}]`
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	out := openOutput(t, sink.FilesParquet(dir, sink.MergeFiles(3), sink.MergeGrace(0)), sink.Schema{Arrow: schema})
	l := openLane(t, out, 1)
	ctx := context.Background()
	var want bytes.Buffer
	for n := int64(1); n <= 3; n++ { // three files, which are then merged
		part := rec.NewSlice(0, n)
		if err := l.Stage(ctx, sink.Batch{Number: n}, []arrow.Record{part, rec.NewSlice(1, 3)}); err != nil {
			t.Fatal(err)
		}
		if err := l.Publish(ctx, sink.Batch{Number: n}); err != nil {
			t.Fatal(err)
		}
		if err := l.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		lines(t, &want, part)
		lines(t, &want, rec.NewSlice(1, 3))
	}
	files, err := sink.ReadManifest(dir)
	if err != nil || len(files) != 1 || files[0].Rows != 12 {
		t.Fatalf("files: %+v, %v", files, err)
	}
	if err := sink.VerifyFiles(dir); err != nil {
		t.Fatal(err)
	}
	table, err := readTable(files[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	tr := array.NewTableReader(table, 0)
	for tr.Next() {
		lines(t, &got, tr.Record())
	}
	if got.String() != want.String() {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want.String())
	}
}

// lines appends rec in Arrow's JSON, a line a row.
func lines(t *testing.T, w io.Writer, rec arrow.Record) {
	t.Helper()
	if err := array.RecordToJSON(rec, w); err != nil {
		t.Fatal(err)
	}
}
