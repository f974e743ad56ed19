package dstream_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

func TestLookupAgainstReference(t *testing.T) {
	for _, kind := range []dstream.JoinKind{dstream.InnerJoin, dstream.LeftJoin, dstream.SemiJoin, dstream.AntiJoin} {
		for text, match := range map[string]func(lefty, righty) bool{
			"":       func(lefty, righty) bool { return true },
			"n <> 1": func(_ lefty, r righty) bool { return r.N != 1 },
		} {
			t.Run(kindName(kind)+" "+text, func(t *testing.T) {
				ls, rs := sides(uint64(7 + int(kind)))
				var file []righty
				for _, r := range rs {
					file = append(file, r...)
				}
				var want [][]both
				for i := range ls {
					want = append(want, refJoin(kind, ls[i], file, match))
				}
				opts := []dstream.JoinOption{kind, dstream.On("id")}
				if text != "" {
					opts = append(opts, dstream.If(expr.Col("n").Ne(1)))
				}
				dstreamtest.Check(t, func(s dstream.Stream[lefty]) dstream.Stream[both] {
					table := dstream.Lookup(s.Job(), "rows", func(context.Context) ([]righty, error) { return file, nil })
					return wide(s.Frame().Lookup(table, opts...), kind)
				}, ls, want)
			})
		}
	}
}

// plane is a line of a file; columns stand there in another order, and one is not wanted.
type plane struct {
	Tail  string
	Seats *int64
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "planes.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLookupCSV(t *testing.T) {
	path := writeFile(t, "seats,tail,maker\r\n100,N1,\"Airbus, Inc\"\r\n,N2,Boeing\r\n")
	type out struct {
		Tail  string
		Seats *int64
	}
	type key struct{ Tail string }
	dstreamtest.Check(t, func(s dstream.Stream[key]) dstream.Stream[out] {
		return s.Frame().Lookup(dstream.LookupCSV[plane](s.Job(), "planes", path), dstream.On("tail")).As[out]()
	}, [][]key{{{"N1"}, {"N3"}, {"N2"}}}, [][]out{{{"N1", new(int64(100))}, {"N2", nil}}})
}

// writeParquet makes a Parquet file with Arrow's own writer, of columns that are not in the order of plane, and of other types.
func writeParquet(t *testing.T, path, rows string) {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "seats", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		{Name: "maker", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true}, {Name: "tail", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &buf, nil, pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(rec), w.Close(), os.WriteFile(path, buf.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestLookupParquet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "planes.parquet")
	writeParquet(t, path, `[{"seats": 100, "maker": ["Airbus", "Inc"], "tail": "N1"}, {"seats": null, "maker": null, "tail": "N2"}, {"seats": 200, "maker": [], "tail": "N1"}]`)
	type out struct {
		Tail  string
		Seats *int64
	}
	type key struct{ Tail string }
	dstreamtest.Check(t, func(s dstream.Stream[key]) dstream.Stream[out] {
		return s.Frame().Lookup(dstream.LookupParquet[plane](s.Job(), "planes", path), dstream.On("tail")).As[out]()
	}, [][]key{{{"N1"}, {"N3"}}, {{"N2"}}}, [][]out{{{"N1", new(int64(100))}, {"N1", new(int64(200))}}, {{"N2", nil}}})
}

// A file that has changed is another version of the table, one that has not is the same, and one that is no Parquet any more is an error: the version before stays (Broadcast).
func TestLookupParquetReloads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "planes.parquet")
	job := dstream.NewJob(dstream.JobOptions{})
	type key struct{ Tail string }
	table := dstream.LookupParquet[plane](job, "planes", path, dstream.ReloadEvery(time.Second))
	dstream.From(job, dstreamtest.Input[key]("in").Source()).Frame().Lookup(table, dstream.On("tail")).To(dstreamtest.Sink("out"))
	plan, err := job.Plan()
	if err != nil {
		t.Fatal(err)
	}
	b := plan.Broadcasts[0]
	if b.Every != time.Second {
		t.Errorf("it is loaded every %v", b.Every)
	}
	load := func() string {
		data, err := b.Load(t.Context())
		if err == nil {
			err = b.Check(data)
		}
		if err != nil {
			return err.Error()
		}
		return string(data)
	}
	writeParquet(t, path, `[{"seats": 1, "maker": [], "tail": "N1"}]`)
	first := load()
	if load() != first {
		t.Error("a file that has not changed gives another version")
	}
	writeParquet(t, path, `[{"seats": 1, "maker": [], "tail": "N1"}, {"seats": 2, "maker": [], "tail": "N2"}]`)
	if second := load(); second == first || strings.Contains(second, "planes.parquet") {
		t.Errorf("a file that has changed gives %q", second)
	}
	if err := os.WriteFile(path, []byte("no more"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := load(); !strings.Contains(got, "planes.parquet: ") {
		t.Errorf("a file that is none gives %q", got)
	}
}

func TestLookupText(t *testing.T) {
	path := writeFile(t, "tail,seats\nN1,100\nN1,200\n")
	type out struct{ Tail, Seats string }
	type key struct{ Tail string }
	dstreamtest.Check(t, func(s dstream.Stream[key]) dstream.Stream[out] {
		return s.Frame().Lookup(dstream.LookupText(s.Job(), "planes", path), dstream.On("tail")).As[out]()
	}, [][]key{{{"N1"}, {"N3"}}}, [][]out{{{"N1", "100"}, {"N1", "200"}}})
}

// What is wrong with a file is an error of its load, with the line.
func TestLookupErrors(t *testing.T) {
	for name, c := range map[string]struct {
		declare func(*dstream.Job) dstream.LookupTable
		want    string
	}{
		"line": {func(j *dstream.Job) dstream.LookupTable {
			return dstream.LookupCSV[plane](j, "t", writeFile(t, "tail,seats\nN1,1\nN2,x\n"))
		}, "line 3: "},
		"none": {func(j *dstream.Job) dstream.LookupTable {
			return dstream.LookupCSV[plane](j, "t", filepath.Join(t.TempDir(), "x"))
		}, "no such file"},
		"no parquet": {func(j *dstream.Job) dstream.LookupTable {
			return dstream.LookupParquet[plane](j, "t", writeFile(t, "tail,seats\nN1,1\n"))
		}, "planes.csv: "},
		"parquet": {func(j *dstream.Job) dstream.LookupTable {
			path := filepath.Join(t.TempDir(), "planes.parquet")
			writeParquet(t, path, `[{"seats": 1, "maker": [], "tail": "N1"}, {"seats": 2, "maker": [], "tail": null}]`)
			return dstream.LookupParquet[plane](j, "t", path)
		}, `planes.parquet: column "tail": row 2 is null`},
		"nested": {func(j *dstream.Job) dstream.LookupTable {
			return dstream.LookupParquet[struct {
				Tail  string
				Maker []string
			}](j, "t", "x.parquet")
		}, `LookupParquet: column "maker" is list`},
		"load": {func(j *dstream.Job) dstream.LookupTable {
			return dstream.Lookup(j, "t", func(context.Context) ([]plane, error) { return nil, errors.New("boom") })
		}, "boom"},
		"header": {func(j *dstream.Job) dstream.LookupTable {
			return dstream.LookupText(j, "t", filepath.Join(t.TempDir(), "x"))
		}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := dstreamtest.New(dstreamtest.Options{}, func(j *dstream.Job) {
				type key struct{ Tail string }
				dstream.From(j, dstreamtest.Input[key]("in").Source()).Frame().Lookup(c.declare(j), dstream.OnEqual(expr.Col("tail"), expr.Col("tail")), dstream.Suffix("_2")).To(dstreamtest.Sink("out"))
			})
			if err == nil {
				_, err = r.Run(dstreamtest.At(1))
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
