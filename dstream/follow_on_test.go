package dstream_test

import (
	_ "embed"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

//go:embed follow_on_test.go
var followOnSource string

type placed struct {
	Order   int64     `arrow:"order"`
	User    string    `arrow:"user"`
	Amount  int64     `arrow:"amount"`
	Placed  time.Time `arrow:"placed"`
	Items   []string  `arrow:"items"`
	Country string    `arrow:"country"`
}

type client struct {
	Name  string    `arrow:"name"`
	City  string    `arrow:"city"`
	Since time.Time `arrow:"since"`
}

var (
	ordersIn  = dstreamtest.Input[placed]("orders")
	clientsIn = dstreamtest.Input[client]("clients")
)

// Each mistake is reported at its line, and none that only follows from an earlier one: the text behind "want" says all mistakes of a line, and lines without have none.
var followOns = []struct {
	name string
	job  func(f, o dstream.Frame)
}{
	{"select", func(f, o dstream.Frame) {
		f = f.Select("user", "amuont", expr.Col("plced").As("at")) // want: there is no column "amuont"; did you mean "amount"? | did you mean "placed"?
		f = f.Where(expr.Col("amuont").Gt(1))
		f = f.With("day", expr.Col("at"))
		f.OrderBy("amuont", "at", "day", "usr") // want: did you mean "user"?
	}},
	{"select what was not selected", func(f, o dstream.Frame) {
		f.Select("user", "amuont").Where(expr.Col("country").Eq("DE")) // want: did you mean "amount"? | there is no column "country"; columns are user
	}},
	{"where keeps the columns", func(f, o dstream.Frame) {
		f = f.Where(expr.Col("contry").Eq("DE")) // want: did you mean "country"?
		f.Select("usr")                          // want: did you mean "user"?
	}},
	{"two in one expression", func(f, o dstream.Frame) {
		f = f.Select("user", "amuont")                                         // want: did you mean "amount"?
		f.With("twice", expr.Col("amuont").Add(expr.Col("usr"))).Drop("twice") // want: did you mean "user"?
	}},
	{"with", func(f, o dstream.Frame) {
		f = f.With("net", expr.Col("amonut").Mul(2)) // want: did you mean "amount"?
		f = f.Select("net", "user", "contry")        // want: did you mean "country"?
		f.As[placed]()
	}},
	{"with replaces", func(f, o dstream.Frame) {
		f = f.With("amount", expr.Col("amonut").Mul(2)) // want: did you mean "amount"?
		f = f.Where(expr.Col("amount").Gt(1))
		f.With("amount", expr.Lit(1)).Where(expr.Col("amount").Gt("x")) // want: amount
	}},
	{"group by", func(f, o dstream.Frame) {
		f = f.GroupBy("usr", "country").Agg(expr.Count().As("n"), expr.Sum("amonut").As("total")) // want: did you mean "user"? | did you mean "amount"?
		f = f.Where(expr.Col("n").Gt(1).And(expr.Col("total").Gt(1)))
		f.Select("usr", "country", "tota") // want: there is no column "tota"; columns are country, n
	}},
	{"group by a running", func(f, o dstream.Frame) {
		f = f.GroupBy("usr").Running("r").Agg(expr.Count().As("n")) // want: did you mean "user"?
		f.Snapshots()
		f.Select("usr", "n", "m") // want: did you mean "n"?
	}},
	{"an aggregate of two", func(f, o dstream.Frame) {
		f = f.Drop("amuont")                                             // want: did you mean "amount"?
		f.GroupBy("user").Agg(expr.MaxBy("amuont", "ordr")).As[placed]() // want: there is no column "amuont" | did you mean "order"?
	}},
	{"join of two mistaken sides", func(f, o dstream.Frame) {
		f = f.Select("usr", "amount")                                                                            // want: did you mean "user"?
		o = o.Select("nmae", "city")                                                                             // want: did you mean "name"?
		j := f.Join(o, dstream.OnEqual(expr.Col("usr"), expr.Col("nmae")), dstream.If(expr.Col("ctiy").Eq("x"))) // want: did you mean "city"?
		j.Select("usr", "nmae", "city", "amuont")                                                                // want: did you mean "amount"?
	}},
	{"join on a mistake", func(f, o dstream.Frame) {
		j := f.Join(o, dstream.On("uesr"))   // want: left side: there is no column "uesr"; did you mean "user"? | right side: there is no column "uesr"
		j.Select("uesr", "city").Drop("cty") // want: did you mean "city"?
	}},
	{"join of times", func(f, o dstream.Frame) {
		f = f.EventTime("plcaed", 0) // want: did you mean "placed"?
		o = o.EventTime("since", 0)
		j := f.JoinWithin("w", o, dstream.Within(0, time.Hour), dstream.OnEqual(expr.Col("user"), expr.Col("name")))
		j.LateRows().Select("usr")         // want: did you mean "user"?
		j.LateRightRows().Select("amount") // want: there is no column "amount"; columns are name, city, since
		j.Window(dstream.Tumbling(time.Hour)).Agg("a", expr.Count())
	}},
	{"join with a table", func(f, o dstream.Frame) {
		t := o.Latest("t", "nmae") // want: did you mean "name"?
		j := f.JoinTable(t, dstream.OnEqual(expr.Col("user"), expr.Col("nmae")))
		j.Select("user", "contry") // want: did you mean "country"?
		g := t.GroupBy("city").Agg("g", expr.Count().As("n"))
		t.Join("j", g).Changes().Select("n")
	}},
	{"window", func(f, o dstream.Frame) {
		f = f.EventTime("placed", 0).Window(dstream.Tumbling(0)).GroupBy("usr").Agg("w", expr.Count().As("n")) // want: a window lasts a microsecond at least | did you mean "user"?
		f.Select("usr", "n", "window_start", "window_end")
		f.TopN(3, "m") // want: did you mean "n"?
		f.Window(dstream.Tumbling(time.Hour)).TopN("t", 1, "n")
	}},
	{"top of windows", func(f, o dstream.Frame) {
		f = f.EventTime("placed", 0).Window(dstream.Tumbling(time.Hour)).TopN("w", 1, "amonut") // want: did you mean "amount"?
		f.Select("rank", "window_end", "usr")                                                   // want: did you mean "user"?
	}},
	{"event time that a mistake takes away", func(f, o dstream.Frame) {
		f = f.EventTime("placed", 0).Select("plaecd", "user") // want: did you mean "placed"?
		f.Deduplicate("d", time.Hour, "user")
		o.Deduplicate("e", time.Hour, "name") // want: the rows have no event time
	}},
	{"rename", func(f, o dstream.Frame) {
		f = f.Rename("amuont", "price") // want: did you mean "amount"?
		f = f.Where(expr.Col("price").Gt(1))
		f.As[placed]()
		f.Select("prize", "user") // want: there is no column "prize"
	}},
	{"drop", func(f, o dstream.Frame) {
		f = f.Drop("contry") // want: did you mean "country"?
		f.As[placed]()
		f.Select("usr").As[placed]() // want: did you mean "user"?
	}},
	{"explode", func(f, o dstream.Frame) {
		f.Explode("itmes", "item").Where(expr.Col("item").Eq("x")).Select("itme") // want: did you mean "items"? | did you mean "items"?
		f.Explode("user", "letter").Select("letter", "usr")                       // want: column "user" is utf8, not a list | did you mean "user"?
	}},
	{"order", func(f, o dstream.Frame) {
		f = f.OrderBy("amonut").Distinct("usr") // want: did you mean "amount"? | did you mean "user"?
		f.Limit(0).Select("user")               // want: limit(0): at least 1
	}},
	{"as", func(f, o dstream.Frame) {
		s := f.Select("user", "amount").As[placed]() // want: bring the columns into its form with Select
		s.Frame().Select("country", "contry")        // want: did you mean "country"?
	}},
	{"union", func(f, o dstream.Frame) {
		a := f.Select("user", "amuont") // want: did you mean "amount"?
		a.Union(f.Select("user", "amount")).Where(expr.Col("amuont").Gt(1))
		o.Union(o.Select("name", "city")) // want: there is no column "since"
	}},
	{"keys", func(f, o dstream.Frame) {
		f.Select("usr").KeyBy("usr").As[string, placed]() // want: did you mean "user"?
		o.KeyBy("nmae").As[string, client]()              // want: did you mean "name"?
	}},
	{"a column of rows that came new", func(f, o dstream.Frame) {
		g := f.Select("usr", "country").GroupBy("country").Agg(expr.Count().As("n")) // want: did you mean "user"?
		g.Select("usr")                                                              // want: there is no column "usr"; columns are country, n
	}},
}

func TestMistakesThatFollowAreNotReported(t *testing.T) {
	lines := strings.Split(followOnSource, "\n")
	for i, c := range followOns {
		first := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, `{"`+c.name+`", func(`) })
		last := first + slices.Index(lines[first:], "\t}},")
		t.Run(c.name, func(t *testing.T) {
			_, err := dstreamtest.New(dstreamtest.Options{}, func(job *dstream.Job) {
				f, o := dstream.From(job, ordersIn.Source()).Frame(), dstream.From(job, clientsIn.Source()).Frame()
				f.To(dstreamtest.Sink("out"))
				followOns[i].job(f, o)
			})
			if err == nil {
				t.Fatal("no mistakes")
			}
			got := strings.Split(err.Error(), "\n")
			for n := first; n < last; n++ {
				_, wants, _ := strings.Cut(lines[n], "// want: ")
				at := "follow_on_test.go:" + itoa(n+1) + ": "
				for _, want := range strings.Split(wants, " | ") {
					if want == "" {
						continue
					}
					found := slices.IndexFunc(got, func(g string) bool { return strings.HasPrefix(g, at) && strings.Contains(g, want) })
					if found < 0 {
						t.Errorf("no mistake %q at line %d", want, n+1)
						continue
					}
					got = slices.Delete(got, found, found+1)
				}
			}
			if len(got) > 0 {
				t.Errorf("these follow from others:\n%s", strings.Join(got, "\n"))
			}
			if t.Failed() {
				t.Logf("all mistakes:\n%s", err)
			}
		})
	}
}
