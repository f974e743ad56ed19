package sink

import (
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/kafkatx"
)

// vectorKinds are kinds of columns that are read where they are, narrow ones among them.
var vectorKinds = fields("i8", arrow.PrimitiveTypes.Int8, "u16", arrow.PrimitiveTypes.Uint16, "u64", arrow.PrimitiveTypes.Uint64, "f32", arrow.PrimitiveTypes.Float32,
	"s", str, "at", ts, "ms", &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"}, "n", i64, "f", f64)

const vectorRows = `[
	{"i8":-128,"u16":65535,"u64":18446744073709551615,"f32":0.1,"s":"a \"b\"","at":"2024-02-29 12:00:01.5","ms":"2024-02-29 12:00:01.5","n":-1,"f":1e300},
	{"i8":null,"u16":null,"u64":null,"f32":null,"s":null,"at":null,"ms":null,"n":null,"f":null},
	{"i8":1,"u16":2,"u64":3,"f32":1e-9,"s":"","at":"1969-12-31 23:59:59","ms":"1969-12-31 23:59:59","n":9223372036854775807,"f":-0.0},
	{"i8":7,"u16":0,"u64":0,"f32":16777216,"s":"é","at":"2000-01-01 00:00:00","ms":"2000-01-01 00:00:00","n":0,"f":0.3}]`

// someRecord are random rows of the schemas of these tests.
func someRecord(t testing.TB, s *arrow.Schema, r *rand.Rand) arrow.Record {
	if s == vectorKinds {
		return record(t, s, vectorRows)
	}
	return recordOf(t, s, r, 30)
}

// staged is what lanes of the log and of Kafka have of records that come in order.
func staged(t *testing.T, s Schema, f Format, recs []arrow.Record) (*commitlog.Batch, map[int32]*kafkatx.Records) {
	t.Helper()
	enc, err := newEncoder(s, f)
	if err != nil {
		t.Fatal(err)
	}
	b := Batch{Number: 1, Time: 1_700_000_000_000_000}
	log := &logLane{enc: enc, keyed: s.Keys > 0, w: new(commitlog.Writer)}
	kafka := &kafkaLane{out: &kafkaOutput{schema: s, partitions: 5}, n: 1, lanes: 2, enc: enc}
	if err := log.Stage(t.Context(), b, recs); err != nil {
		t.Fatal(err)
	}
	if err := kafka.Stage(t.Context(), b, recs); err != nil {
		t.Fatal(err)
	}
	return log.staged[0].rows, kafka.staged[0].filled()
}

// TestEncodedEqualsColumns: lanes stage the same bytes of rows that tasks have encoded, as records and as columns, and of rows that come as columns.
func TestEncodedEqualsColumns(t *testing.T) {
	same := cmp.Options{cmp.AllowUnexported(kafkatx.Records{}, commitlog.Batch{}), cmpopts.IgnoreFields(kafkatx.Records{}, "spare", "begun"), cmp.Comparer(equalBytes)}
	for name, c := range map[string]struct {
		schema Schema
		format Format
	}{
		"scalars":    {Schema{fields("key", str, "value", i64), 1, true, true}, Text},
		"json":       {Schema{allKinds, 1, true, false}, JSON},
		"struct":     {Schema{allKinds, 4, false, false}, JSON},
		"no key":     {Schema{Arrow: allKinds}, JSON},
		"vectors":    {Schema{Arrow: vectorKinds}, JSON},
		"bare":       {Schema{fields("value", str), 0, false, true}, Text},
		"bare json":  {Schema{fields("value", str), 0, false, true}, JSON},
		"bare bytes": {Schema{fields("value", arrow.BinaryTypes.Binary), 0, false, true}, Text},
		"two bytes":  {Schema{fields("key", arrow.BinaryTypes.Binary, "value", arrow.BinaryTypes.Binary), 1, true, true}, Text},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				r := rand.New(rand.NewPCG(seed, 6))
				lanes := 1 + r.IntN(3)
				plain := make([][]arrow.Record, lanes)
				var rows, vecs *rowEncoder
				for _, e := range []**rowEncoder{&rows, &vecs} {
					var err error
					if *e, err = newRowEncoder(c.schema, c.format, lanes); err != nil {
						t.Fatal(err)
					}
				}
				for range 3 {
					rec := someRecord(t, c.schema.Arrow, r)
					wide, sel := col.FromRecord(rec), []int32(nil)
					if seed%2 == 1 { // some of the rows
						sel = []int32{}
						for i := range wide.N {
							if r.IntN(2) == 0 {
								sel = append(sel, int32(i))
							}
						}
						rec, wide = batch.Take(rec, sel), wide.Where(sel)
					}
					lane := make([]int32, rec.NumRows())
					for i := range lane {
						lane[i] = int32(r.IntN(lanes))
					}
					for i, part := range batch.Split(rec, lane, lanes) {
						if part != nil {
							plain[i] = append(plain[i], part)
						}
					}
					if lanes == 1 {
						lane = nil
					}
					if err := rows.Record(rec, lane); err != nil {
						t.Fatal(err)
					}
					if c.schema.Keys > 0 {
						continue
					}
					if err := vecs.Columns(wide, lane); err != nil {
						t.Fatal(err)
					}
				}
				compare := func(e *rowEncoder) {
					t.Helper()
					blocks, err := e.Records()
					if err != nil {
						t.Fatal(err)
					}
					for i, block := range blocks {
						if (block == nil) != (plain[i] == nil) {
							t.Fatalf("lane %d: rows on one way only", i)
						}
						if block == nil {
							continue
						}
						if err := batch.CheckRecord(block, EncodedSchema(c.schema.Keys > 0)); err != nil {
							t.Fatal(err)
						}
						moved, err := batch.Unmarshal(EncodedSchema(c.schema.Keys > 0), joinBytes(batch.Marshal(block, nil)))
						if err != nil {
							t.Fatal(err)
						}
						log, kafka := staged(t, c.schema, c.format, plain[i])
						for _, rec := range []arrow.Record{block, moved} {
							gotLog, gotKafka := staged(t, c.schema, c.format, []arrow.Record{rec})
							if d := cmp.Diff(log, gotLog, same); d != "" {
								t.Fatalf("lane %d of the log: %s", i, d)
							}
							if d := cmp.Diff(kafka, gotKafka, same); d != "" {
								t.Fatalf("lane %d of Kafka: %s", i, d)
							}
						}
					}
				}
				compare(rows)
				if c.schema.Keys == 0 {
					compare(vecs)
				}
			}
		})
	}
}

func joinBytes(parts [][]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// TestEncodedRowsOfOthers: rows of two columns of bytes are not taken for rows that are encoded.
func TestEncodedRowsOfOthers(t *testing.T) {
	plain := arrow.NewSchema(encodedKeyed.Fields(), nil)
	rec := record(t, plain, `[{"key":"aGk=","value":"aGk="}]`)
	if _, values := encodedRows(rec); values != nil {
		t.Error("rows with columns key and value pass for encoded ones")
	}
	if keys, values := encodedRows(array.NewRecord(encodedKeyed, rec.Columns(), 1)); keys == nil || values == nil {
		t.Error("encoded rows do not")
	}
}
