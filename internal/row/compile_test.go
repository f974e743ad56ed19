package row

import (
	"math/big"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
)

type recursive struct {
	Name string
	Kids []recursive
}

type bad struct {
	Any    any
	Ch     chan int
	Arr    [4]int
	PP     **int
	PS     *[]int
	Cx     complex128
	Big    big.Int
	M      map[int]string
	secret int
	Mu     sync.Mutex
	Deep   struct{ F func() }
	List   []struct{ U uintptr }
}

var _ = bad{}.secret

func TestRefusedTypes(t *testing.T) {
	_, err := For[bad]()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"row.bad.Any: interface {} has no column form; use a concrete type",
		"row.bad.Ch: chan int has no column form; leave it out",
		"row.bad.Arr: [4]int has no column form; use a slice",
		"row.bad.PP: **int: only scalars and structs may be pointers",
		"row.bad.PS: *[]int: only scalars and structs may be pointers; use []int itself",
		"row.bad.Cx: complex128 has no column form; use two floats",
		"row.bad.Big.neg: field is not exported",
		"row.bad.M: map[int]string: only strings may be keys of a map; use a slice of structs",
		"row.bad.secret: field is not exported; export it, or leave it out with `arrow:\"-\"`",
		"row.bad.Mu.",
		"row.bad.Deep.F: func() has no column form",
		"row.bad.List[].U: uintptr has no column form; use uint64",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
	for want, typ := range map[string]reflect.Type{
		"contains itself":         reflect.TypeFor[recursive](),
		"has no fields":           reflect.TypeFor[struct{}](),
		"a row that is a pointer": reflect.TypeFor[*inner](),
		"two fields are column \"a\"": reflect.TypeFor[struct {
			A int
			B int `arrow:"a"`
		}](),
		"untyped nil": nil,
	} {
		if _, err := Of(typ); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", typ, err, want)
		}
	}
}

func TestText(t *testing.T) {
	type view struct {
		PageURL  string
		At       time.Time
		Score    *float64 `arrow:"points"`
		Tags     []string
		Opt      []*int32
		By       map[string]bool
		In       inner
		MaybeIn  *inner
		Took     time.Duration
		HTTPCode uint16
		Left     func() `arrow:"-"`
	}
	want := "page_url: utf8, at: timestamp[us], points: float64?, tags: list<utf8>, opt: list<int32?>, by: map<bool>, " +
		"in: struct<a: int32, b: utf8?, t: timestamp[us]>, maybe_in: struct<a: int32, b: utf8?, t: timestamp[us]>?, took: int64, http_code: uint16"
	c := codecOf[view](t)
	if c.Text() != want {
		t.Errorf("got  %s\nwant %s", c.Text(), want)
	}
	if s := codecOf[*int8](t); s.Text() != "value: int8?" || !s.Scalar() || c.Scalar() {
		t.Errorf("scalar: %q %v", s.Text(), s.Scalar())
	}
	if again := codecOf[view](t); again != c {
		t.Error("codecs are not cached")
	}
	names := func(s *arrow.Schema) (all []string) {
		for _, f := range s.Fields() {
			all = append(all, f.Name)
		}
		return all
	}
	if got := names(Pair(codecOf[string](t), codecOf[inner](t))); !reflect.DeepEqual(got, []string{"key", "a", "b", "t"}) {
		t.Error(got)
	}
	if got := names(Pair(codecOf[place](t), codecOf[int64](t))); !reflect.DeepEqual(got, []string{"key.city", "key.street", "key.no", "key.in", "value"}) {
		t.Error(got)
	}
	if Pair(nil, c) != c.Schema() {
		t.Error("a pair without a key is not the value's schema")
	}
}
