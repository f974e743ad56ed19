package dstream_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
)

// Orders and payments are rows "customer:text".
var (
	orders   = dstreamtest.Input[string]("orders")
	payments = dstreamtest.Input[string]("payments")
)

// byCustomer splits rows into customer and text.
func byCustomer(job *dstream.Job, from dstreamtest.In[string]) dstream.Keyed[string, string] {
	return dstream.From(job, from.Source()).
		KeyBy(func(row string) string { return row[:strings.Index(row, ":")] }).
		MapValues(func(row string) string { return row[strings.Index(row, ":")+1:] })
}

func ExampleKeyed_FlatMapValues() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).FlatMapValues(strings.Fields)
	},
		rows(orders.Part(0, "ann:tea milk", "bob:", "ann:cake")))
	// Output:
	// batch 1: ann=tea ann=milk ann=cake
}

func ExampleKeyed_GroupByKey() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, []string] {
		return byCustomer(job, orders).GroupByKey()
	},
		rows(orders.Part(0, "bob:tea", "ann:tea"), orders.Part(1, "bob:milk")))
	// Output:
	// batch 1: bob=[tea milk] ann=[tea]
}

// Number and length of the rows of each key.
func ExampleKeyed_AggregateByKey() {
	type total struct{ Rows, Bytes int64 }
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, total] {
		return byCustomer(job, orders).AggregateByKey(total{},
			func(t total, row string) total { return total{t.Rows + 1, t.Bytes + int64(len(row))} },
			func(a, b total) total { return total{a.Rows + b.Rows, a.Bytes + b.Bytes} })
	},
		rows(orders.Part(0, "bob:tea", "ann:tea"), orders.Part(1, "bob:milk")))
	// Output:
	// batch 1: bob={2 7} ann={1 3}
}

// The first and the last row of each key.
func ExampleKeyed_CombineByKey() {
	type ends struct{ First, Last string }
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, ends] {
		return byCustomer(job, orders).CombineByKey(
			func(row string) ends { return ends{row, row} },
			func(e ends, row string) ends { return ends{e.First, row} },
			func(a, b ends) ends { return ends{a.First, b.Last} })
	},
		rows(orders.Part(0, "bob:tea", "bob:cake", "ann:tea"), orders.Part(1, "bob:milk")))
	// Output:
	// batch 1: bob={tea milk} ann={tea tea}
}

func ExampleKeyed_CoGroup() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).CoGroup(byCustomer(job, payments), func(orders, payments []string) string {
			return fmt.Sprintf("%d/%d", len(orders), len(payments))
		})
	},
		rows(orders.Part(0, "ann:tea", "ann:milk", "bob:tea"), payments.Part(0, "ann:3", "cy:1")))
	// Output:
	// batch 1: ann=2/1 bob=1/0 cy=0/1
}

func ExampleKeyed_Join() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).Join(byCustomer(job, payments), func(order, paid string) string { return order + "-" + paid })
	},
		rows(orders.Part(0, "ann:tea", "ann:milk", "bob:tea"), payments.Part(0, "ann:3", "cy:1")),
		rows(payments.Part(0, "bob:2"))) // bob's order was in another batch
	// Output:
	// batch 1: ann=tea-3 ann=milk-3
	// batch 2: nothing
}

// text shows a side that may be missing.
func text(s *string) string {
	if s == nil {
		return "none"
	}
	return *s
}

func ExampleKeyed_LeftOuterJoin() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).LeftOuterJoin(byCustomer(job, payments), func(order string, paid *string) string { return order + "-" + text(paid) })
	},
		rows(orders.Part(0, "ann:tea", "bob:tea"), payments.Part(0, "ann:3", "cy:1")))
	// Output:
	// batch 1: ann=tea-3 bob=tea-none
}

func ExampleKeyed_RightOuterJoin() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).RightOuterJoin(byCustomer(job, payments), func(order *string, paid string) string { return text(order) + "-" + paid })
	},
		rows(orders.Part(0, "ann:tea", "bob:tea"), payments.Part(0, "ann:3", "cy:1")))
	// Output:
	// batch 1: ann=tea-3 cy=none-1
}

func ExampleKeyed_FullOuterJoin() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).FullOuterJoin(byCustomer(job, payments), func(order, paid *string) string { return text(order) + "-" + text(paid) })
	},
		rows(orders.Part(0, "ann:tea", "bob:tea"), payments.Part(0, "ann:3", "cy:1")))
	// Output:
	// batch 1: ann=tea-3 bob=tea-none cy=none-1
}

func ExampleKeyed_SubtractByKey() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).SubtractByKey(byCustomer(job, payments))
	},
		rows(orders.Part(0, "ann:tea", "bob:tea"), payments.Part(0, "ann:3", "cy:1")))
	// Output:
	// batch 1: bob=tea
}

// Every key is visited in every batch; nil removes one that had no rows.
func ExampleKeyed_UpdateStateByKey() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return byCustomer(job, orders).UpdateStateByKey("orders so far", func(_ string, orders []string, sum *int64) *int64 {
			if sum == nil {
				sum = new(int64)
			}
			if len(orders) == 0 && *sum < 2 {
				return nil
			}
			*sum += int64(len(orders))
			return sum
		})
	},
		rows(orders.Part(0, "bob:tea", "ann:tea", "ann:milk")),
		rows(),
		rows(orders.Part(0, "cy:tea", "ann:cake")))
	// Output:
	// batch 1: bob=1 ann=2
	// batch 2: ann=2
	// batch 3: ann=3 cy=1
}

// Counts go on from numbers that another system has counted.
func ExampleInitialState() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		before := byCustomer(job, payments).MapValues(func(s string) int64 { return int64(len(s)) })
		return byCustomer(job, orders).RunningCount("order counts", dstream.InitialState(before))
	},
		rows(payments.Part(0, "ann:-----")),
		rows(orders.Part(0, "ann:tea", "bob:tea")))
	// Output:
	// batch 1: nothing
	// batch 2: ann=6 bob=1
}

// RunningCount gives the keys that a batch touched, Snapshots all of them.
func ExampleKeyed_Snapshots() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return byCustomer(job, orders).RunningCount("order counts", dstream.Expire(2*time.Second)).Snapshots[int64]()
	},
		rows(orders.Part(0, "bob:tea", "ann:tea", "ann:milk")),
		rows(orders.Part(0, "ann:cake")),
		rows())
	// Output:
	// batch 1: ann=2 bob=1
	// batch 2: ann=3 bob=1
	// batch 3: ann=3
}

func ExampleTable_All() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).Latest("last order").All()
	},
		rows(orders.Part(0, "bob:tea", "ann:tea", "ann:milk")),
		rows(orders.Part(0, "bob:cake")))
	// Output:
	// batch 1: ann=milk bob=tea
	// batch 2: ann=milk bob=cake
}

// The counts are written to the checkpoint every ten batches; the nine between are computed again after a crash.
func ExampleCheckpointEvery() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return byCustomer(job, orders).RunningCount("orders of a customer", dstream.CheckpointEvery(10))
	},
		rows(orders.Part(0, "bob:tea", "ann:tea")),
		rows(orders.Part(0, "bob:milk")))
	// Output:
	// batch 1: bob=1 ann=1
	// batch 2: bob=2
}

// Visits of a customer, numbered; two seconds without one end them.
func ExampleKeyed_MapWithState() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).MapWithState("visits", func(customer string, item *string, st *dstream.State[int64]) string {
			if st.Expired() {
				return fmt.Sprintf("left after %d", st.Get())
			}
			st.Set(st.Get() + 1)
			st.ExpireAfter(2 * time.Second)
			return fmt.Sprintf("%s is number %d", *item, st.Get())
		})
	},
		rows(orders.Part(0, "ann:tea", "bob:tea", "ann:milk")),
		rows(orders.Part(0, "bob:cake")),
		rows())
	// Output:
	// batch 1: ann=tea is number 1 ann=milk is number 2 bob=tea is number 1
	// batch 2: bob=cake is number 2
	// batch 3: ann=left after 2
}
