package host

import (
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/internal/wire"
)

// FuzzAnswer joins answers to pieces, which say where rows come from or do not, and compares with a list that says it of each row.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{3, 1, 3, 0, 5, 2, 2, 1, 3, 0}, true)
	f.Add([]byte{4, 1, 0, 1, 8, 1, 8, 0}, true)
	f.Add([]byte{4, 1, 4, 0, 4, 1, 4, 0}, false)
	schema := arrow.NewSchema(rowsSchema.Fields()[:1], nil)
	d := plugins.Declaration{Output: rowsSchema, Keeps: []int{-1, 1}}
	f.Fuzz(func(t *testing.T, script []byte, keep bool) {
		a := answer{keeps: keep}
		var plain []int32
		at := 0
		next := func() int {
			if len(script) == 0 {
				return 0
			}
			v := script[0]
			script = script[1:]
			return int(v)
		}
		for len(script) > 0 && at < 10_000 {
			n, start := next()%50+1, a.n // rows of the piece
			for range next()%4 + 1 {
				rows, explicit := next()%60, next()%2 == 1
				recs := []arrow.Record{nil, nil}
				if rows > 0 {
					recs[0] = rowsOfFirst(schema, rows)
				}
				var from []int32
				for i := range rows {
					if explicit {
						from = append(from, int32((i*7+rows)%n))
						plain = append(plain, int32(at)+from[i])
					} else {
						plain = append(plain, int32(at+a.n-start+i))
					}
				}
				if explicit && rows > 0 {
					recs[1] = numbers(wire.From, from)
				}
				if err := a.add(&wire.Response{Numbers: []int64{int64(rows)}}, recs, at, start); err != nil {
					t.Fatal(err)
				}
			}
			if a.check(d, start, at, n) != nil { // rows come from rows that are not there, or it is not said from which
				return
			}
			at += n
		}
		got := a.result(at)
		if err := got.Check(d, at); err != nil && keep {
			t.Fatal(err)
		}
		if got.N != len(plain) {
			t.Fatalf("%d rows, want %d", got.N, len(plain))
		}
		if !keep {
			if got.From != nil {
				t.Fatal("rows come from somewhere, and nothing is kept")
			}
			return
		}
		for i, want := range plain {
			from := int32(i)
			if got.From != nil {
				from = got.From[i]
			}
			if from != want {
				t.Fatalf("row %d comes from %d, want %d", i, from, want)
			}
		}
	})
}

func rowsOfFirst(schema *arrow.Schema, n int) arrow.Record {
	return array.NewRecord(schema, rows(0, n, 1).Columns()[:1], int64(n))
}

// FuzzHandshake reads first lines. What is taken is a socket in the folder.
func FuzzHandshake(f *testing.F) {
	for _, s := range []string{"1|1|unix|/tmp/x/s|grpc|" + strings.Repeat("A", 60), "1|1|unix|/tmp/x/../y|grpc|", "1|2|tcp|:1|grpc", "|||||", "1|1|unix|/tmp/x|grpc", "99999999999|1|unix|/tmp/x/s|grpc"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var h handshake
		if err := h.take(line, nil, "/tmp/x"); err != nil {
			if h.wrong() == nil || h.certificate() {
				t.Error("an error that is not kept")
			}
			return
		}
		if parts := strings.Split(line, "|"); parts[2] != "unix" || !strings.HasPrefix(parts[3], "/tmp/x/") && !strings.Contains(parts[3], "..") && !strings.Contains(parts[3], "//") && !strings.Contains(parts[3], "/./") {
			t.Errorf("%q is taken", line)
		}
	})
}
