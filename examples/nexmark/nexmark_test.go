package nexmark

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/sink"
)

// vectors are testdata/nexmark.json: tables and the result of each query on them.
type vectors struct {
	Tables  map[string]table `json:"tables"`
	Vectors []struct {
		ID       string   `json:"id"`
		Columns  []string `json:"columns"`
		Expected [][]any  `json:"expected"`
	} `json:"vectors"`
}

type table struct {
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"`
}

func load(t *testing.T) *vectors {
	t.Helper()
	data, err := os.ReadFile("testdata/nexmark.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v := &vectors{}
	if err := d.Decode(v); err != nil {
		t.Fatal(err)
	}
	return v
}

const layout = "2006-01-02 15:04:05.999999"

// records are a table's rows as records, in order of event time.
func (tab table) records(t *testing.T) (lines []string, times []time.Time) {
	type record struct {
		line string
		at   time.Time
	}
	var all []record
	for _, r := range tab.Rows {
		row := map[string]any{}
		var at time.Time
		for i, c := range tab.Columns {
			row[c] = r[i]
			if c != "date_time" && c != "expires" {
				continue
			}
			when, err := time.Parse(layout, r[i].(string))
			if err != nil {
				t.Fatal(err)
			}
			row[c] = when
			if c == "date_time" {
				at = when
			}
		}
		if tab.Columns[1] == "item_name" || tab.Columns[1] == "name" {
			row["extra"] = "" // left out of the data set
		}
		line, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, record{string(line), at})
	}
	slices.SortStableFunc(all, func(a, b record) int { return a.at.Compare(b.at) })
	for _, r := range all {
		lines, times = append(lines, r.line), append(times, r.at)
	}
	return lines, times
}

// cut deals the rows of the tables that a query asked for out to batches of one second of event time each and two partitions: out of order within a second.
func (v *vectors) cut(t *testing.T, r *rand.Rand, asked map[string]bool) [][]dstreamtest.Rows {
	batches := make([][]dstreamtest.Rows, 30)
	for _, name := range []string{"person", "auction", "bid"} {
		if !asked[name] {
			continue
		}
		lines, times := v.Tables[name].records(t)
		begin := time.Date(2015, 7, 15, 0, 0, 0, 0, time.UTC)
		byBatch := make([][2][]string, len(batches))
		for i, line := range lines {
			b := int(times[i].Sub(begin) / time.Second)
			p := &byBatch[b][r.IntN(2)]
			*p = append(*p, line)
		}
		for b, parts := range byBatch {
			for p, lines := range parts {
				r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
				if len(lines) > 0 {
					batches[b] = append(batches[b], dstreamtest.Records("log:"+name, p, lines...))
				}
			}
		}
	}
	return batches
}

// result runs a query over all rows and is what reaches its sink; of rows that agree in the key's columns the last.
func (v *vectors) result(t *testing.T, q Query, partitions int, r *rand.Rand) []map[string]any {
	asked := map[string]bool{}
	note := func(topic string, stream func() dstream.Frame) func() dstream.Frame {
		return func() dstream.Frame { asked[topic] = true; return stream() }
	}
	job := dstreamtest.Run(t, func(j *dstream.Job) {
		h := Open(j)
		q.Build(House{note("person", h.persons), note("auction", h.auctions), note("bid", h.bids)}).To(sink.New(dstreamtest.Collect("out")))
	}, dstreamtest.Partitions(partitions), dstreamtest.Interval(time.Second), dstreamtest.Start(time.Date(2015, 7, 15, 0, 1, 0, 0, time.UTC)))
	var rows []map[string]any
	read := func(b *dstreamtest.Batch) {
		d := json.NewDecoder(strings.NewReader(b.JSON("out")))
		d.UseNumber()
		for d.More() {
			var row map[string]any
			if err := d.Decode(&row); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, row)
		}
	}
	for _, in := range v.cut(t, r, asked) {
		read(job.Batch(in...))
	}
	read(job.Finish())
	if q.Key == nil {
		return rows
	}
	last := map[string]map[string]any{}
	for _, row := range rows {
		var key []any
		for _, k := range q.Key {
			key = append(key, row[k])
		}
		last[fmt.Sprint(key...)] = row
	}
	rows = rows[:0]
	for _, row := range last {
		rows = append(rows, row)
	}
	return rows
}

func TestQueries(t *testing.T) {
	v := load(t)
	for _, vec := range v.Vectors {
		q, ok := Queries[strings.TrimSuffix(strings.TrimPrefix(vec.ID, "nexmark."), ".derived")]
		if !ok {
			continue
		}
		t.Run(vec.ID, func(t *testing.T) {
			for partitions := 1; partitions <= 3; partitions++ {
				r := rand.New(rand.NewPCG(uint64(partitions), 7))
				var got, want []string
				for _, row := range v.result(t, q, partitions, r) {
					var line []string
					for _, c := range vec.Columns {
						line = append(line, cell(row[c]))
					}
					got = append(got, strings.Join(line, " | "))
				}
				for _, row := range vec.Expected {
					var line []string
					for _, c := range row {
						line = append(line, cell(c))
					}
					want = append(want, strings.Join(line, " | "))
				}
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Fatalf("%d partitions:\n%s\nwant\n%s", partitions, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
		})
	}
}

// cell is a value in one form, however it was written: numbers with six digits behind the point, times as RFC 3339.
func cell(v any) string {
	text := fmt.Sprint(v)
	for _, l := range []string{layout, time.RFC3339Nano, "2006-01-02 15:04:05.999999Z"} {
		if at, err := time.Parse(l, text); err == nil {
			return at.UTC().Format(time.RFC3339Nano)
		}
	}
	if n, ok := new(big.Rat).SetString(text); ok {
		return n.FloatString(6) // averages are floats here, and decimals there
	}
	return text
}
