package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/checkpoint"
)

// runCheckpoint is what a checkpoint command prints.
func runCheckpoint(args ...string) (string, error) {
	c := checkpointCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetArgs(args)
	err := c.Execute()
	return out.String(), err
}

// smallCheckpoint has one committed batch with one row of state: user 7 in "fr" has seen 3 pages.
func smallCheckpoint(t *testing.T) (dir, file string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "ck")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s, _, err := checkpoint.Open(dir, checkpoint.Options{Job: "pages"})
	must(err)
	must(s.SetOperators([]checkpoint.Operator{{Name: "seen", Op: "runningReduce", Key: "user: int64, country: utf8", Val: "pages: int64"}}, nil))
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "_group", Type: arrow.PrimitiveTypes.Uint8}, {Name: "_deleted", Type: arrow.FixedWidthTypes.Boolean}, {Name: "_due", Type: arrow.PrimitiveTypes.Int64},
		{Name: "key.user", Type: arrow.PrimitiveTypes.Int64}, {Name: "key.country", Type: arrow.BinaryTypes.String}, {Name: "pages", Type: arrow.PrimitiveTypes.Int64},
	}, nil))
	b.Field(0).(*array.Uint8Builder).Append(5)
	b.Field(1).(*array.BooleanBuilder).Append(false)
	b.Field(2).(*array.Int64Builder).Append(60_000_000)
	b.Field(3).(*array.Int64Builder).Append(7)
	b.Field(4).(*array.StringBuilder).Append("fr")
	b.Field(5).(*array.Int64Builder).Append(3)
	state, err := checkpoint.OpenState(dir)
	must(err)
	ref, err := state.Write(1, 0, "x1", 1, 0, []checkpoint.SectionData{{Operator: "seen", From: 0, Until: 128, Rec: b.NewRecord()}})
	must(err)
	must(s.Append(&checkpoint.Plan{Batch: 1, Time: 1, Hash: []byte{1}, Ranges: []checkpoint.Range{{Source: "views", From: 0, Until: 3}}}, nil))
	must(s.Append(nil, []checkpoint.Commit{{Batch: 1, Hash: []byte{1}, Deltas: []checkpoint.DeltaRef{ref}, Rows: 3}}))
	must(s.Close())
	return dir, filepath.Join(dir, "state", ref.File)
}

func TestCheckpointCommands(t *testing.T) {
	dir, file := smallCheckpoint(t)
	row := `{"key":{"user":7,"country":"fr"},"value":{"pages":3},"due":"1970-01-01T00:01:00.000000Z"}` + "\n"
	for _, c := range []struct {
		args []string
		want string // is in the output
		err  string // is in the error
	}{
		{[]string{"show", dir}, "seen      runningReduce  user: int64, country: utf8  pages: int64", ""},
		{[]string{"show", dir, "--json"}, `"committed": 1,`, ""},
		{[]string{"verify", dir}, ": 0 findings\n", ""},
		{[]string{"state", dir, "seen"}, row, ""},
		{[]string{"state", dir, "seen", "--key", `{"user":7,"country":"fr"}`}, row, ""},
		{[]string{"state", dir, "seen", "--key", `{"user":8,"country":"fr"}`}, "", `operator "seen" has no row for key {"user":8,"country":"fr"} at batch 1`},
		{[]string{"state", dir, "sene"}, "", `has no operator "sene"; it has seen`},
		{[]string{"show", filepath.Dir(dir)}, "", "is no checkpoint"},
	} {
		out, err := runCheckpoint(c.args...)
		if !strings.Contains(out, c.want) || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%v: error %v, printed\n%s", c.args, err, out)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := runCheckpoint("verify", dir)
	if err == nil || !strings.Contains(out, filepath.Base(file)+": damaged:") {
		t.Errorf("damage: error %v, printed\n%s", err, out)
	}
}
