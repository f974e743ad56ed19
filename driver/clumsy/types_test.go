package clumsy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryType: rows with a column of every form leave as they came, and can be read again by another job.
func TestEveryType(t *testing.T) {
	p := newPlace(t)
	rows := []string{
		`{"b":true,"i8":-128,"u16":65535,"i32":-2147483648,"i64":9223372036854775807,"u64":18446744073709551615,"f32":1.5,"f64":-1e+300,` +
			`"s":"héé \"q\" \n","bytes":"AAEC/w==","t":"2024-02-29T12:34:56.123456Z","p":null,"pi":7,"l":[1,2,3],"ls":["a",""],"m":{"a":2,"z":1},` +
			`"n":{"x":1,"y":2},"nl":[{"a":"q"},{"a":""}]}`,
		`{"b":false,"i8":0,"u16":0,"i32":0,"i64":0,"u64":0,"f32":0,"f64":0,"s":"","bytes":"","t":"1969-12-31T23:59:59.999999Z","p":"x","pi":null,` +
			`"l":[],"ls":[],"m":{},"n":{"x":0,"y":0},"nl":[]}`,
	}
	p.produce("lines", rows...)
	p.ok("types", "--to", "log:once", "--checkpoint", "ck1", "--until-caught-up")
	p.ok("types", "--from", "log:once", "--to", "files:twice", "--checkpoint", "ck2", "--until-caught-up", "--master", "procs[2,1]")
	if d := cmp.Diff(rows, p.topic("once")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(rows, p.rows("files:twice")); d != "" {
		t.Error(d)
	}
	p.ok("types", "--from", "log:once", "--to", "parquet:columns", "--checkpoint", "ck3", "--until-caught-up")
}
