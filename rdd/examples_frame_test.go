package rdd_test

import "github.com/millrace/millrace/rdd"

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
