package state

import (
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/row"
)

type visit1 struct {
	Count int64
	Page  string
}

type visit2 struct {
	Page  string
	Level int32 `default:"3"`
	Count int64
}

// written is what a table of type S writes of a batch that sets and deletes some keys: a delta, or a dump of all groups.
func written[S any](t *testing.T, table *Table, b int64, set map[string]S, gone []string, full bool) (recs []arrow.Record) {
	t.Helper()
	kc := codec[string](t)
	table.Begin(b)
	for key, v := range set {
		idx := []int32{0}
		table.Upsert(keysOf(kc, key), idx)
		table.Set(idx, []S{v})
		table.SetDue(idx, []int64{b * 100})
	}
	for _, key := range gone {
		idx := []int32{0}
		table.Find(keysOf(kc, key), idx)
		table.Delete(idx)
	}
	table.Seal()
	if full {
		for g := range row.Groups {
			recs = append(recs, table.Dump(g))
		}
		return recs
	}
	return []arrow.Record{table.Delta(b)}
}

// TestChainOfTwoVersions loads a dump and a delta of an earlier type and then deltas of the table's own.
func TestChainOfTwoVersions(t *testing.T) {
	kc, c1, c2 := codec[string](t), codec[visit1](t), codec[visit2](t)
	first := New(kc, c1, 0)
	written(t, first, 1, map[string]visit1{"a": {1, "x"}, "b": {2, "y"}, "c": {3, "z"}}, nil, false)
	dump := written(t, first, 2, map[string]visit1{"d": {4, "w"}}, nil, true)
	delta := written(t, first, 3, map[string]visit1{"a": {10, "xx"}}, []string{"b"}, false)

	second := New(kc, c2, 0)
	second.Older([]row.Default{{Path: "level", Value: "5"}}) // as recorded, whatever the type says today
	for _, rec := range append(dump, delta...) {
		if err := second.Load(rec, 0, row.Groups, false); err != nil {
			t.Fatal(err)
		}
	}
	second.LoadedTo(3)
	deltas := written(t, second, 4, map[string]visit2{"c": {"zz", 7, 30}, "e": {"new", 0, 1}}, []string{"d"}, false)

	third := New(kc, c2, 0)
	third.Older([]row.Default{{Path: "level", Value: "5"}})
	for _, rec := range append(append(dump, delta...), deltas...) {
		if err := third.Load(rec, 0, row.Groups, false); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]visit2{"a": {"xx", 5, 10}, "c": {"zz", 7, 30}, "e": {"new", 0, 1}}
	for name, table := range map[string]*Table{"in memory": second, "restored": third} {
		keys, got := table.KeyRows(nil, nil).([]string), map[string]visit2{}
		for i, v := range table.Get(table.All(), nil).([]visit2) {
			got[keys[i]] = v
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if due := third.NextDue(); due != 300 {
		t.Errorf("next due %d, want that of batch 3", due)
	}
}

// TestOlderRowsNeedARecord refuses rows of a type that nobody declared to be an earlier version.
func TestOlderRowsNeedARecord(t *testing.T) {
	kc := codec[string](t)
	delta := written(t, New(kc, codec[visit1](t), 0), 1, map[string]visit1{"a": {1, "x"}}, nil, false)
	err := New(kc, codec[visit2](t), 0).Load(delta[0], 0, row.Groups, false)
	if err == nil || !strings.Contains(err.Error(), "column level is missing, and it is not recorded") {
		t.Error(err)
	}
	type renamed struct {
		Count int64
		Site  string
	}
	err = New(kc, codec[renamed](t), 0).Load(delta[0], 0, row.Groups, false)
	if err == nil || !strings.Contains(err.Error(), "field page is gone; if it is site now") {
		t.Error(err)
	}
}
