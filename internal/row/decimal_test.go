package row

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/decimal"
)

type priced struct {
	Item  string
	Price decimal.Dec            `decimal:"18,2" default:"1.50"`
	Was   *decimal.Dec           `decimal:"38,0"`
	All   []decimal.Dec          `decimal:"9,4"`
	By    map[string]decimal.Dec `decimal:"9,4"`
	In    struct {
		D decimal.Dec `decimal:"5,5"`
	}
}

type priceKey struct {
	Price decimal.Dec `decimal:"18,2"`
	Item  string
}

func dec(r *rand.Rand) decimal.Dec {
	d, _ := decimal.ParseDec(strings.Repeat("7", r.IntN(6))+"0", 2)
	if r.IntN(2) == 0 {
		d.Num = d.Negate()
	}
	return d
}

func TestDecimalFields(t *testing.T) {
	c, err := For[priced]()
	if err != nil {
		t.Fatal(err)
	}
	want := "item: utf8, price: decimal(18,2), was: decimal(38,0)?, all: list<decimal(9,4)>, by: map<decimal(9,4)>, in: struct<d: decimal(5,5)>"
	if c.Text() != want {
		t.Errorf("columns %s, want %s", c.Text(), want)
	}
	fields, err := ParseFields(c.Text())
	if err != nil || FieldsText(fields) != want {
		t.Errorf("parsed: %s, %v", FieldsText(fields), err)
	}
	same, err := OfSchema(c.Schema())
	if err != nil || same.Text() != want {
		t.Errorf("dynamic: %v", err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	rows := make([]priced, 50)
	for i := range rows {
		rows[i] = priced{Item: "x", Price: dec(r)}
		rows[i].In.D = dec(r)
		if i%3 > 0 {
			rows[i].Was, rows[i].All, rows[i].By = new(dec(r)), []decimal.Dec{dec(r), dec(r)}, map[string]decimal.Dec{"k": dec(r)}
		}
	}
	back, err := c.Rows(c.Columns(rows, nil), nil)
	if err != nil || !reflect.DeepEqual(back, any(rows)) {
		t.Errorf("through columns: %v\n%s", err, cmp.Diff(rows, back))
	}
	v := NewVectors(c)
	v.Grow(len(rows))
	idx := make([]int32, len(rows))
	for i := range idx {
		idx[i] = int32(i)
	}
	v.Set(idx, rows)
	if got := v.Get(idx, nil); !reflect.DeepEqual(got, any(rows)) {
		t.Errorf("through state: %s", cmp.Diff(rows, got))
	}
	if got := c.FromBatch(c.Batch(rows, nil, nil)); !reflect.DeepEqual(got, any(rows)) {
		t.Errorf("through vectors: %s", cmp.Diff(rows, got))
	}
	flat, err := OfSchema(c.Batch(rows, nil, nil).Choose([]int{0, 1, 2}).Schema)
	if err != nil {
		t.Fatal(err)
	}
	b := c.Batch(rows, nil, nil).Choose([]int{0, 1, 2})
	kept := NewVectors(flat)
	kept.Grow(len(rows))
	kept.SetCols(idx, b)
	if got := kept.GetCols(idx); !reflect.DeepEqual(flat.FromBatch(got), flat.FromBatch(b)) {
		t.Error("state of columns holds other decimals")
	}
	packed := c.Pack(nil, rows, nil)
	if got, rest, err := c.Unpack(packed, len(rows), nil); err != nil || len(rest) > 0 || !reflect.DeepEqual(got, any(rows)) {
		t.Errorf("packed: %v\n%s", err, cmp.Diff(rows, got))
	}
}

func TestDecimalKeys(t *testing.T) {
	c, err := For[priceKey]()
	if err != nil || c.CheckKey() != nil {
		t.Fatal(err, c.CheckKey())
	}
	r := rand.New(rand.NewPCG(3, 4))
	rows := []priceKey{{dec(r), "a"}, {dec(r), "b"}, {dec(r), ""}}
	flat, err := OfSchema(c.Schema())
	if err != nil {
		t.Fatal(err)
	}
	var byCol, byRow Keys
	flat.AppendVecKeys(c.Batch(rows, nil, nil).Cols, nil, &byCol)
	c.AppendKeys(rows, &byRow)
	if !reflect.DeepEqual(byCol, byRow) {
		t.Errorf("keys of columns are %x, of rows %x", byCol.Data, byRow.Data)
	}
	vecs, err := flat.KeyVecs(&byCol, nil)
	if err != nil || !reflect.DeepEqual(vecs[0].Decimals, c.Batch(rows, nil, nil).Cols[0].Decimals) {
		t.Errorf("keys back: %v, %v", vecs, err)
	}
	var k Keys
	c.AppendKeys(rows, &k)
	if back, err := c.KeyRows(&k, nil, nil); err != nil || !reflect.DeepEqual(back, any(rows)) {
		t.Errorf("%v: %v, want %v", err, back, rows)
	}
}

func TestDecimalDefaults(t *testing.T) {
	old, _ := ParseFields("item: utf8")
	type row struct {
		Item  string
		Price decimal.Dec `decimal:"18,2" default:"-1.5"`
	}
	c, err := For[row]()
	if err != nil || c.CheckDefaults() != nil {
		t.Fatal(err, c.CheckDefaults())
	}
	type before struct{ Item string }
	b, _ := For[before]()
	cols, err := Widen(b.Columns([]before{{"x"}}, nil), old, c.Schema().Fields(), 1, c.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	rows, err := c.Rows(cols, nil)
	if err != nil || rows.([]row)[0].Price.Text(2) != "-1.50" {
		t.Errorf("%v, %v", rows, err)
	}
}

func TestDecimalMistakes(t *testing.T) {
	type none struct{ D decimal.Dec }
	type bad struct {
		D decimal.Dec `decimal:"39,2"`
	}
	if _, err := For[none](); err == nil || !strings.Contains(err.Error(), "without its digits") {
		t.Error(err)
	}
	if _, err := For[bad](); err == nil || !strings.Contains(err.Error(), "1 to 38") {
		t.Error(err)
	}
	if _, err := For[decimal.Dec](); err == nil {
		t.Error("a decimal alone has no digits")
	}
}
