package dstream_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

// trip and port are rows of the examples of joins.
type trip struct {
	Ship string
	To   string
}

type port struct {
	Code string
	City string
	Open bool
}

var (
	trips = dstreamtest.Input[trip]("trips")
	ports = dstreamtest.Input[port]("port changes")
)

func tripsOf(job *dstream.Job) dstream.Frame { return dstream.From(job, trips.Source()).Frame() }
func portsOf(job *dstream.Job) dstream.Frame { return dstream.From(job, ports.Source()).Frame() }

// arriving shows a ship and a city.
func arriving(f dstream.Frame) dstream.Stream[string] {
	type row struct{ Ship, City string }
	return f.Select("ship", "city").As[row]().Map(func(r row) string { return r.Ship + ">" + r.City })
}

// arrivingOr shows a ship and a city that may be missing.
func arrivingOr(f dstream.Frame) dstream.Stream[string] {
	type row struct {
		Ship string
		City *string
	}
	return f.Select("ship", "city").As[row]().Map(func(r row) string {
		if r.City == nil {
			return r.Ship + ">?"
		}
		return r.Ship + ">" + *r.City
	})
}

// Rows of one batch.
func ExampleFrame_Join() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		return arriving(tripsOf(job).Join(portsOf(job), dstream.OnEqual(expr.Col("to"), expr.Col("code"))))
	},
		rows(trips.Part(0, trip{"Anna", "BGO"}, trip{"Bo", "OSL"}), ports.Part(0, port{"BGO", "Bergen", true})),
		rows(trips.Part(0, trip{"Cleo", "BGO"})))
	// Output:
	// batch 1: Anna>Bergen
	// batch 2: nothing
}

// Ships that go where others go to, too.
func ExampleOn() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		type pair struct{ Ship, Other string }
		all := tripsOf(job)
		return all.
			Join(all, dstream.On("to"), dstream.Suffix("_2"), dstream.If(expr.Col("ship").Lt(expr.Col("ship_2")))).
			Select("ship", expr.Col("ship_2").As("other")).As[pair]().Map(func(p pair) string { return p.Ship + "+" + p.Other })
	}, rows(trips.Part(0, trip{"Anna", "BGO"}, trip{"Bo", "OSL"}, trip{"Cleo", "BGO"})))
	// Output:
	// batch 1: Anna+Cleo
}

// A table of ports that change: each ship sees the port as it is in its batch.
func ExampleFrame_JoinTable() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		table := portsOf(job).Latest("ports", "code")
		return arrivingOr(tripsOf(job).JoinTable(table, dstream.OnEqual(expr.Col("to"), expr.Col("code")), dstream.LeftJoin))
	},
		rows(ports.Part(0, port{"BGO", "Bergen", true}), trips.Part(0, trip{"Anna", "BGO"}, trip{"Bo", "OSL"})),
		rows(ports.Part(0, port{"BGO", "Bryggen", true}), trips.Part(0, trip{"Cleo", "BGO"})))
	// Output:
	// batch 1: Anna>Bergen Bo>?
	// batch 2: Cleo>Bryggen
}

// What a table gains and loses.
func ExampleFrame_LatestIf() {
	type change struct {
		City string
		Diff int8 `arrow:"_diff"`
	}
	show(func(job *dstream.Job) dstream.Stream[string] {
		return portsOf(job).LatestIf("open ports", expr.Col("open"), "code").Changes().
			Select("city", "_diff").As[change]().Map(func(c change) string { return fmt.Sprintf("%+d:%s", c.Diff, c.City) })
	},
		rows(ports.Part(0, port{"BGO", "Bergen", true}, port{"OSL", "Oslo", true})),
		rows(ports.Part(0, port{"BGO", "Bryggen", true})),
		rows(ports.Part(0, port{"BGO", "", false})))
	// Output:
	// batch 1: +1:Bergen +1:Oslo
	// batch 2: -1:Bergen +1:Bryggen
	// batch 3: -1:Bryggen
}

// A table of Go values, read by a Frame.
func ExampleTable_Frame() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		table := dstream.From(job, ports.Source()).LatestBy("ports", func(p port) (string, port, bool) { return p.Code, p, p.Open })
		return arriving(tripsOf(job).JoinTable(table.Frame("to"), dstream.On("to")))
	}, rows(ports.Part(0, port{"BGO", "Bergen", true}), trips.Part(0, trip{"Anna", "BGO"}, trip{"Bo", "OSL"})))
	// Output:
	// batch 1: Anna>Bergen
}

// Two tables make a third.
func ExampleFrameTable_Join() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		where := tripsOf(job).Select(expr.Col("to").As("code"), "ship").Latest("last ships", "code")
		return arriving(portsOf(job).Latest("ports", "code").Join("last ship of each port", where).Changes().Where(expr.Col("_diff").Gt(0)))
	},
		rows(ports.Part(0, port{"BGO", "Bergen", true}, port{"OSL", "Oslo", true})),
		rows(trips.Part(0, trip{"Anna", "BGO"})),
		rows(ports.Part(0, port{"BGO", "Bryggen", true})))
	// Output:
	// batch 1: nothing
	// batch 2: Anna>Bergen
	// batch 3: Anna>Bryggen
}

// Ships refer to ports: when a port changes, all ships are made anew that go there.
func ExampleFrameTable_Join_reference() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		ships := tripsOf(job).Latest("where ships go", "ship")
		to := dstream.OnEqual(expr.Col("to"), expr.Col("code"))
		return arriving(ships.Join("ships with ports", portsOf(job).Latest("ports", "code"), to).Changes().Where(expr.Col("_diff").Gt(0)))
	},
		rows(ports.Part(0, port{"BGO", "Bergen", true}, port{"OSL", "Oslo", true}), trips.Part(0, trip{"Anna", "BGO"}, trip{"Bo", "BGO"})),
		rows(trips.Part(0, trip{"Bo", "OSL"})),
		rows(ports.Part(0, port{"BGO", "Bryggen", true})))
	// Output:
	// batch 1: Anna>Bergen Bo>Bergen
	// batch 2: Bo>Oslo
	// batch 3: Anna>Bryggen
}

// A file that every executor holds whole.
func ExampleLookupCSV() {
	dir, err := os.MkdirTemp("", "ports")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "ports.csv")
	if err := os.WriteFile(file, []byte("city,code,country\nBergen,BGO,no\nOslo,OSL,no\n"), 0o600); err != nil {
		panic(err)
	}
	type harbour struct{ Code, City string }
	show(func(job *dstream.Job) dstream.Stream[string] {
		table := dstream.LookupCSV[harbour](job, "ports", file)
		return arrivingOr(tripsOf(job).Lookup(table, dstream.OnEqual(expr.Col("to"), expr.Col("code")), dstream.LeftJoin))
	}, rows(trips.Part(0, trip{"Anna", "BGO"}, trip{"Bo", "???"}, trip{"Cleo", "OSL"})))
	// Output:
	// batch 1: Anna>Bergen Bo>? Cleo>Oslo
}

// A Parquet file, whose columns code and city are read: of the others it may have what it likes.
func ExampleLookupParquet() {
	type harbour struct{ Code, City string }
	show(func(job *dstream.Job) dstream.Stream[string] {
		table := dstream.LookupParquet[harbour](job, "ports", "testdata/ports.parquet", dstream.ReloadEvery(time.Minute))
		return arrivingOr(tripsOf(job).Lookup(table, dstream.OnEqual(expr.Col("to"), expr.Col("code")), dstream.LeftJoin))
	}, rows(trips.Part(0, trip{"Anna", "BGO"}, trip{"Bo", "???"}, trip{"Cleo", "OSL"})))
	// Output:
	// batch 1: Anna>Bergen Bo>? Cleo>Oslo
}

// Rows from anywhere: here those that are not in it are wanted.
func ExampleLookup() {
	type closed struct{ To string }
	load := func(context.Context) ([]closed, error) { return []closed{{"OSL"}}, nil } // a database, a service
	show(func(job *dstream.Job) dstream.Stream[string] {
		table := dstream.Lookup(job, "closed ports", load)
		return tripsOf(job).Lookup(table, dstream.On("to"), dstream.AntiJoin).As[trip]().Map(func(t trip) string { return t.Ship })
	}, rows(trips.Part(0, trip{"Anna", "BGO"}, trip{"Bo", "OSL"})))
	// Output:
	// batch 1: Anna
}

// How many ships go to each port: where a ship goes elsewhere, it is taken back.
func ExampleTableGroups_Agg() {
	type busy struct {
		To   string
		N    int64
		Diff int8 `arrow:"_diff"`
	}
	show(func(job *dstream.Job) dstream.Stream[string] {
		return tripsOf(job).Latest("where ships go", "ship").
			GroupBy("to").Agg("ships by port", expr.Count().As("n")).
			Changes().As[busy]().Map(func(b busy) string { return fmt.Sprintf("%+d:%s=%d", b.Diff, b.To, b.N) })
	},
		rows(trips.Part(0, trip{"Anna", "BGO"}, trip{"Bo", "BGO"})),
		rows(trips.Part(0, trip{"Anna", "OSL"})))
	// Output:
	// batch 1: +1:BGO=2
	// batch 2: -1:BGO=2 +1:BGO=1 +1:OSL=1
}
