package dstream_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
