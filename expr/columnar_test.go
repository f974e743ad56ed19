package expr

import (
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/internal/col"
)

// longer is by how many bytes the first of two texts is longer, null where they are equal; a null has −1 of them.
var longer = Columnar("longer", func(args []arrow.Field) (arrow.Field, error) {
	if len(args) != 2 || args[0].Type.ID() != arrow.STRING || args[1].Type.ID() != arrow.STRING {
		return arrow.Field{}, errors.New("it takes two texts")
	}
	return arrow.Field{Type: int64Type, Nullable: true}, nil
}, func(args arrow.Record) (arrow.Array, error) {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	texts := func(i, row int) any {
		a := args.Column(i).(*array.String)
		if a.IsNull(row) {
			return nil
		}
		return a.Value(row)
	}
	for row := range int(args.NumRows()) {
		if v := longerOf(texts(0, row), texts(1, row)); v == nil {
			b.AppendNull()
		} else {
			b.Append(v.(int64))
		}
	}
	return b.NewArray(), nil
})

func longerOf(a, b any) any {
	size := func(v any) int64 {
		if v == nil {
			return -1
		}
		return int64(len(v.(string)))
	}
	if n := size(a) - size(b); n != 0 {
		return n
	}
	return nil
}

func int64s(values ...int64) arrow.Array {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues(values, nil)
	return b.NewArray()
}

// What a function of columns gives is checked, and its errors end the evaluation.
func TestColumnarAborts(t *testing.T) {
	b := one("a", "bb", "ccc")
	declare := func([]arrow.Field) (arrow.Field, error) { return arrow.Field{Type: int64Type}, nil }
	for _, c := range []struct {
		eval func(args arrow.Record) (arrow.Array, error)
		want string
	}{
		{func(arrow.Record) (arrow.Array, error) { return nil, errors.New("out of memory") }, "func f(s): out of memory"},
		{func(arrow.Record) (arrow.Array, error) { return nil, nil }, "func f(s): it gives no column"},
		{func(arrow.Record) (arrow.Array, error) { return int64s(1, 2), nil }, "it gives 2 values for 3 rows"},
		{func(args arrow.Record) (arrow.Array, error) { return args.Column(0), nil }, "what it gives: type utf8, want int64"},
		{func(arrow.Record) (arrow.Array, error) {
			return array.MakeArrayOfNull(memory.DefaultAllocator, int64Type, 3), nil
		}, "3 nulls where none may be"},
	} {
		func() {
			defer func() {
				if a, ok := recover().(Abort); !ok || !strings.Contains(a.Error(), c.want) {
					t.Errorf("%v, want %s", a, c.want)
				}
			}()
			bind(t, b, Columnar("f", declare, c.eval)(Col("s"))).Eval().Vec(b)
		}()
	}
}

// It is called once for the rows of a batch that count, and for rows that a condition has left; not for none, and not when it is bound.
func TestColumnarCalls(t *testing.T) {
	var calls []int64
	f := Columnar("f", func(args []arrow.Field) (arrow.Field, error) { return args[0], nil }, func(args arrow.Record) (arrow.Array, error) {
		calls = append(calls, args.NumRows())
		return args.Column(0), nil
	})
	b := one("a", "bb", "ccc", "d")
	x := bind(t, b, f(Col("s"))).Eval()
	x.Vec(b)
	x.Vec(b.Where([]int32{1, 3}))
	x.Vec(b.Where([]int32{}))
	bind(t, b, Col("s").Ne("d").And(f(Col("s")).Ne("a"))).Eval().Where(b, nil)
	bind(t, b, f("const"))
	if len(calls) != 3 || calls[0] != 4 || calls[1] != 2 || calls[2] != 3 {
		t.Errorf("calls of %v rows", calls)
	}
	v := bind(t, b, f("const")).Eval().Vec(b)
	if v.Kind != col.Text || v.N < 4 || v.Texts[3] != "const" {
		t.Errorf("%v", v)
	}
}

func TestColumnarMistakes(t *testing.T) {
	schema := one("a").Schema
	for _, c := range []struct {
		e    Expr
		want string
	}{
		{longer(Col("s"), 1), "func longer(s, 1): it takes two texts"},
		{longer(Col("s"), nil), "argument 2 is a null without a type"},
		{longer(), "give it an argument"},
		{Columnar("f", nil, nil)(1), "needs functions"},
		{Columnar("f", func([]arrow.Field) (arrow.Field, error) { return arrow.Field{}, nil }, func(arrow.Record) (arrow.Array, error) { return nil, nil })(1), "declares no type"},
		{Columnar("f", func([]arrow.Field) (arrow.Field, error) { return arrow.Field{Type: arrow.FixedWidthTypes.Date32}, nil }, func(arrow.Record) (arrow.Array, error) { return nil, nil })(1), "no column holds"},
	} {
		if _, err := Bind(schema, c.e); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.e, err, c.want)
		}
	}
}
