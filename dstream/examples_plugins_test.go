package dstream_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/driver"
	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

// dear keeps the fares that cost at least 5 and adds what they cost with a tip.
type dear struct{}

func (dear) Declare(in *arrow.Schema) (plugins.Declaration, error) {
	at := in.FieldIndices("cost")
	if len(at) != 1 || in.Field(at[0]).Type.ID() != arrow.INT64 {
		return plugins.Declaration{}, fmt.Errorf("a column \"cost\" of int64 is missing")
	}
	d := plugins.Declaration{Reads: at}
	for i := range in.Fields() {
		d.Keeps = append(d.Keeps, i)
	}
	d.Keeps = append(d.Keeps, -1) // the new one
	d.Output = arrow.NewSchema(append(in.Fields()[:len(in.Fields()):len(in.Fields())], arrow.Field{Name: "tipped", Type: arrow.PrimitiveTypes.Int64}), nil)
	return d, nil
}

func (dear) Process(_ context.Context, _ plugins.Batch, in arrow.Record) (plugins.Result, error) {
	var from []int32
	tipped := array.NewInt64Builder(memory.DefaultAllocator)
	for i, cost := range in.Column(0).(*array.Int64).Int64Values() {
		if cost >= 5 {
			from = append(from, int32(i))
			tipped.Append(cost + 1)
		}
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "tipped", Type: arrow.PrimitiveTypes.Int64}}, nil)
	return plugins.Result{N: len(from), From: from, Rec: array.NewRecord(schema, []arrow.Array{tipped.NewArray()}, int64(len(from)))}, nil
}

// The operator sees costs only: cities do not pass through it.
func ExampleFrame_Apply() {
	op := plugins.Operator{Name: "dear", Map: func([]byte) (plugins.Map, error) { return dear{}, nil }}
	type tipped struct {
		City         string
		Cost, Tipped int64
	}
	showFares(func(f dstream.Frame) dstream.Stream[tipped] { return f.Apply(op).As[tipped]() })
	// Output:
	// batch 1: {rome 5 6} {rome 9 10}
	// batch 2: {oslo 8 9}
}

func ExampleStream_Apply() {
	op := plugins.Operator{Name: "dear", Map: func([]byte) (plugins.Map, error) { return dear{}, nil }}
	type tipped struct {
		City         string
		Cost, Tipped int64
	}
	show(func(job *dstream.Job) dstream.Stream[tipped] {
		return dstream.From(job, fares.Source()).Apply[tipped](op)
	}, rows(fares.Part(0, fare{"rome", 5}, fare{"oslo", 2})))
	// Output:
	// batch 1: {rome 5 6}
}

// The operator in what a function makes of each batch's rows.
func ExampleApplyTo() {
	op := plugins.Operator{Name: "dear", Map: func([]byte) (plugins.Map, error) { return dear{}, nil }}
	show(func(job *dstream.Job) dstream.Stream[int64] {
		return dstream.From(job, fares.Source()).Transform(func(b dstream.BatchInfo, r rdd.RDD[fare]) rdd.RDD[int64] {
			return dstream.ApplyTo(r.Frame(), op).Where(expr.Col("cost").Gt(b.Number)).Select(expr.Col("tipped").As("value")).As[int64]()
		})
	}, rows(fares.Part(0, fare{"rome", 5}, fare{"oslo", 2})), rows(fares.Part(0, fare{"bonn", 7})))
	// Output:
	// batch 1: 6
	// batch 2: 8
}

// lowest is the lowest cost of each key; those of tasks are merged as rows are.
type lowest struct{}

var costs = arrow.NewSchema([]arrow.Field{{Name: "cost", Type: arrow.PrimitiveTypes.Int64}}, nil)

func (lowest) Schemas(_, _ *arrow.Schema) (partial, out *arrow.Schema, err error) {
	return costs, costs, nil
}

func (l lowest) Partial(_ context.Context, _ plugins.Batch, in arrow.Record, of []int32, keys int) (arrow.Record, error) {
	low, found := make([]int64, keys), make([]bool, keys)
	for i, cost := range in.Column(int(in.NumCols()) - 1).(*array.Int64).Int64Values() {
		if key := of[i]; !found[key] || cost < low[key] {
			low[key], found[key] = cost, true
		}
	}
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues(low, nil)
	return array.NewRecord(costs, []arrow.Array{b.NewArray()}, int64(keys)), nil
}

func (l lowest) Merge(ctx context.Context, b plugins.Batch, partials arrow.Record, of []int32, keys int) (arrow.Record, error) {
	return l.Partial(ctx, b, partials, of, keys)
}

func ExampleGrouped_Apply() {
	op := plugins.Operator{Name: "lowest", Aggregate: func([]byte) (plugins.Aggregate, error) { return lowest{}, nil }}
	showFares(func(f dstream.Frame) dstream.Stream[fare] { return f.GroupBy("city").Apply(op).As[fare]() })
	// Output:
	// batch 1: {rome 5} {oslo 2} {bonn 4}
	// batch 2: {oslo 8}
}

// news gives the rows of keys that it has not seen before.
type news struct{}

var seenBefore = arrow.NewSchema([]arrow.Field{{Name: "seen", Type: arrow.FixedWidthTypes.Boolean}}, nil)

func (news) Schemas(_, in *arrow.Schema) (state, out *arrow.Schema, err error) {
	return seenBefore, arrow.NewSchema(in.Fields()[1:], nil), nil
}

func (news) Update(_ context.Context, _ plugins.Batch, in plugins.KeyedInput) (plugins.KeyedOutput, error) {
	n := int(in.Keys.NumRows())
	out := plugins.KeyedOutput{Actions: make([]plugins.Action, n), Timers: make([]int64, n)}
	state, cost := array.NewBooleanBuilder(memory.DefaultAllocator), array.NewInt64Builder(memory.DefaultAllocator)
	for key, known := range in.Exists {
		state.Append(true)
		if !known {
			out.Actions[key] = plugins.Set
		}
	}
	for i, key := range in.Of {
		if !in.Exists[key] {
			cost.Append(in.Rows.Column(1).(*array.Int64).Value(i))
			out.OutOf = append(out.OutOf, key)
		}
	}
	out.State = array.NewRecord(seenBefore, []arrow.Array{state.NewArray()}, int64(n))
	out.Out = array.NewRecord(costs, []arrow.Array{cost.NewArray()}, int64(len(out.OutOf)))
	return out, nil
}

func ExampleRunningGroups_Apply() {
	op := plugins.Operator{Name: "news", Keyed: func([]byte) (plugins.Keyed, error) { return news{}, nil }}
	show(func(job *dstream.Job) dstream.Stream[fare] {
		return dstream.From(job, fares.Source()).Frame().GroupBy("city").Running("cities").Apply(op).As[fare]()
	},
		rows(fares.Part(0, fare{"rome", 5}, fare{"oslo", 2}, fare{"rome", 9})),
		rows(fares.Part(0, fare{"oslo", 8}, fare{"bonn", 3})))
	// Output:
	// batch 1: {rome 5} {rome 9} {oslo 2}
	// batch 2: {bonn 3}
}

func ExampleFunc() {
	loud := dstream.Func(shout, []byte("!")) // an operator of kind scalar, configured
	showFares(func(f dstream.Frame) dstream.Stream[string] {
		return f.Select(loud(expr.Col("city")).As("value")).As[string]()
	})
	// Output:
	// batch 1: ROME! OSLO! ROME! BONN!
	// batch 2: OSLO!
}

// tariff is a source of one partition: the fares to a few cities.
type tariff struct{ cities []string }

var fareSchema = arrow.NewSchema([]arrow.Field{{Name: "city", Type: arrow.BinaryTypes.String}, {Name: "cost", Type: arrow.PrimitiveTypes.Int64}}, nil)

func (s tariff) Schema() (*arrow.Schema, error) { return fareSchema, nil }

func (s tariff) Partitions(context.Context) ([]plugins.Partition, error) {
	return []plugins.Partition{{Key: "all", End: int64(len(s.cities))}}, nil
}

func (s tariff) Read(_ context.Context, _ plugins.Partition, from int64, _ int) (plugins.Fetched, error) {
	if from == int64(len(s.cities)) {
		return plugins.Fetched{}, io.EOF
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, fareSchema)
	b.Field(0).(*array.StringBuilder).Append(s.cities[from])
	b.Field(1).(*array.Int64Builder).Append(from + 1)
	return plugins.Fetched{Rec: b.NewRecord(), Offsets: []int64{from}, Next: from + 1, End: int64(len(s.cities))}, nil
}

func ExampleSource() {
	op := plugins.Operator{Name: "tariff", Source: func([]byte) (plugins.Source, error) { return tariff{[]string{"rome", "oslo"}}, nil }}
	err := driver.RunBatch(context.Background(), driver.Config{Name: "example", Master: "local[1]", Log: slog.New(slog.DiscardHandler)}, func(ctx context.Context) error {
		rows, err := source.Read(dstream.Source[fare](op)).Collect(ctx)
		fmt.Println(rows)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// [{rome 1} {oslo 2}]
}

func ExampleSink() {
	out := &place{} // keeps rows and marker of each lane together
	op := plugins.Operator{Name: "place", Sink: func([]byte) (plugins.Sink, error) { return out, nil }}
	runAside(func(job *dstream.Job) {
		dstream.From(job, source.Memory([]fare{{"rome", 5}, {"oslo", 2}})).To(dstream.Sink(op))
	})
	for _, rec := range out.all() {
		for i := range int(rec.NumRows()) {
			fmt.Println(rec.Column(0).ValueStr(i), rec.Column(1).ValueStr(i))
		}
	}
	// Output:
	// rome 5
	// oslo 2
}
