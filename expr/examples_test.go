package expr_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/row"
)

// show prints what expressions give for rows, and which rows fail.
func show[T any](rows []T, columns ...expr.Expr) {
	codec, err := row.For[T]()
	if err != nil {
		fmt.Println(err)
		return
	}
	b := col.FromArrays(codec.Schema(), codec.Columns(rows, nil))
	bound := make([]*expr.Bound, len(columns))
	for i, c := range columns {
		if bound[i], err = expr.Bind(b.Schema, c); err == nil && bound[i].Field().Type.ID() == arrow.DECIMAL128 {
			bound[i], err = expr.Bind(b.Schema, c.Cast(expr.String))
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	evals := expr.NewEvals(bound)
	out := evals.Vecs(b, nil)
	bad := map[int]string{}
	for _, f := range evals.Failed() {
		bad[int(f.Row)] = f.Reason
	}
	for i := range rows {
		var cells []string
		for _, v := range out {
			cells = append(cells, strings.ReplaceAll(v.ToArray(nil).ValueStr(i), "(null)", "null"))
		}
		if bad[i] != "" {
			cells = []string{"bad: " + bad[i]}
		}
		fmt.Println(strings.Join(cells, " | "))
	}
}

type order struct {
	Item  string
	Count *int64
	Price expr.Dec `decimal:"9,2"`
}

func price(s string) expr.Dec {
	d, _ := expr.ParseDec(s, 2)
	return d
}

var orders = []order{{"tea", new(int64(3)), price("2.50")}, {"cup", nil, price("11.00")}, {"pot", new(int64(1)), price("39.90")}}

func ExampleCol() {
	e := expr.Col("count").Gt(2).Or(expr.Col("item").In("cup", "jug"))
	fmt.Println(e)
	show(orders, e)
	// Output:
	// ((count > 2) or (item in ('cup', 'jug')))
	// true
	// true
	// false
}

func ExampleExpr_Add() {
	count := expr.Col("count")
	show(orders, count.Add(1), count.Mul(int64(1)<<62), count.Div(0), count.Mod(2))
	// Output:
	// 4 | null | null | 1
	// null | null | null | null
	// 2 | 4611686018427387904 | null | 1
}

func ExampleDecimal() {
	total := expr.Col("price").Mul(expr.Col("count"))
	show(orders, total, total.Round(0), expr.Col("price").Div(3), expr.Col("item").Eq("tea").Not().And(expr.Col("price").Lt(39.9)))
	// Output:
	// 7.50 | 8 | 0.833333 | false
	// null | null | 3.666667 | true
	// 39.90 | 40 | 13.300000 | false
}

func ExampleExpr_And() {
	big := expr.Col("count").Gt(2)
	show(orders, big, big.And(false), big.Or(true), big.Not(), big.IsNull())
	// Output:
	// true | false | true | false | false
	// null | false | true | null | true
	// false | false | true | true | false
}

func ExampleWhen() {
	count := expr.Col("count")
	show(orders,
		expr.When(count.Gt(2), "many").When(count.IsNotNull(), "few").Else("unknown"),
		expr.Coalesce(count, 0),
		count.NullIf(1),
		expr.Greatest(count, 2))
	// Output:
	// many | 3 | 3 | 3
	// unknown | 0 | null | 2
	// few | 1 | null | 2
}

func ExampleExpr_Lower() {
	s := expr.Col("value")
	show([]string{" Größe 42 ", "a,b"}, s.Length(), s.Lower(), s.Trim().Left(3), s.Substring(-3, 2), s.PadLeft(5, "."), expr.Concat("<", s, ">"))
	// Output:
	// 10 |  größe 42  | Grö | 42 |  Größ | < Größe 42 >
	// 3 | a,b | a,b | a, | ..a,b | <a,b>
}

func ExampleExpr_Like() {
	s := expr.Col("value")
	show([]string{"/item/42?x=1", "/about"}, s.Like("/item/%"), s.Matches("[0-9]+"), s.ExtractRegexp("/item/([0-9]+)", 1), s.ReplaceRegexp("([a-z]+)", "<$1>"), s.SplitPart("/", 1))
	// Output:
	// true | true | 42 | /<item>/42?<x>=1 | item
	// false | false | null | /<about> | about
}

func ExampleExpr_Split() {
	list := expr.Col("value").Split(",")
	show([]string{"a,b,c", ""}, list, list.Length(), list.At(0), list.At(-1), list.At(2))
	// Output:
	// ["a","b","c"] | 3 | a | c | c
	// [""] | 1 |  |  | null
}

func ExampleExpr_JSON() {
	s := expr.Col("value")
	show([]string{`{"user": {"id": 7, "tags": ["a", "b"]}}`, `{"user": null}`, `no JSON`}, s.JSON("$.user.id").Cast(expr.Int64), s.JSON("$.user.tags[-1]"), s.JSON("$.user"))
	// Output:
	// 7 | b | {"id": 7, "tags": ["a", "b"]}
	// null | null | null
	// null | null | null
}

func ExampleExpr_Truncate() {
	at := expr.Col("value")
	berlin := expr.Zone("Europe/Berlin")
	show([]time.Time{time.Date(2024, 3, 31, 1, 30, 0, 0, time.UTC)},
		at.Truncate("hour"), at.Truncate("day", berlin), at.Truncate("day", expr.Offset(6*time.Hour)), at.Truncate(20*time.Minute),
		at.Extract("hour", berlin), at.Format("Mon 15:04", berlin), at.Epoch(time.Second))
	// Output:
	// 2024-03-31 01:00:00Z | 2024-03-30 23:00:00Z | 2024-03-30 06:00:00Z | 2024-03-31 01:20:00Z | 3 | Sun 03:30 | 1711848600
}

func ExampleExpr_ParseTime() {
	s := expr.Col("value")
	show([]string{"07.03.2024 08:15", "soon"}, s.ParseTime("02.01.2006 15:04", expr.Zone("Europe/Berlin")))
	// Output:
	// 2024-03-07 07:15:00Z
	// bad: parse_time(value, '02.01.2006 15:04', 'Europe/Berlin'): "soon" is not of the form "02.01.2006 15:04"
}

func ExampleExpr_Cast() {
	s := expr.Col("value")
	show([]string{"12", "300", "x"}, s.TryCast(expr.Uint8), s.TryCast(expr.Decimal(5, 1)), s.Cast(expr.Int64))
	// Output:
	// 12 | 12.0 | 12
	// null | 300.0 | 300
	// bad: cast(value as int64): "x" is no int64
}

func ExampleFunc1() {
	initials := expr.Func1("initials", func(name string) string {
		var b strings.Builder
		for _, w := range strings.Fields(name) {
			b.WriteString(w[:1])
		}
		return b.String()
	})
	digit := expr.TryFunc1("digit", func(s string) (int64, error) {
		if len(s) != 1 || s[0] < '0' || s[0] > '9' {
			return 0, errors.New("not a digit")
		}
		return int64(s[0] - '0'), nil
	})
	show([]string{"Ada Lovelace", "7"}, initials(expr.Col("value")))
	show([]string{"Ada Lovelace", "7"}, digit(expr.Col("value")))
	// Output:
	// AL
	// 7
	// bad: func digit(value): not a digit
	// 7
}

func ExampleColumnar() {
	backwards := expr.Columnar("backwards", func(args []arrow.Field) (arrow.Field, error) {
		if len(args) != 1 || args[0].Type.ID() != arrow.STRING {
			return arrow.Field{}, errors.New("it takes one text")
		}
		return args[0], nil
	}, func(args arrow.Record) (arrow.Array, error) {
		in, out := args.Column(0).(*array.String), array.NewStringBuilder(memory.DefaultAllocator)
		for i := range in.Len() {
			if in.IsNull(i) {
				out.AppendNull()
				continue
			}
			b := []byte(in.Value(i))
			slices.Reverse(b)
			out.Append(string(b))
		}
		return out.NewArray(), nil
	})
	show([]string{"mill", "race"}, backwards(expr.Col("value")))
	// Output:
	// llim
	// ecar
}
