package source

import (
	"encoding/json"
	"encoding/json/jsontext"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// part is a row of which any JSON object makes one: what is bad is no JSON.
type part struct {
	Read json.RawMessage
	Text *json.RawMessage
}

// checkAcceptance wants records taken that encoding/json/v2 takes as one JSON object, whatever is read of them: as rows, as columns of which one is read, and as
// columns of which none is. Records are read again behind others, whose layout they may share or not.
func checkAcceptance(t *testing.T, texts []string) {
	t.Helper()
	texts = append(texts, texts...)
	var want []int
	for i, s := range texts {
		v := jsontext.Value(s)
		if v.Kind() == '{' && v.IsValid(jsontext.AllowDuplicateNames(true)) {
			want = append(want, i)
		}
	}
	codec, err := row.For[part]()
	if err != nil {
		t.Fatal(err)
	}
	f := JSON[part]()
	s := f.spec("test", "x")
	b := block(nil, texts...)
	for what, d := range map[string]rdd.Decoder{
		"rows": s.NewDecoder(), "a column": s.NewProjected(rdd.Projection{Read: []bool{true, false}}), "no column": s.NewProjected(rdd.Projection{Read: make([]bool, codec.Schema().NumFields())}),
	} {
		_, rows, bad := d.Decode(b, 0, b.Len())
		var got []int
		for i := range texts {
			if !slices.ContainsFunc(bad, func(b rdd.Bad) bool { return b.Index == i }) {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s: records %d of %q are taken, encoding/json/v2 takes %d; %v", what, got, texts, want, bad)
		}
		if rows != nil && len(rows) != len(want) {
			t.Fatalf("%s: %d rows of %d records", what, len(rows), len(want))
		}
	}
}

// hostileParts are values, of which some are none, for parts of records that nobody reads.
var hostileParts = []string{
	`1`, `"a"`, `null`, `[1,{"a":[]}]`, `{"a":1,"a":2}`, `"\u00e9\ud83d\ude00"`, `"é"`, `-0.5e+7`, `[ ]`, `{ }`, `true`,
	"\"\xff\"", "\"\xc3\"", `"\ud800"`, `"\udc00\ud800"`, "\"\x01\"", "\"a\nb\"", `"\x"`, `"\u12"`, `01`, `1.`, `.5`, `+1`, `1e`, `-`, `nul`, `True`, `NaN`, `'a'`, `[1,]`, `[,1]`,
	`[1 2]`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1,}`, `{"` + "\xff" + `":1}`, `[`, `{`, `"`, ``, `]`, `1/**/`, "\u00a01", "\ufeff1", `"` + "\xed\xa0\x80" + `"`, "\"\xf4\x90\x80\x80\"", "\"\xc0\xaf\"",
}

func TestUnreadPartsAreValidated(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for _, p := range hostileParts {
		var texts []string
		for _, form := range []string{`{"read":1,"other":%s}`, `{"other":%s,"read":1}`, `{"other":{"deep":[%s]}}`, `{"read":%s}`, `{"text":%s,"read":"x"}`, `{"read":1,"read":%s}`, `{"read":1}%s`, `%s{"read":1}`, `%s`} {
			texts = append(texts, fmt.Sprintf(form, "1"), fmt.Sprintf(form, p), fmt.Sprintf(form, p))
		}
		checkAcceptance(t, texts)
		r.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
		checkAcceptance(t, texts)
	}
}

func FuzzAcceptance(f *testing.F) {
	for _, p := range hostileParts {
		f.Add([]byte(`{"read":1,"other":1}` + "\n" + `{"read":1,"other":` + p + `}`))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 1<<16 {
			checkAcceptance(t, strings.Split(string(data), "\n"))
		}
	})
}

// BenchmarkUnread is what a kilobyte costs that nobody reads, and so is only checked.
func BenchmarkUnread(b *testing.B) {
	words := strings.Repeat(`word and word `, 70)
	for _, c := range []struct{ name, value string }{
		{"text", `"` + words + `"`}, {"unicode", `"` + strings.Repeat("é and ü ", 100) + `"`}, {"escapes", `"` + strings.Repeat(`a\nb and c `, 90) + `"`},
		{"numbers", `[` + strings.Repeat(`123.25,`, 140) + `1]`}, {"nested", `[` + strings.Repeat(`{"name":"x","n":1},`, 52) + `1]`}, {"nothing", `1`},
	} {
		b.Run(c.name, func(b *testing.B) {
			record := `{"read":1,"other":` + c.value + `}`
			blk := block(nil, slices.Repeat([]string{record}, 1000)...)
			d := JSON[struct{ Read int64 }]().spec("test", "x").NewProjected(rdd.Projection{Read: []bool{true}})
			b.SetBytes(int64(len(record) * 1000))
			for b.Loop() {
				if _, _, bad := d.Decode(blk, 0, blk.Len()); len(bad) > 0 {
					b.Fatal(bad)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
		})
	}
}
