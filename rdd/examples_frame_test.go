package rdd_test

import (
	"fmt"

	"github.com/millrace/millrace/rdd"
)

type fare struct {
	City  string
	Cents int64
}

// From columns to keys and values of Go types.
func ExampleKeyedFrame_As() {
	fares := rdd.Parallelize([]fare{{"Bergen", 120}, {"Oslo", 90}, {"Bergen", 80}})
	showKeyed(fares.Frame().KeyBy("city").As[string, int64]().ReduceByKey(func(a, b int64) int64 { return a + b }))
	// Output:
	// [{Bergen 200} {Oslo 90}]
}

// Two sets of rows by a column that both have.
func ExampleFrame_Join() {
	type weather struct {
		City string
		Rain bool
	}
	type wet struct {
		City  string
		Cents int64
		Rain  bool
	}
	fares := rdd.Parallelize([]fare{{"Bergen", 120}, {"Oslo", 90}, {"Bergen", 80}})
	today := rdd.Parallelize([]weather{{"Bergen", true}})
	show(fares.Frame().Join(today.Frame(), rdd.On("city")).As[wet]().Map(func(w wet) string { return fmt.Sprint(w.City, w.Cents, w.Rain) }))
	// Output:
	// [Bergen120 true Bergen80 true]
}
