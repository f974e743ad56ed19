package driver

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/executor"
	"github.com/millrace/millrace/rdd"
)

// TestLineageComparesFragments: what is built for a committed batch again has to be what it had, unless another program builds it (P22).
func TestLineageComparesFragments(t *testing.T) {
	st, _, err := checkpoint.Open(t.TempDir(), checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	e := &engine{exe: []byte("exe"), plan: &rdd.Plan{}}
	program := programHash(e.exe, e.plan)
	if err := st.Append(&checkpoint.Plan{Batch: 1, Hash: []byte{1}, Program: program}, nil); err != nil {
		t.Fatal(err)
	}
	if err := st.Append(&checkpoint.Plan{Batch: 2, Hash: []byte{2}, Program: program}, []checkpoint.Commit{{Batch: 1, Hash: []byte{1}, Fragment: []byte("filter")}}); err != nil {
		t.Fatal(err)
	}
	if err := st.Append(nil, []checkpoint.Commit{{Batch: 2, Hash: []byte{2}}}); err != nil {
		t.Fatal(err)
	}
	r := &replayer{e: e, store: st}
	for name, c := range map[string]struct {
		batch   int64
		program []byte
		built   string
		want    string // of the error
	}{
		"the same":                     {1, program, "filter", ""},
		"another":                      {1, program, "union", "batch 1: what was built for it when it was committed is not what is built now"},
		"another program":              {1, []byte("old"), "union", ""},
		"a batch without transforms":   {2, program, "union", ""},
		"a batch that is not in there": {3, program, "union", ""},
	} {
		err := r.compare(&checkpoint.Plan{Batch: c.batch, Program: c.program}, &executor.Built{Batch: c.batch, Hash: []byte(c.built), Fragments: []rdd.Fragment{{Text: "#3 union\n"}}})
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "#3 union")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
