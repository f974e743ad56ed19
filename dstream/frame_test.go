package dstream_test

import (
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

type bought struct {
	Item  string
	Price int64
	Note  *string
}

type doubled struct {
	Item  string
	Twice *int64
}

func TestFrameSelectWhereWith(t *testing.T) {
	x := "x"
	dstreamtest.Check(t, func(s dstream.Stream[bought]) dstream.Stream[doubled] {
		return s.Frame().
			With("twice", expr.Col("price").Mul(2)).
			Where(expr.Col("twice").Gt(4).And(expr.Col("note").IsNull())).
			Select("item", "twice").
			As[doubled]()
	}, [][]bought{
		{{"a", 1, nil}, {"b", 3, nil}, {"c", 4, &x}, {"d", 1 << 62, nil}},
		{},
		{{"e", 5, nil}},
	}, [][]doubled{{{"b", new(int64(6))}}, {}, {{"e", new(int64(10))}}})
}

// A Cast that is not possible drops its row and counts it; TryCast gives null.
func TestFrameCast(t *testing.T) {
	type raw struct{ Text string }
	type number struct {
		N *int64
		M *int64
	}
	dstreamtest.Check(t, func(s dstream.Stream[raw]) dstream.Stream[number] {
		text := expr.Col("text")
		return s.Frame().
			Where(text.Cast(expr.Int64).Ne(7)).
			Select(text.Cast(expr.Int16).Cast(expr.Int64).As("n"), text.Left(1).TryCast(expr.Int64).As("m")).
			As[number]()
	}, [][]raw{{{"1"}, {"x"}, {"7"}, {"-2"}, {"99999"}}, {{"30"}}},
		[][]number{{{new(int64(1)), new(int64(1))}, {new(int64(-2)), nil}}, {{new(int64(30)), new(int64(3))}}})
}

// Nobody reads the column, and still its rows fail: what is read does not change what is computed. Filters stay behind it.
func TestFrameCastOfUnreadColumn(t *testing.T) {
	type raw struct{ Text, Other string }
	type other struct{ Other string }
	dstreamtest.Check(t, func(s dstream.Stream[raw]) dstream.Stream[other] {
		return s.Frame().
			With("n", expr.Col("text").Cast(expr.Int64)).
			Where(expr.Col("other").Ne("b")).
			Select("other").
			As[other]()
	}, [][]raw{{{"1", "a"}, {"x", "b"}, {"y", "c"}, {"2", "d"}}}, [][]other{{{"a"}, {"d"}}})
}

// Decimals go through Frames, sinks and keys as numbers.
func TestFrameDecimals(t *testing.T) {
	type sale struct {
		Item  string
		Price expr.Dec `decimal:"9,2"`
		N     int64
	}
	type total struct {
		Item  string
		Price expr.Dec  `decimal:"9,2"`
		Total *expr.Dec `decimal:"18,2"`
	}
	dec := func(s string) expr.Dec {
		d, ok := expr.ParseDec(s, 2)
		if !ok {
			t.Fatal(s)
		}
		return d
	}
	dstreamtest.Check(t, func(s dstream.Stream[sale]) dstream.Stream[total] {
		return s.Frame().
			With("total", expr.Col("price").Mul(expr.Col("n")).TryCast(expr.Decimal(18, 2))).
			Where(expr.Col("total").Ge(1.5)).
			Select("item", "price", "total").
			As[total]()
	}, [][]sale{{{"a", dec("0.75"), 2}, {"b", dec("0.75"), 1}, {"c", dec("1234567.89"), 1_000_000_000}, {"d", dec("1234567.89"), 1_000_000_000_000}}, {}},
		[][]total{{{"a", dec("0.75"), new(dec("1.50"))}, {"c", dec("1234567.89"), new(dec("1234567890000000.00"))}}, {}})
}
