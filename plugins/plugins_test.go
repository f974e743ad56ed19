package plugins_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/plugins"
)

// The contract can be implemented as it stands: one operator of each kind.
var (
	_ plugins.Map       = identity{}
	_ plugins.Aggregate = first{}
	_ plugins.Keyed     = forgetful{}
	_ plugins.Source    = empty{}
	_ plugins.Sink      = nowhere{}
	_ plugins.Lane      = nowhere{}
)

// identity gives its rows back.
type identity struct{}

func (identity) Declare(in *arrow.Schema) (plugins.Declaration, error) {
	return plugins.Declaration{Output: in}, nil
}

func (identity) Process(_ context.Context, _ plugins.Batch, in arrow.Record) (plugins.Result, error) {
	return plugins.Result{N: int(in.NumRows()), Rec: in}, nil
}

// first is an aggregate over rows that are one a key already.
type first struct{}

func (first) Schemas(_, in *arrow.Schema) (partial, out *arrow.Schema, err error) { return in, in, nil }

func (first) Partial(_ context.Context, _ plugins.Batch, in arrow.Record, _ []int32, _ int) (arrow.Record, error) {
	return in, nil
}

func (first) Merge(_ context.Context, _ plugins.Batch, partials arrow.Record, _ []int32, _ int) (arrow.Record, error) {
	return partials, nil
}

// forgetful removes the state of every key that it sees, and emits nothing.
type forgetful struct{}

func (forgetful) Schemas(_, in *arrow.Schema) (state, out *arrow.Schema, err error) {
	return in, in, nil
}

func (forgetful) Update(_ context.Context, _ plugins.Batch, in plugins.KeyedInput) (plugins.KeyedOutput, error) {
	n := int(in.Keys.NumRows())
	out := plugins.KeyedOutput{Actions: make([]plugins.Action, n), State: in.State, Timers: make([]int64, n)}
	for i := range out.Actions {
		out.Actions[i] = plugins.Delete
	}
	return out, nil
}

// empty is a source without partitions.
type empty struct{}

func (empty) Schema() (*arrow.Schema, error)                          { return arrow.NewSchema(nil, nil), nil }
func (empty) Partitions(context.Context) ([]plugins.Partition, error) { return nil, nil }
func (empty) Read(context.Context, plugins.Partition, int64, int) (plugins.Fetched, error) {
	return plugins.Fetched{}, io.EOF
}

// nowhere is a sink, and its lanes.
type nowhere struct{}

func (nowhere) Check(*arrow.Schema, int) error { return nil }
func (nowhere) Lane(context.Context, int, int, plugins.Owner) (plugins.Lane, error) {
	return nowhere{}, nil
}
func (nowhere) Marker() []byte                                             { return nil }
func (nowhere) Stage(context.Context, plugins.Batch, []arrow.Record) error { return nil }
func (nowhere) Publish(_ context.Context, _ plugins.Batch, _ []byte) error { return nil }
func (nowhere) Flush(context.Context) error                                { return nil }
func (nowhere) Close() error                                               { return nil }

func TestCheck(t *testing.T) {
	mapper := func([]byte) (plugins.Map, error) { return identity{}, nil }
	good := plugins.Plugin{Name: "p", Version: "1", Operators: []plugins.Operator{
		{Name: "same", Map: mapper},
		{Name: "first", Aggregate: func([]byte) (plugins.Aggregate, error) { return first{}, nil }},
		{Name: "forget", Keyed: func([]byte) (plugins.Keyed, error) { return forgetful{}, nil }},
		{Name: "none", Source: func([]byte) (plugins.Source, error) { return empty{}, nil }},
		{Name: "away", Sink: func([]byte) (plugins.Sink, error) { return nowhere{}, nil }},
	}}
	if err := good.Check(); err != nil {
		t.Errorf("a good plugin: %v", err)
	}
	for i, kind := range []string{"map", "aggregate", "keyed", "source", "sink"} {
		if got := good.Operators[i].Kind(); got != kind {
			t.Errorf("operator %d is a %q, want %q", i, got, kind)
		}
	}
	bad := plugins.Plugin{Name: "p", Operators: []plugins.Operator{
		{Name: "a", Map: mapper}, {Name: "a", Map: mapper}, {Map: mapper}, {Name: "b"},
		{Name: "c", Map: mapper, Sink: func([]byte) (plugins.Sink, error) { return nowhere{}, nil }},
	}}
	err := bad.Check()
	if err == nil {
		t.Fatal("a bad plugin passes")
	}
	for _, want := range []string{"version", `two operators are named "a"`, "operator 2 has no name", `operator "b": set exactly one`, `operator "c": set exactly one`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not in the error: %s\n%v", want, err)
		}
	}
}
