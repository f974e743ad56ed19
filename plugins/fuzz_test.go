package plugins_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/plugintest"
)

type fuzzed struct {
	N    int32
	Text string
	Opt  *string
	Raw  []byte
	List []string
	Sub  struct {
		A int8
		B *string
	}
}

// rowsOf cuts bytes into rows.
func rowsOf(b []byte) []fuzzed {
	var rows []fuzzed
	next := func() string {
		n := 0
		if len(b) > 0 {
			n = min(int(b[0])%9, len(b)-1)
			b = b[1:]
		}
		s := string(b[:n])
		b = b[n:]
		return s
	}
	for len(b) > 0 {
		f := fuzzed{N: int32(len(b)), Text: next()}
		if s := next(); s != "" {
			f.Opt, f.Sub.B, f.Sub.A = &s, &s, int8(s[0])
			f.Raw = []byte(next() + "x")
		}
		for s := next(); s != ""; s = next() {
			f.List = append(f.List, s)
		}
		rows = append(rows, f)
	}
	return rows
}

// FuzzRows compares operators on Go values with Go: rows of any texts and nulls, of which a slice comes.
func FuzzRows(f *testing.F) {
	f.Add([]byte("\x03abc\x00\x02xy\x01z\x00\x08longtext\x00"), uint8(0), uint8(0))
	f.Add([]byte("\x00\x00\x00\x05hello\x02ab\x03xyz\x01q\x01r\x00"), uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, skip, leave uint8) {
		rows := rowsOf(b[:min(len(b), 4096)])
		lo := min(int(skip), len(rows))
		hi := max(lo, len(rows)-int(leave))
		in := must(plugins.RecordOf(rows)).NewSlice(int64(lo), int64(hi))
		want := append([]fuzzed{}, rows[lo:hi]...)
		same := plugins.Rows("same", func(v fuzzed) fuzzed { return v })
		got := append([]fuzzed{}, must(plugins.RowsOf[fuzzed](must(plugintest.ApplyRecord(same, in))))...)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("Rows: %s", d)
		}
		var odd []fuzzed
		for _, r := range want {
			if r.N%2 != 0 {
				odd = append(odd, r)
			}
		}
		filtered := plugins.Filter("odd", func(v struct{ N int64 }) bool { return v.N%2 != 0 })
		if d := cmp.Diff(append([]fuzzed{}, odd...), append([]fuzzed{}, must(plugins.RowsOf[fuzzed](must(plugintest.ApplyRecord(filtered, in))))...)); d != "" {
			t.Errorf("Filter: %s", d)
		}
		type add struct{ Text, More string }
		type out struct {
			N          int32
			Text, More string
		}
		with := plugins.With("with", func(v struct{ Text string }) add { return add{v.Text + "!", v.Text} })
		outs := must(plugins.RowsOf[out](must(plugintest.ApplyRecord(with, in))))
		for i, r := range want {
			if outs[i] != (out{r.N, r.Text + "!", r.Text}) {
				t.Errorf("With: row %d is %v, of %v", i, outs[i], r)
			}
		}
	})
}
