package source

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/batch"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/records"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// checkColumns decodes a block into rows and, with random columns read and the given conditions or none of them, into columns: wanted rows, the records they
// came from and bad records must be equal.
func checkColumns[T any](t *testing.T, r *rand.Rand, f Format[T], b *records.Block, where map[string]func(T) bool, conditions ...expr.Expr) {
	t.Helper()
	codec, err := row.For[T]()
	if err != nil || f.err != nil {
		t.Fatal(err, f.err)
	}
	p := rdd.Projection{Read: make([]bool, codec.Schema().NumFields())}
	for i := range p.Read {
		p.Read[i] = r.IntN(3) > 0
	}
	keep := func(T) bool { return true }
	if r.IntN(3) > 0 {
		for _, c := range conditions {
			bound, err := expr.Bind(codec.Schema(), c)
			if err != nil {
				t.Fatal(err)
			}
			p.Where = append(p.Where, bound)
			before, this := keep, where[c.String()]
			keep = func(v T) bool { return before(v) && this(v) }
		}
	}
	s := f.spec("test", "x")
	rows, columns, again := s.NewDecoder(), s.NewProjected(p), s.NewProjected(p)
	for lo := 0; lo < b.Len(); {
		hi := min(lo+1+r.IntN(9), b.Len())
		all, at, bad := rows.Decode(b, lo, hi)
		var want []T
		var from []int32
		for i, v := range all.Vals.([]T) {
			if keep(v) {
				record := int32(lo + i)
				if at != nil {
					record = at[i]
				}
				want, from = append(want, v), append(from, record)
			}
		}
		got, gotAt, gotBad := columns.Decode(b, lo, hi)
		if diff := cmp.Diff(bad, gotBad); diff != "" {
			t.Fatalf("records %d to %d: bad: %s", lo, hi, diff)
		}
		if gotAt == nil {
			for i := range got.N {
				gotAt = append(gotAt, int32(lo+i))
			}
		}
		if !slices.Equal(from, gotAt) || got.N != len(want) {
			t.Fatalf("records %d to %d where %v: rows come from %v, want %v", lo, hi, p.Where, gotAt, from)
		}
		sameColumns(t, codec, got.Vals.(*col.Batch), want, p.Read)
		if rested, is := again.(rdd.ReusableDecoder); is && r.IntN(3) == 0 { // another task has it, and keeps what it gets
			rested.Rest()
			got, _, _ := again.Decode(b, lo, hi)
			rested.Rest()
			sameColumns(t, codec, got.Vals.(*col.Batch), want, p.Read)
		}
		if brief, is := again.(rdd.BriefDecoder); is { // the same, until the next call
			if r.IntN(4) == 0 {
				again.(rdd.ReusableDecoder).Rest() // another task has it
			}
			if r.IntN(4) > 0 {
				brief.Brief()
			}
			got, _, _ := brief.Decode(b, lo, hi)
			sameColumns(t, codec, got.Vals.(*col.Batch), want, p.Read)
		}
		lo = hi
	}
}

// sameColumns checks that b holds the columns of rows that are read, and no others.
func sameColumns[T any](t *testing.T, codec *row.Codec, b *col.Batch, rows []T, read []bool) {
	t.Helper()
	for i, v := range b.Cols {
		if v == nil == read[i] {
			t.Fatalf("column %d is read: %v", i, read[i])
		}
	}
	if b.Len() != len(rows) {
		t.Fatalf("%d rows, want %d", b.Len(), len(rows))
	}
	want := col.FromArrays(codec.Schema(), codec.Columns(rows, nil))
	for i := range want.Cols {
		if !read[i] {
			want.Cols[i] = nil
		}
	}
	if slices.Contains(read, true) && batch.Sum(b.Read().Record()) != batch.Sum(want.Read().Record()) {
		t.Fatalf("columns differ:\n%v\n%v", b.Read().Record(), want.Read().Record())
	}
}

// every has a column of each type that JSON is read into.
type every struct {
	Page   string
	Count  int64
	Small  int8
	Port   uint16 `json:",omitempty"`
	Score  float64
	Rate   float32 `json:"rate,string"`
	Ok     bool
	At     time.Time
	Millis time.Time `layout:"millis"`
	Data   []byte
	Raw    json.RawMessage
	Who    *string
	Old    *int32
	Price  expr.Dec   `decimal:"18,2"`
	Fee    *expr.Dec  `decimal:"38,38"`
	Costs  []expr.Dec `decimal:"5,1"`
	Place  struct{ Lat, Lon float64 }
	Tags   []string
	Props  map[string]int64
	Days   []*time.Time
}

var everyWhere = map[string]func(every) bool{
	"(page = 'a')": func(e every) bool { return e.Page == "a" },
	"(count < 5)":  func(e every) bool { return e.Count < 5 },
}

var everyConditions = []expr.Expr{expr.Col("page").Eq("a"), expr.Col("count").Lt(int64(5))}

// someJSON is a value for a column, mostly a good one.
func someJSON(r *rand.Rand, name string) string {
	good := map[string][]string{
		"page": {`"a"`, `"a"`, `"b"`, `"\u00e9\n"`, `"é"`, `""`}, "count": {"1", "2", "9", "-3"}, "small": {"1", "-128"}, "port": {"80", "null"},
		"score": {"1", "1.5e3", "-0"}, "rate": {`"0.5"`}, "ok": {"true", "false"}, "at": {`"2024-01-02T03:04:05.678901234Z"`}, "millis": {"1700000000000", `"17"`},
		"data": {`"aGk="`, `""`, "null"}, "raw": {`{"x": [1, "]"]}`, "null"}, "who": {`"me"`, "null"}, "old": {"7", "null"}, "price": {"12.34", `"-0.5"`, "1e3"}, "fee": {"0.1", `"0.00000000000000000000000000000000000001"`, "null"}, "costs": {`[1,"2.5"]`, "[]", "null"}, "place": {`{"lat":1,"lon":2}`},
		"tags": {`["x","y\t"]`, "[]", "null"}, "props": {`{"a":1,"a":2}`, "{}", "null"}, "days": {`["2024-01-02T03:04:05Z",null]`},
	}
	hostile := []string{"null", `"a`, "300", "1e400", `{"a":`, "[1,", `"\ud800"`, "\"\xff\"", "tru", `"not base64!"`, "1.5", "{}", "[]", `"x"`, "-", "1.234", `"1.234"`, "1e17", `"1.5 "`, `{"lat":1}`}
	if list := good[name]; list != nil && r.IntN(60) > 0 {
		return list[r.IntN(len(list))]
	}
	return hostile[r.IntN(len(hostile))]
}

// someRecord is an object with most of the columns in some order, some twice, some unknown, some white space, and now and then broken bytes.
func someRecord(r *rand.Rand) string {
	names := strings.Fields("page count small port score rate ok at millis data raw who old price fee costs place tags props days")
	if r.IntN(3) == 0 {
		r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	}
	space := strings.Repeat(" ", r.IntN(4)/3)
	var b strings.Builder
	b.WriteString(space + "{")
	for i, name := range names {
		for n := 1 + r.IntN(20)/19; n > 0; n-- {
			if i > 0 || b.Len() > 1+len(space) {
				b.WriteString("," + space)
			}
			fmt.Fprintf(&b, "%q:%s%s", name, space, someJSON(r, name))
		}
		if r.IntN(20) == 0 {
			fmt.Fprintf(&b, `,"x%d":{"deep":[[1],{"a":null}]}`, r.IntN(3))
		}
	}
	s := b.String() + "}"
	if r.IntN(30) == 0 {
		cut := []byte(s)
		cut[r.IntN(len(cut))] = "\"\\{}[]:,\x00\xff 1"[r.IntN(12)]
		return string(cut)
	}
	return s
}

// TestColumnsOfJSON compares columns with rows over random and hostile records of all types.
func TestColumnsOfJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	good := 0
	for range 300 {
		values := make([]string, 1+r.IntN(30))
		for i := range values {
			values[i] = someRecord(r)
		}
		b := block(nil, values...)
		rows, _, _ := decodeAll(t, JSON[every](), b, 0, b.Len())
		good += len(rows)
		checkColumns(t, r, JSON[every](), b, everyWhere, everyConditions...)
	}
	if good < 1000 {
		t.Errorf("%d good records: the random ones are too hostile", good)
	}
}

// TestColumnsOfOtherFormats is the same for CSV, text, raw records and changelogs.
func TestColumnsOfOtherFormats(t *testing.T) {
	type line struct {
		Page  string
		Count int64
		Who   *string
		Score float32
		Price *expr.Dec `decimal:"9,3"`
	}
	r := rand.New(rand.NewPCG(2, 7))
	for range 300 {
		var lines, texts, keys, changes []string
		for range 1 + r.IntN(30) {
			page := []string{"a", "b", `"a"`, `"a,""b"`, "\xff", ""}[r.IntN(6)]
			lines = append(lines, page+","+[]string{"1", "7", "x", ""}[r.IntN(4)]+","+[]string{"me", "", "NA"}[r.IntN(3)]+",1.5,"+[]string{"1.5", "-2", "", "NA", "1.2345", "1000000", "x"}[r.IntN(7)]+[]string{"", "", "", ",more"}[r.IntN(4)])
			texts = append(texts, []string{"a", "a", "", "é", "\xff", absent, "longer than ten", "half \xc3", "\xa9 half"}[r.IntN(9)])
			keys = append(keys, []string{"k", "\xff", absent, ""}[r.IntN(4)])
			changes = append(changes, []string{`{"page":"a","count":1}`, `{"page":"b"}`, absent}[r.IntN(3)])
		}
		checkColumns(t, r, CSV[line](NullText("NA")), block(nil, lines...),
			map[string]func(line) bool{"(page = 'a')": func(l line) bool { return l.Page == "a" }}, expr.Col("page").Eq("a"))
		checkColumns(t, r, Text(MaxRecord(10)), block(nil, texts...),
			map[string]func(string) bool{"(value = 'a')": func(s string) bool { return s == "a" }}, expr.Col("value").Eq("a"))
		for i := range texts {
			if texts[i] != absent {
				texts[i] = strings.Repeat("a plain text of some length ", r.IntN(4)) + texts[i]
			}
		}
		checkColumns(t, r, Text(), block(nil, texts...),
			map[string]func(string) bool{"contains(value, 'é')": func(s string) bool { return strings.Contains(s, "é") }}, expr.Col("value").Contains("é"))
		checkColumns(t, r, Raw(), block(keys, texts...),
			map[string]func(Record) bool{"tombstone": func(r Record) bool { return r.Tombstone }}, expr.Col("tombstone"))
		checkColumns(t, r, Changelog[view](), block(keys, changes...),
			map[string]func(Change[view]) bool{"(key = 'k')": func(c Change[view]) bool { return c.Key == "k" }}, expr.Col("key").Eq("k"))
	}
}

func FuzzColumnsOfJSON(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 20 {
		f.Add([]byte(someRecord(r)+"\n"+someRecord(r)), uint64(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		checkColumns(t, rand.New(rand.NewPCG(seed, 1)), JSON[every](), block(nil, strings.Split(string(data), "\n")...), everyWhere, everyConditions...)
	})
}

// TestColumnsKeepNothing checks that memory of a decoder is not that of its results: what was decoded first stays as it was.
func TestColumnsKeepNothing(t *testing.T) {
	codec, err := row.For[every]()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 7))
	var values []string
	for range 200 {
		values = append(values, someRecord(r))
	}
	b := block(nil, values...)
	read := make([]bool, codec.Schema().NumFields())
	for i := range read {
		read[i] = true
	}
	d := JSON[every]().spec("test", "x").NewProjected(rdd.Projection{Read: read})
	first, _, _ := d.Decode(b, 0, 100)
	want := batch.Sum(first.Vals.(*col.Batch).Record())
	d.Decode(b, 100, 200)
	if got := batch.Sum(first.Vals.(*col.Batch).Record()); got != want {
		t.Error("the second chunk has changed the first")
	}
}

// TestRestForgetsBlocks: a decoder that has rested reads a block that lies where another was, from its middle on, as a new decoder does.
func TestRestForgetsBlocks(t *testing.T) {
	event := func(ad string) string { return fmt.Sprintf(`{"ad_id":"%s","event_type":"view","event_time":"1"}`, ad) }
	old, other := make([]string, 30), make([]string, 30)
	for i := range old {
		old[i], other[i] = event("abcdef"), event(`\u0041`) // as long
	}
	d, _ := adColumns(t, 1)
	b := block(nil, old...)
	d.Decode(b, 0, 30)
	d.(rdd.ReusableDecoder).Rest()
	copy(b.Data, block(nil, other...).Data)
	fresh, _ := adColumns(t, 1)
	got, gotAt, gotBad := d.Decode(b, 9, 30)
	want, at, bad := fresh.Decode(b, 9, 30)
	if diff := cmp.Diff(bad, gotBad); diff != "" || !slices.Equal(at, gotAt) {
		t.Fatalf("rows come from %v, want %v; bad %s", gotAt, at, diff)
	}
	if got, want := got.Vals.(*col.Batch).Read().Record(), want.Vals.(*col.Batch).Read().Record(); batch.Sum(got) != batch.Sum(want) || want.NumRows() != 21 {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestColumnsAllocate checks that decoding columns allocates per chunk, not per record.
func TestColumnsAllocate(t *testing.T) {
	const n = 2048
	d, b := adColumns(t, n)
	if per := testing.AllocsPerRun(20, func() { d.Decode(b, 0, n) }) / n; per > 0.01 {
		t.Errorf("%.3f objects a record", per)
	}
}

type adEvent struct {
	AdID      string `json:"ad_id"`
	EventType string `json:"event_type"`
	EventTime int64  `json:"event_time,string"`
}

// adColumns are a decoder of two columns of advertisement events that were viewed, and n such events.
func adColumns(t testing.TB, n int) (rdd.Decoder, *records.Block) {
	codec, err := row.For[adEvent]()
	if err != nil {
		t.Fatal(err)
	}
	viewed, err := expr.Bind(codec.Schema(), expr.Col("event_type").Eq("view"))
	if err != nil {
		t.Fatal(err)
	}
	return JSON[adEvent]().spec("test", "x").NewProjected(rdd.Projection{Read: []bool{true, false, true}, Where: []*expr.Bound{viewed}}), adBlock(n)
}

func adBlock(n int) *records.Block {
	var values []string
	for i := range n {
		values = append(values, fmt.Sprintf(`{"user_id":"11111111-1111-4111-8111-111111111111","page_id":"22222222-2222-4222-8222-222222222222","ad_id":"%08d-3333-4333-8333-333333333333","ad_type":"%s","event_type":"%s","event_time":"%d","ip_address":"10.1.2.3"}`,
			i%1000, []string{"banner", "modal", "sponsored-search", "mail", "mobile"}[i*7%5], []string{"view", "click", "purchase"}[i*11%3], 1700000000000+i))
	}
	return block(nil, values...)
}

func BenchmarkDecodeAds(b *testing.B) {
	const n = 2048
	run := func(b *testing.B, d rdd.Decoder, blk *records.Block) {
		b.ReportAllocs()
		for b.Loop() {
			d.Decode(blk, 0, n)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
	}
	b.Run("rows", func(b *testing.B) { run(b, JSON[adEvent]().spec("test", "x").NewDecoder(), adBlock(n)) })
	b.Run("columns", func(b *testing.B) {
		d, blk := adColumns(b, n)
		run(b, d, blk)
	})
}
