package dstream_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/source"
)

// The count of every key that a batch has, over all batches so far.
func ExampleKeyed_RunningCount() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return byCustomer(job, orders).RunningCount("orders so far")
	},
		rows(orders.Part(0, "bob:tea", "ann:tea", "bob:milk")),
		rows(),
		rows(orders.Part(0, "bob:cake")))
	// Output:
	// batch 1: bob=2 ann=1
	// batch 2: nothing
	// batch 3: bob=3
}

func ExampleKeyed_RunningReduce() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).RunningReduce("longest order", func(a, b string) string {
			if len(b) > len(a) {
				return b
			}
			return a
		})
	},
		rows(orders.Part(0, "bob:tea", "ann:tea", "bob:milk")),
		rows(orders.Part(0, "bob:ale", "ann:coffee")))
	// Output:
	// batch 1: bob=milk ann=tea
	// batch 2: bob=milk ann=coffee
}

// A key that was idle for two seconds is forgotten, and begins anew.
func ExampleExpire() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return byCustomer(job, orders).RunningCount("recent orders", dstream.Expire(2*time.Second))
	},
		rows(orders.Part(0, "bob:tea", "ann:tea")),
		rows(orders.Part(0, "ann:milk")),
		rows(orders.Part(0, "ann:cake", "bob:cake")))
	// Output:
	// batch 1: bob=1 ann=1
	// batch 2: ann=2
	// batch 3: ann=3 bob=1
}

// Every third order of a customer is on the house. All values of a key in a batch come in one call.
func ExampleKeyed_Stateful() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).Stateful("cards", func(_ string, items []string, card *dstream.State[int64]) (free []string) {
			if !card.Exists() {
				card.Set(0)
			}
			for _, item := range items {
				card.Set(card.Get() + 1)
				if card.Get()%3 == 0 {
					free = append(free, item)
				}
			}
			return free
		})
	},
		rows(orders.Part(0, "bob:tea", "ann:tea", "bob:milk")),
		rows(orders.Part(0, "bob:cake", "ann:milk")))
	// Output:
	// batch 1: nothing
	// batch 2: bob=cake
}

// A paid bill is forgotten.
func ExampleState_Delete() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, []string] {
		return byCustomer(job, orders).Stateful("bills", func(_ string, items []string, bill *dstream.State[[]string]) [][]string {
			if items[len(items)-1] == "pay" {
				all := append(bill.Get(), items[:len(items)-1]...)
				bill.Delete()
				return [][]string{all}
			}
			bill.Set(append(bill.Get(), items...))
			return nil
		})
	},
		rows(orders.Part(0, "bob:tea", "ann:tea")),
		rows(orders.Part(0, "bob:cake", "bob:pay")),
		rows(orders.Part(0, "bob:ale", "bob:pay")))
	// Output:
	// batch 1: nothing
	// batch 2: bob=[tea cake]
	// batch 3: bob=[ale]
}

// A timer that each order puts off: it fires when there was none for two seconds.
func ExampleState_ExpireAfter() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).Stateful("sessions", func(_ string, items []string, st *dstream.State[int64]) []string {
			if st.Expired() {
				return []string{fmt.Sprintf("%d orders, idle at %d s", st.Get(), st.Time().Second())}
			}
			st.Set(st.Get() + int64(len(items)))
			st.ExpireAfter(2 * time.Second)
			return nil
		})
	},
		rows(orders.Part(0, "bob:tea")),
		rows(orders.Part(0, "bob:milk")),
		rows(),
		rows())
	// Output:
	// batch 1: nothing
	// batch 2: nothing
	// batch 3: nothing
	// batch 4: bob=2 orders, idle at 4 s
}

// A timer at a time of its own: what a customer ordered is delivered at full three seconds.
func ExampleState_ExpireAt() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).Stateful("deliveries", func(_ string, items []string, st *dstream.State[[]string]) []string {
			if st.Expired() {
				return []string{strings.Join(st.Get(), "+")}
			}
			st.Set(append(st.Get(), items...))
			st.ExpireAt(st.Time().Truncate(3 * time.Second).Add(3 * time.Second))
			return nil
		})
	},
		rows(orders.Part(0, "bob:tea")),
		rows(orders.Part(0, "bob:milk")),
		rows())
	// Output:
	// batch 1: nothing
	// batch 2: nothing
	// batch 3: bob=tea+milk
}

// A table of a changelog: the last value of each key, until it is deleted.
func ExampleLatest() {
	prices := dstreamtest.Input[source.Change[int64]]("prices")
	show(func(job *dstream.Job) dstream.Stream[string] {
		table := dstream.Latest("price list", dstream.From(job, prices.Source()))
		return dstream.From(job, words.Source()).KeyBy(dstream.Self).
			JoinTable(table, func(item string, price int64) string { return fmt.Sprintf("%s:%d", item, price) }).Values()
	},
		rows(prices.Part(0, source.Change[int64]{Key: "tea", Value: 3}, source.Change[int64]{Key: "milk", Value: 2})),
		rows(words.Part(0, "tea", "milk")),
		rows(words.Part(0, "tea", "milk"), prices.Part(0, source.Change[int64]{Key: "tea", Value: 4}, source.Change[int64]{Key: "milk", Deleted: true})))
	// Output:
	// batch 1: nothing
	// batch 2: tea:3 milk:2
	// batch 3: tea:4
}

func ExampleKeyed_Latest() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).Latest("last order").Changes()
	},
		rows(orders.Part(0, "bob:tea", "ann:tea", "ann:milk")),
		rows(orders.Part(0, "bob:cake")))
	// Output:
	// batch 1: bob=tea ann=milk
	// batch 2: bob=cake
}

// Rows that say themselves whether a key goes: here an empty text removes it.
func ExampleStream_LatestBy() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return dstream.From(job, words.Source()).LatestBy("settings", func(row string) (key, value string, exists bool) {
			key, value, _ = strings.Cut(row, ":")
			return key, value, value != ""
		}).All()
	},
		rows(words.Part(0, "color:red", "size:big")),
		rows(words.Part(0, "color:", "size:small")))
	// Output:
	// batch 1: color=red size=big
	// batch 2: size=small
}

// The keys that got a value in the batch; All gives the whole table.
func ExampleTable_Changes() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		return byCustomer(job, orders).Latest("last order").Changes()
	},
		rows(orders.Part(0, "bob:tea", "ann:tea")),
		rows(orders.Part(0, "bob:milk", "bob:cake")),
		rows())
	// Output:
	// batch 1: bob=tea ann=tea
	// batch 2: bob=cake
	// batch 3: nothing
}

// A row meets what the table holds of its key, changes of its own batch included; a row of another key goes nowhere.
func ExampleKeyed_JoinTable() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		lastPayment := byCustomer(job, payments).Latest("last payment")
		return byCustomer(job, orders).JoinTable(lastPayment, func(item, payment string) string { return item + " after " + payment })
	},
		rows(orders.Part(0, "ann:tea")),
		rows(orders.Part(0, "ann:milk", "bob:tea"), payments.Part(0, "ann:5")),
		rows(orders.Part(0, "ann:cake")))
	// Output:
	// batch 1: nothing
	// batch 2: ann=milk after 5
	// batch 3: ann=cake after 5
}

func ExampleKeyed_LeftJoinTable() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		lastPayment := byCustomer(job, payments).Latest("last payment")
		return byCustomer(job, orders).LeftJoinTable(lastPayment, func(item string, payment *string) string {
			if payment == nil {
				return item + " on credit"
			}
			return item + " after " + *payment
		})
	},
		rows(orders.Part(0, "ann:tea")),
		rows(orders.Part(0, "ann:milk", "bob:tea"), payments.Part(0, "ann:5")))
	// Output:
	// batch 1: ann=tea on credit
	// batch 2: ann=milk after 5 bob=tea on credit
}
