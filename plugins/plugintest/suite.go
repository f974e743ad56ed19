package plugintest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/plugins"
)

// Suite tests the operators of README.md. get gives one by name; it is called once for each test that needs it.
func Suite(t *testing.T, get func(name string) plugins.Operator) {
	t.Run("maps", func(t *testing.T) { testMaps(t, get) })
	t.Run("concurrent", func(t *testing.T) { testConcurrent(t, get) })
	t.Run("large", func(t *testing.T) { testLarge(t, get) })
	t.Run("failures", func(t *testing.T) { testFailures(t, get) })
	t.Run("refusals", func(t *testing.T) { testRefusals(t, get) })
	t.Run("scalars", func(t *testing.T) { testScalars(t, get) })
	t.Run("aggregate", func(t *testing.T) { testAggregate(t, get) })
	t.Run("keyed", func(t *testing.T) { testKeyed(t, get) })
	t.Run("source", func(t *testing.T) { testSource(t, get) })
	t.Run("sink", func(t *testing.T) { testSink(t, get) })
	t.Run("owners", func(t *testing.T) { testOwners(t, get) })
}

// CompiledIn gives the operators of a plugin by name. A name that it does not have fails the test.
func CompiledIn(t testing.TB, p plugins.Plugin) func(name string) plugins.Operator {
	return func(name string) plugins.Operator {
		for _, o := range p.Operators {
			if o.Name == name {
				return o
			}
		}
		t.Helper()
		t.Fatalf("plugin %s has no operator %q", p.Name, name)
		return plugins.Operator{}
	}
}

// batchOf is what the maps are told.
var batchOf = plugins.Batch{Number: 7, Time: 1_700_000_000_123_456, Partition: 3, Final: true}

func testMaps(t *testing.T, get func(string) plugins.Operator) {
	for _, c := range mapCases() {
		t.Run(c.name, func(t *testing.T) {
			op := get(c.op())
			if c.config != "" {
				op = Configure(op, c.config)
			}
			for i, size := range []int{0, 1, 2, 9, 300, 3000} {
				if size > 300 && c.in.NumFields() > 10 {
					continue
				}
				r := rand.New(rand.NewPCG(uint64(i), 1))
				in := random(r, c.in, size)
				got, err := applyTold(op, in)
				if err != nil {
					t.Fatalf("%d rows: %v", size, err)
				}
				compare(t, got, c.plain(in))
			}
		})
	}
}

// applyTold is ApplyRecord in batchOf.
func applyTold(op plugins.Operator, in arrow.Record) (arrow.Record, error) {
	m, err := newMapper(op, in.Schema())
	if err != nil {
		return nil, err
	}
	m.b = batchOf
	whole, err := m.process(in)
	if err != nil {
		return nil, err
	}
	for _, size := range []int{7, 64, max(1, int(in.NumRows()))} {
		again, err := m.cut(in, size)
		if err != nil {
			return nil, err
		}
		if !Same(again, whole) {
			return nil, fmt.Errorf("cut into record batches of %d rows the output is other\nat once: %v\ncut: %v", size, whole, again)
		}
	}
	return whole, nil
}

// compare holds an output against what it must be: columns, names, bytes.
func compare(t *testing.T, got, want arrow.Record) {
	t.Helper()
	if g, w := row.FieldsText(got.Schema().Fields()), row.FieldsText(want.Schema().Fields()); g != w {
		t.Fatalf("columns are %s\nwant %s", g, w)
	}
	if Same(got, want) {
		return
	}
	if got.NumRows() != want.NumRows() {
		t.Fatalf("%d rows, want %d", got.NumRows(), want.NumRows())
	}
	for c := range int(want.NumCols()) {
		for i := range int(want.NumRows()) {
			if g, w := got.Column(c).ValueStr(i), want.Column(c).ValueStr(i); g != w || got.Column(c).IsNull(i) != want.Column(c).IsNull(i) {
				t.Fatalf("row %d, column %s: %.100s, want %.100s", i, want.Schema().Field(c).Name, g, w)
			}
		}
	}
	t.Fatal("the values look alike and their bytes differ: what lies under nulls, the sign of a zero, the kind of a NaN")
}

// testConcurrent has several instances work side by side.
func testConcurrent(t *testing.T, get func(string) plugins.Operator) {
	op := get("with")
	var c mapCase
	for _, c = range mapCases() {
		if c.name == "with" {
			break
		}
	}
	var g errgroup.Group
	for i := range 4 {
		g.Go(func() error {
			for j := range 10 {
				in := random(rand.New(rand.NewPCG(uint64(i), uint64(j))), c.in, 200)
				got, err := applyTold(op, in)
				if err != nil {
					return err
				}
				if !Same(got, c.plain(in)) {
					return fmt.Errorf("instance %d, batch %d: other rows than alone", i, j)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// testLarge has rows and answers that are larger than messages.
func testLarge(t *testing.T, get func(string) plugins.Operator) {
	const mib = 1 << 20
	text := schemaOf(field("n", int64s), field("text", utf8))
	in := arrowRecord(text, []int64{1, 2, 3, 4, 5, 6, 7, 8}, []string{
		"a", strings.Repeat("b", 3*mib), "", strings.Repeat("c", 3*mib), "d", strings.Repeat("e", 2*mib), strings.Repeat("f", mib), strings.Repeat("g", 3*mib),
	})
	for _, name := range []string{"identity", "keep", "double"} {
		got, err := applyTold(get(name), in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, c := range mapCases() {
			if c.name == name {
				compare(t, got, c.plain(in))
			}
		}
	}
	m := start(t, get("blow"), schemaOf(field("n", int64s)))
	got, err := m.process(arrowRecord(m.in, []int64{3 * mib, -1, 0, 2 * mib, 3 * mib, 1, 3 * mib}))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{3 * mib, 0, 0, 2 * mib, 3 * mib, 1, 3 * mib} {
		if s := texts(got, "text")[i]; len(s) != want || strings.Trim(s, "x") != "" {
			t.Errorf("row %d has %d bytes, want %d times x", i, len(s), want)
		}
	}
	// Beyond 4 MiB a row may be refused, with its size; what follows must work.
	if got, err = m.process(arrowRecord(m.in, []int64{1, 6 * mib})); err == nil && len(texts(got, "text")[1]) != 6*mib {
		t.Error("a row of 6 MiB became another")
	} else if err != nil && !strings.ContainsAny(err.Error(), "0123456789") {
		t.Errorf("the error for a row of 6 MiB says no size: %v", err)
	}
	if got, err = m.process(arrowRecord(m.in, []int64{2})); err != nil || texts(got, "text")[0] != "xx" {
		t.Errorf("behind a large row: %v, %v", got, err)
	}
}

// start is an instance of a map, or fails the test.
func start(t *testing.T, op plugins.Operator, in *arrow.Schema) *mapper {
	t.Helper()
	m, err := newMapper(op, in)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func testFailures(t *testing.T, get func(string) plugins.Operator) {
	in := schemaOf(field("n", int64s), field("text", utf8))
	good := arrowRecord(in, []int64{1, 2}, []string{"a", "b"})
	for name, c := range map[string]struct {
		bad  int64
		want string
	}{"fail": {-5, "negative n: -5"}, "panic": {13, "unlucky"}} {
		t.Run(name, func(t *testing.T) {
			m := start(t, get(name), in)
			bad := arrowRecord(in, []int64{1, c.bad, 3}, []string{"a", "b", "c"})
			for range 3 {
				if got, err := m.process(good); err != nil || !Same(got, good) {
					t.Fatalf("good rows: %v, %v", got, err)
				}
				if err := failing(m, bad); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("bad rows: error %v, want one with %q", err, c.want)
				}
			}
			if p, ok := m.m.(plugins.Pipelined); ok {
				testPipelineFails(t, m, p, good, bad, c.want)
			}
		})
	}
}

// failing is what processing gives; a panic, of operators that are compiled in, is an error.
func failing(m *mapper, in arrow.Record) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	_, err = m.process(in)
	return err
}

// testPipelineFails has a failure while more is on its way.
func testPipelineFails(t *testing.T, m *mapper, p plugins.Pipelined, good, bad arrow.Record, want string) {
	ctx := context.Background()
	for range 2 {
		sent := []arrow.Record{good, bad}
		for _, rec := range sent[:min(len(sent), p.Window())] {
			if err := p.Send(ctx, m.b, m.read(rec)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := p.Receive(ctx); err != nil {
			t.Fatalf("before the failure: %v", err)
		}
		if p.Window() > 1 {
			if _, err := p.Receive(ctx); err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("error %v, want one with %q", err, want)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func testRefusals(t *testing.T, get func(string) plugins.Operator) {
	other := schemaOf(field("m", int64s), field("text", int64s), field("x", utf8))
	for _, c := range []struct {
		op, config string
		in         *arrow.Schema
		want       string
	}{
		{"even", "", other, `"n"`}, {"repeat", "", other, `"n"`}, {"words", "", other, `"text"`}, {"with", "", other, `"n"`}, {"scale", "", other, `"n"`},
		{"even", "", schemaOf(orNull(field("n", int64s))), `"n"`}, {"even", "", schemaOf(field("n", utf8)), `"n"`},
		{"refuse", "", other, "not wanted: 3 columns"}, {"refuse", "", schemaOf(), "not wanted: 0 columns"},
		{"even", "{}", schemaOf(field("n", int64s)), ""}, {"identity", "x", other, ""},
		{"scale", `{"faktor": 3}`, schemaOf(field("n", int64s)), "faktor"}, {"scale", `{"factor": "a"}`, schemaOf(field("n", int64s)), ""}, {"scale", `{`, schemaOf(field("n", int64s)), ""},
	} {
		op := get(c.op)
		if c.config != "" {
			op = Configure(op, c.config)
		}
		if _, err := newMapper(op, c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s of %s: error %v, want one with %q", c.op, c.config, row.FieldsText(c.in.Fields()), err, c.want)
		}
	}
}
