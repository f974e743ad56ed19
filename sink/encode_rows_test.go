package sink

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/internal/kafkatx"
)

// columnwise is the plain way to the objects of cols: columns are encoded one after the other, then put together.
func columnwise(t testing.TB, o *objects, cols []arrow.Array, n int) (rows []string) {
	t.Helper()
	cells := make([]bytesColumn, len(cols))
	for i := range cols {
		if err := o.cols[i].cells.encode(&cells[i], cols[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		var row strings.Builder
		for j := range cells {
			row.Write(o.before[j])
			row.Write(cells[j].Value(i))
		}
		rows = append(rows, row.String()+o.after)
	}
	return rows
}

// someRows are n rows of all kinds of columns, in Arrow's own JSON, many cells null.
func someRows(r *rand.Rand, n int) string {
	var rows []string
	texts := []string{"", "plain", "eight by", "longer than sixteen", `quo\"te`, `back\\slash`, "\\u0001", "\\n", "é", "日本語", "a longer one with é at its end"}
	for range n {
		cell := func(format string, args ...any) string {
			if r.IntN(4) == 0 {
				return "null"
			}
			return fmt.Sprintf(format, args...)
		}
		rows = append(rows, fmt.Sprintf(`{"key":%s,"n":%s,"f":%s,"s":%s,"at":%s,"ok":%s,"i":%s,"l":%s,"p":%s}`,
			cell(`"%s"`, texts[r.IntN(len(texts))]), cell("%d", r.Int64()-r.Int64()), cell("%g", r.NormFloat64()), cell(`"%s"`, texts[r.IntN(len(texts))]),
			cell(`"2024-02-29 12:00:%02d.5"`, r.IntN(60)), cell("%v", r.IntN(2) == 0), cell("%d", r.IntN(1000)), cell("[1,%d]", r.IntN(9)), cell(`{"x":%d}`, r.IntN(9))))
	}
	return "[" + strings.Join(rows, ",") + "]"
}

var allKinds = fields("key", str, "n", i64, "f", f64, "s", str, "at", ts, "ok", arrow.FixedWidthTypes.Boolean, "i", arrow.PrimitiveTypes.Int32,
	"l", arrow.ListOf(i64), "p", arrow.StructOf(arrow.Field{Name: "x", Type: i64, Nullable: true}))

// TestRowsEqualColumns: rows that are written one by one are those that are encoded column by column.
func TestRowsEqualColumns(t *testing.T) {
	s := Schema{Arrow: allKinds}
	e, err := newEncoder(s, JSON)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 4))
		rec := record(t, s.Arrow, someRows(r, 40))
		if seed%2 == 1 {
			rec = rec.NewSlice(7, 33)
		}
		var vals bytesColumn
		if err := e.Encode(rec, &bytesColumn{}, &vals); err != nil {
			t.Fatal(err)
		}
		want := columnwise(t, e.val.object, rec.Columns(), int(rec.NumRows()))
		var got []string
		for i := range vals.Len() {
			got = append(got, string(vals.Value(i)))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	}
}

// TestStageEqualsEncode: what lanes of Kafka and of the log stage, and where rows are routed, is what encoding whole columns says. Memory is used again in between.
func TestStageEqualsEncode(t *testing.T) {
	scalar := fields("key", str, "value", i64)
	for name, c := range map[string]struct {
		schema Schema
		format Format
	}{
		"scalars": {Schema{scalar, 1, true, true}, Text},
		"json":    {Schema{allKinds, 1, true, false}, JSON},
		"struct":  {Schema{allKinds, 4, false, false}, JSON},
		"number":  {Schema{fields("key", i64, "value", str), 1, true, true}, JSON},
		"no key":  {Schema{Arrow: allKinds}, JSON},
		"bare":    {Schema{fields("value", str), 0, false, true}, Text},
	} {
		enc, err := newEncoder(c.schema, c.format)
		if err != nil {
			t.Fatal(err)
		}
		out := &kafkaOutput{schema: c.schema, partitions: 5}
		lane := &kafkaLane{out: out, lanes: 1, enc: enc}
		log := &logLane{enc: enc, keyed: c.schema.Keys > 0, w: new(commitlog.Writer)}
		for batch := range int64(20) {
			r := rand.New(rand.NewPCG(uint64(batch), 5))
			var recs []arrow.Record
			for range 1 + r.IntN(3) {
				recs = append(recs, recordOf(t, c.schema.Arrow, r, 30))
			}
			b := Batch{Number: batch + 1, Time: 1_700_000_000_000_000}
			if err := lane.Stage(t.Context(), b, recs); err != nil {
				t.Fatal(err)
			}
			if err := log.Stage(t.Context(), b, recs); err != nil {
				t.Fatal(err)
			}
			want := kafkaStaged{recs: make([]*kafkatx.Records, 5)}
			rows := commitlog.Batch{}
			row := int64(0)
			for _, rec := range recs {
				var keys, vals bytesColumn
				if err := enc.Encode(rec, &keys, &vals); err != nil {
					t.Fatal(err)
				}
				routed := make([]int32, rec.NumRows())
				out.Route(0, row, rec, 3, routed)
				for i := range vals.Len() {
					part, lanes := lane.roundRobin(b.Number, row), int32(row/kafkaRun%3)
					var k []byte
					if c.schema.Keys > 0 {
						k = present(&keys, i)
						part = int32(commitlog.PartitionOf(k, 5))
						lanes = part % 3
					}
					v := present(&vals, i)
					want.part(part).Add(k, v, b.Time/1000)
					if routed[i] != lanes {
						t.Fatalf("%s: row %d goes to lane %d, want %d", name, i, routed[i], lanes)
					}
					if err := rows.Add(k, v, b.Time); err != nil {
						t.Fatal(err)
					}
					row++
				}
			}
			same := cmp.Options{cmp.AllowUnexported(kafkatx.Records{}, commitlog.Batch{}), cmpopts.IgnoreFields(kafkatx.Records{}, "spare", "begun"), cmp.Comparer(equalBytes)}
			if d := cmp.Diff(want.filled(), lane.staged[0].filled(), same); d != "" {
				t.Fatalf("%s: %s", name, d)
			}
			if d := cmp.Diff(&rows, log.staged[0].rows, same); d != "" {
				t.Fatalf("%s in the log: %s", name, d)
			}
			lane.release(&lane.staged[0])
			log.release(log.staged[0].rows)
			lane.staged, log.staged = nil, nil
		}
	}
}

func equalBytes(a, b []byte) bool { return string(a) == string(b) }

// recordOf are n random rows of a schema with columns of allKinds, or of a key and a value.
func recordOf(t testing.TB, s *arrow.Schema, r *rand.Rand, n int) arrow.Record {
	if s == allKinds {
		return record(t, s, someRows(r, n))
	}
	var rows []string
	for range n {
		var cells []string
		for _, f := range s.Fields() {
			cell := "null"
			if r.IntN(4) > 0 {
				switch f.Type {
				case str:
					cell = fmt.Sprintf("%q", []string{"", "word", "a \" quote"}[r.IntN(3)])
				case arrow.BinaryTypes.Binary:
					cell = []string{`""`, `"AP8="`}[r.IntN(2)] // base64
				default:
					cell = fmt.Sprint(r.IntN(100_000))
				}
			}
			cells = append(cells, fmt.Sprintf("%q:%s", f.Name, cell))
		}
		rows = append(rows, "{"+strings.Join(cells, ",")+"}")
	}
	return record(t, s, "["+strings.Join(rows, ",")+"]")
}

// present is row i's bytes: nil exactly if it is null, also where an empty value has no memory.
func present(c *bytesColumn, i int) []byte {
	v := c.Value(i)
	if v == nil && (c.Null == nil || !c.Null[i]) {
		return []byte{}
	}
	return v
}
