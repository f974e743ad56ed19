package checkpoint

import (
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
)

type seen1 struct {
	N    int64
	Home struct{ City string }
}

type seen2 struct {
	Since time.Time `default:"2024-05-06T07:08:09Z"`
	N     int64
	Home  struct {
		Zip  string `default:"00000"`
		City string
	}
	Extra *int64
}

// deltaOf is the delta of a batch that sets one key.
func deltaOf[S any](t *testing.T, key string, v S) (arrow.Record, *row.Codec) {
	t.Helper()
	kc, err := row.For[string]()
	ok(t, err)
	vc, err := row.For[S]()
	ok(t, err)
	var k row.Keys
	kc.AppendKeys([]string{key}, &k)
	table, idx := state.New(kc, vc, 0), []int32{0}
	table.Begin(1)
	table.Upsert(&k, idx)
	table.Set(idx, []S{v})
	table.Seal()
	return table.Delta(1), vc
}

// TestToolsReadBothVersions shows, with and without the program's types, state of which some rows were written before fields were added.
func TestToolsReadBothVersions(t *testing.T) {
	dir := t.TempDir()
	s, _ := openStore(t, dir, Options{})
	batch := func(b int64, rec arrow.Record) {
		t.Helper()
		ref, err := s.state.Write(b, b-1, "x", 1, 0, []SectionData{{Operator: "seen", Until: row.Groups, Rec: rec}})
		ok(t, err)
		ok(t, s.Append(plan(b), nil))
		ok(t, s.Append(nil, []Commit{commit(b, ref)}))
	}
	old, c1 := deltaOf(t, "rome", seen1{N: 1, Home: struct{ City string }{"Rome"}})
	ok(t, s.SetOperators([]Operator{{Name: "seen", Op: "stateful", Key: "value: utf8", Val: c1.Text(), Defaults: c1.Defaults()}}, nil))
	batch(1, old)
	fresh, c2 := deltaOf(t, "oslo", seen2{N: 2, Since: time.Unix(9, 0)})
	ok(t, s.SetOperators([]Operator{{Name: "seen", Op: "stateful", Key: "value: utf8", Val: c2.Text(), Defaults: c2.Defaults()}}, nil))
	batch(2, fresh)
	ok(t, s.Close())

	in, err := Inspect(dir)
	ok(t, err)
	var out strings.Builder
	ok(t, in.Dump(&out, "seen", ""))
	want := `{"key":"oslo","value":{"since":"1970-01-01T00:00:09Z","n":2,"home":{"city":"","zip":""},"extra":null}}
{"key":"rome","value":{"since":"2024-05-06T07:08:09Z","n":1,"home":{"city":"Rome","zip":"00000"},"extra":null}}
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
	r, err := Verify(dir)
	ok(t, err)
	if len(r.Findings) > 0 || r.Files != 1 {
		t.Errorf("%+v", r)
	}
}

// TestVerifyFindsLostRecord finds a section whose columns do not agree with what the log says of its operator.
func TestVerifyFindsLostRecord(t *testing.T) {
	dir := t.TempDir()
	s, _ := openStore(t, dir, Options{})
	old, _ := deltaOf(t, "rome", seen1{N: 1})
	_, c2 := deltaOf(t, "oslo", seen2{})
	ok(t, s.SetOperators([]Operator{{Name: "seen", Op: "stateful", Key: "value: utf8", Val: c2.Text(), Defaults: c2.Defaults()}}, nil))
	ref, err := s.state.Write(1, 0, "x", 1, 0, []SectionData{{Operator: "seen", Until: row.Groups, Rec: old}})
	ok(t, err)
	ok(t, s.Append(plan(1), nil))
	ok(t, s.Append(nil, []Commit{commit(1, ref)}))
	ok(t, s.Sync(1))
	ok(t, s.Close())
	r, err := Verify(dir)
	ok(t, err)
	if len(r.Findings) != 1 || !strings.Contains(r.Findings[0], `section of operator "seen": column since is missing, and it is not recorded what it holds`) {
		t.Errorf("%+v", r)
	}
}
