package row

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	gocmp "github.com/google/go-cmp/cmp"
)

type address1 struct{ City string }

type address2 struct {
	Zip  string `default:"00000"`
	City string
	Door *int16 `default:"7"`
}

type profile1 struct {
	Name   string
	Visits int64
	Home   address1
	Past   []address1
	ByYear map[string]address1
	Work   *address1
}

type profile2 struct {
	Level   string  `default:"new"`
	Score   float32 `default:"0.5"`
	Name    string
	Small   int8          `default:"-3"`
	Big     uint64        `default:"18446744073709551615"`
	On      bool          `default:"true"`
	Wait    time.Duration `default:"1m30s"`
	Since   time.Time     `default:"2020-02-02T02:02:02.5Z"`
	Maybe   *bool         `default:"true"`
	Visits  int64
	None    *string
	Never   time.Time
	Zero    int
	Raw     []byte
	Tags    []string
	Counts  map[string]int64
	Nothing *address2
	Home    address2
	Past    []address2
	Where   address2
	ByYear  map[string]address2
	Work    *address2
}

// old and wider hold the same values.
func old(i int) profile1 {
	p := profile1{Name: strings.Repeat("n", i), Visits: int64(i), Home: address1{strings.Repeat("h", i%3)}}
	for k := range i % 4 {
		p.Past = append(p.Past, address1{strings.Repeat("p", k)})
	}
	if i%3 == 1 {
		p.ByYear = map[string]address1{"2020": {"a"}, "2021": {strings.Repeat("b", i)}}
	}
	if i%2 == 1 {
		p.Work = &address1{"w"}
	}
	return p
}

func address(a address1) address2 {
	seven := int16(7)
	return address2{Zip: "00000", City: a.City, Door: &seven}
}

func wider(p profile1) profile2 {
	yes := true
	w := profile2{
		Level: "new", Score: 0.5, Small: -3, Big: math.MaxUint64, On: true, Wait: 90 * time.Second, Maybe: &yes,
		Since: time.Date(2020, 2, 2, 2, 2, 2, 5e8, time.UTC), Where: address(address1{}),
		Name: p.Name, Visits: p.Visits, Home: address(p.Home),
	}
	for _, a := range p.Past {
		w.Past = append(w.Past, address(a))
	}
	for k, a := range p.ByYear {
		if w.ByYear == nil {
			w.ByYear = map[string]address2{}
		}
		w.ByYear[k] = address(a)
	}
	if p.Work != nil {
		a := address(*p.Work)
		w.Work = &a
	}
	return w
}

// TestWiden reads rows of an earlier type as those of a later one, with defaults at all depths, also from the middle of a column.
func TestWiden(t *testing.T) {
	from, to := codecOf[profile1](t), codecOf[profile2](t)
	var rows []profile1
	var want []profile2
	for i := range 20 {
		rows, want = append(rows, old(i)), append(want, wider(old(i)))
	}
	for _, cut := range [][2]int{{0, 20}, {3, 17}, {5, 5}, {0, 0}} {
		cols := from.Columns(rows, nil)
		for i := range cols {
			cols[i] = array.NewSlice(cols[i], int64(cut[0]), int64(cut[1]))
		}
		wide, err := Widen(cols, from.Schema().Fields(), to.Schema().Fields(), cut[1]-cut[0], to.Defaults())
		if err != nil {
			t.Fatal(err)
		}
		got, err := to.Rows(wide, []profile2{})
		if err != nil {
			t.Fatal(err)
		}
		if d := gocmp.Diff(want[cut[0]:cut[1]], got); d != "" {
			t.Errorf("rows %v: %s", cut, d)
		}
	}
}

// TestWidenNeedsARecord refuses to invent what a column holds, whatever its type says now.
func TestWidenNeedsARecord(t *testing.T) {
	from, to := codecOf[profile1](t), codecOf[profile2](t)
	known := slices.DeleteFunc(to.Defaults(), func(d Default) bool { return d.Path == "past[].zip" })
	_, err := Widen(from.Columns([]profile1{old(3)}, nil), from.Schema().Fields(), to.Schema().Fields(), 1, known)
	if err == nil || !strings.Contains(err.Error(), "column past[].zip is missing, and it is not recorded what it holds") {
		t.Error(err)
	}
}

// TestOrderOfColumns reads by name, in structs too.
func TestOrderOfColumns(t *testing.T) {
	type ab struct {
		A, B int64
		In   struct{ X, Y string }
	}
	type ba struct {
		In struct{ Y, X string }
		B  int64
		A  int64
	}
	from, to := codecOf[ab](t), codecOf[ba](t)
	rows := []ab{{1, 2, struct{ X, Y string }{"x", "y"}}}
	cols, err := Widen(from.Columns(rows, nil), from.Schema().Fields(), to.Schema().Fields(), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := to.Rows(cols, nil)
	if err != nil || got.([]ba)[0] != (ba{struct{ Y, X string }{"y", "x"}, 2, 1}) {
		t.Errorf("%+v %v", got, err)
	}
}

// TestWidenOfWreckedColumns gives damaged columns: an error, or rows, and no panic.
func TestWidenOfWreckedColumns(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	from, to := codecOf[profile1](t), codecOf[profile2](t)
	rows := []profile1{old(1), old(2), old(3), old(5), old(7)}
	accepted := 0
	for range 3000 {
		cols := from.Columns(rows, nil)
		i := r.IntN(len(cols))
		cols[i] = foreign{cols[i], wreck(r, cols[i].Data())}
		wide, err := Widen(cols, from.Schema().Fields(), to.Schema().Fields(), len(rows), to.Defaults())
		if err != nil {
			continue
		}
		if _, err := to.Rows(wide, nil); err == nil {
			accepted++
		}
	}
	if accepted == 0 {
		t.Error("no columns were whole: nothing was tried")
	}
}

// TestCompare is the table of changes and what they mean.
func TestCompare(t *testing.T) {
	for _, c := range []struct {
		have, want string
		added      []string
		refused    []string
	}{
		{have: "a: int64", want: "a: int64"},
		{have: "a: int64, b: utf8", want: "b: utf8, a: int64"},
		{have: "a: int64", want: "b: utf8?, a: int64", added: []string{"b"}},
		{have: "a: int64", want: "a: int64, s: struct<x: int64, y: struct<z: bool>, o: struct<p: bool>?>", added: []string{"s.x", "s.y.z", "s.o"}},
		{have: "s: struct<x: int64>", want: "s: struct<y: utf8, x: int64>", added: []string{"s.y"}},
		{have: "s: struct<x: int64>?", want: "s: struct<x: int64, y: utf8>?", added: []string{"s.y"}},
		{have: "l: list<struct<x: int64>>", want: "l: list<struct<x: int64, y: list<bool>>>", added: []string{"l[].y"}},
		{have: "m: map<struct<x: int64>?>", want: "m: map<struct<x: int64, y: bool>?>", added: []string{"m[].y"}},
		{have: "a: int64, b: utf8", want: "a: int64", refused: []string{"field b is gone"}},
		{have: "a: int64, b: utf8", want: "a: int64, c: utf8, d: utf8", added: []string{"c", "d"},
			refused: []string{"field b is gone; if it is c now, tag that `arrow:\"b\"`"}},
		{have: "a: int64", want: "a: int32", refused: []string{"field a was int64 and is int32"}},
		{have: "a: int64", want: "a: int64?", refused: []string{"field a was int64 and is int64?"}},
		{have: "a: int64?", want: "a: int64", refused: []string{"field a was int64? and is int64"}},
		{have: "at: timestamp[us]", want: "at: int64", refused: []string{"field at was timestamp[us] and is int64"}},
		{have: "value: int64", want: "n: int64", added: []string{"n"}, refused: []string{"field value is gone; if it is n now, tag that `arrow:\"value\"`"}},
		{have: "l: list<int64>", want: "l: list<utf8>", refused: []string{"field l[] was int64 and is utf8"}},
		{have: "l: list<int64>", want: "l: map<int64>", refused: []string{"field l was list<int64> and is map<int64>"}},
		{have: "s: struct<x: int64, y: bool>", want: "s: struct<x: int64, z: utf8>", added: []string{"s.z"}, refused: []string{"field s.y is gone"}},
		{have: "s: struct<x: struct<y: bool>>", want: "s: struct<x: struct<y: bool>?>",
			refused: []string{"field s.x was struct<y: bool> and is struct<y: bool>?"}},
	} {
		got := Compare(parsed(t, c.have), parsed(t, c.want))
		if d := gocmp.Diff(Change{Added: c.added, Refused: c.refused}, got); d != "" {
			t.Errorf("%s -> %s:\n%s", c.have, c.want, d)
		}
	}
}

func parsed(t *testing.T, text string) []arrow.Field {
	t.Helper()
	f, err := ParseFields(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParseFields(t *testing.T) {
	for _, c := range []*Codec{codecOf[wide](t), codecOf[profile2](t), codecOf[string](t), codecOf[[]byte](t), codecOf[*time.Time](t), codecOf[map[string][]int8](t)} {
		if got := arrow.NewSchema(parsed(t, c.Text()), nil); !got.Equal(c.Schema()) {
			t.Errorf("%s is read as %s", c.Text(), got)
		}
	}
	for _, text := range []string{"a", "a:", "a: ", "a: int65", "a: list", "a: list<", "a: list<int64", "a: list<int64>>", "a: int64 b: int64", "a: struct<b>",
		"a: int64??", "a: map<>", strings.Repeat("a: struct<", 100)} {
		if f, err := ParseFields(text); err == nil {
			t.Errorf("%q is read as %v", text, f)
		}
	}
}

func FuzzParseFields(f *testing.F) {
	f.Add("page: utf8, at: timestamp[us], score: float64?, s: struct<x: list<int8>, m: map<bool?>>")
	f.Fuzz(func(t *testing.T, text string) {
		fields, err := ParseFields(text)
		if err != nil {
			return
		}
		again, err := ParseFields(FieldsText(fields))
		if err != nil || !slices.EqualFunc(fields, again, arrow.Field.Equal) {
			t.Errorf("%q is %v, then %v (%v)", text, fields, again, err)
		}
	})
}

type badDefaults struct {
	N int8          `default:"128"`
	U uint16        `default:"-1"`
	F float32       `default:"1e60"`
	B bool          `default:"yes"`
	D time.Duration `default:"5"`
	T time.Time     `default:"2020-01-01"`
	R []byte        `default:"x"`
	L []int64       `default:"1"`
	S struct {
		X int64 `default:"ten"`
		Y int64
	} `default:"1"`
	P *int64 `default:""`
}

// TestBadDefaults names each tag that is no value; the type may still be that of rows.
func TestBadDefaults(t *testing.T) {
	err := codecOf[badDefaults](t).CheckDefaults()
	if err == nil {
		t.Fatal("accepted")
	}
	want := []string{
		`row.badDefaults.N: default:"128": write a whole number that fits into 8 bits`,
		`row.badDefaults.U: default:"-1": write a whole number without a sign that fits into 16 bits`,
		`row.badDefaults.F: default:"1e60": write a number such as 0.5`,
		`row.badDefaults.B: default:"yes": write true or false`,
		`row.badDefaults.D: default:"5": write a duration such as 1m30s`,
		`row.badDefaults.T: default:"2020-01-01": write a time such as 2006-01-02T15:04:05Z`,
		`row.badDefaults.R: default:"x": a []uint8 cannot have a default: leave the tag out, the field is then empty in old rows`,
		`row.badDefaults.L: default:"1": a []int64 cannot have a default: leave the tag out, the field is then empty in old rows`,
		`row.badDefaults.S.X: default:"ten": write a whole number that fits into 64 bits`,
		`row.badDefaults.S: default:"1": a ` + reflect.TypeFor[badDefaults]().Field(8).Type.String() + ` cannot have a default: leave the tag out, the field is then empty in old rows`,
		`row.badDefaults.P: default:"": write a whole number that fits into 64 bits`,
	}
	if d := gocmp.Diff(want, strings.Split(err.Error(), "\n")); d != "" {
		t.Error(d)
	}
	if err := codecOf[profile2](t).CheckDefaults(); err != nil {
		t.Error(err)
	}
}
