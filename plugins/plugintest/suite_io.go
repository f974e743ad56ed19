package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/plugins"
)

func testSource(t *testing.T, get func(string) plugins.Operator) {
	src, err := Configure(get("counting"), `{"partitions": 3, "rows": 57, "gap": 5}`).Source(nil)
	must(t, err)
	schema, err := src.Schema()
	must(t, err)
	want := schemaOf(field("partition", int64s), field("n", int64s), field("text", utf8))
	if !schema.Equal(want) {
		t.Fatalf("columns %v, want %v", schema, want)
	}
	parts, err := src.Partitions(context.Background())
	must(t, err)
	wantParts := []plugins.Partition{{Key: "p0", Meta: []byte("0"), End: 281}, {Key: "p1", Meta: []byte("1"), End: 281}, {Key: "p2", Meta: []byte("2"), End: 281}}
	if d := cmp.Diff(wantParts, parts); d != "" {
		t.Fatal(d)
	}
	var g errgroup.Group // partitions are read side by side
	for i, p := range parts {
		g.Go(func() error {
			for _, c := range []struct {
				from  int64
				limit int
			}{{0, 1}, {0, 32 * 10}, {3, 100}, {5, 100}, {6, 1 << 20}, {276, 1}} {
				if err := readPartition(src, p, i, c.from, c.limit); err != nil {
					return fmt.Errorf("partition %d from %d, %d bytes: %w", i, c.from, c.limit, err)
				}
			}
			for _, from := range []int64{281, 1000} {
				if _, err := src.Read(context.Background(), p, from, 100); !errors.Is(err, io.EOF) {
					return fmt.Errorf("behind the end: error %v, want io.EOF", err)
				}
			}
			return nil
		})
	}
	must(t, g.Wait())
	if _, err := src.Read(context.Background(), plugins.Partition{Key: "p9", Meta: []byte("9")}, 0, 1); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a partition that does not exist: error %v", err)
	}
	if src, err = get("counting").Source(nil); err == nil { // the configuration may be left out
		_, err = src.Read(context.Background(), plugins.Partition{Key: "p0", Meta: []byte("0")}, 0, 1)
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("a source without rows: error %v, want io.EOF", err)
	}
	if src, err := Configure(get("counting"), `{"row": 3}`).Source(nil); err == nil {
		if _, err = src.Schema(); err == nil {
			t.Error("a configuration with an unknown field is taken")
		}
	}
}

// readPartition reads from an offset to the end.
func readPartition(src plugins.Source, p plugins.Partition, part int, from int64, limit int) error {
	next := (from + 4) / 5
	for {
		rows, err := src.Read(context.Background(), p, from, limit)
		if errors.Is(err, io.EOF) {
			if next != 57 {
				return fmt.Errorf("it ends before row %d", next)
			}
			return nil
		}
		if err != nil {
			return err
		}
		got, err := plugins.RowsOf[line](rows.Rec)
		if err != nil {
			return err
		}
		if len(got) == 0 || len(got) > max(1, limit/32) {
			return fmt.Errorf("%d rows at once", len(got))
		}
		for i, l := range got {
			if want := (line{int64(part), next, fmt.Sprint("row ", next)}); l != want || rows.Offsets[i] != 5*next {
				return fmt.Errorf("row %v at offset %d, want %v at %d", l, rows.Offsets[i], want, 5*next)
			}
			next++
		}
		if rows.Next != 5*(next-1)+1 || rows.End != 281 {
			return fmt.Errorf("next %d, end %d, want %d, 281", rows.Next, rows.End, 5*(next-1)+1)
		}
		from = rows.Next
	}
}

func testSink(t *testing.T, get func(string) plugins.Operator) {
	ctx, dir := context.Background(), t.TempDir()
	op := linesIn(get, dir)
	open := func(n int, epoch int64) (plugins.Lane, error) {
		return takeLane(t, op, n, plugins.Owner{ID: "one", Epoch: epoch})
	}
	first, err := open(2, 1)
	must(t, err)
	if m := first.Marker(); m != nil {
		t.Fatalf("a fresh lane has marker %q", m)
	}
	must(t, first.Stage(ctx, batchNo(1), linesOf(t, 1)))
	must(t, first.Stage(ctx, batchNo(2), linesOf(t, 9)))
	must(t, first.Stage(ctx, batchNo(1), linesOf(t, 2))) // again, in place of both
	must(t, first.Publish(ctx, batchNo(1), []byte{0, 1, 255}))
	must(t, first.Stage(ctx, batchNo(2), linesOf(t, 0)))
	must(t, first.Publish(ctx, batchNo(2), []byte("two")))
	must(t, first.Flush(ctx))
	expectLane(t, dir, "1: 0 1; 2:", "two")

	second, err := open(2, 4)
	must(t, err)
	if m := second.Marker(); string(m) != "two" {
		t.Fatalf("the lane has marker %q, want two", m)
	}
	must(t, first.Stage(ctx, batchNo(3), linesOf(t, 1)))
	if err := first.Publish(ctx, batchNo(3), []byte("late")); !plugins.IsFenced(err) {
		t.Errorf("the first owner publishes behind the second: error %v", err)
	}
	if _, err := open(2, 3); !plugins.IsFenced(err) {
		t.Errorf("an earlier epoch takes the lane over: error %v", err)
	}
	must(t, second.Stage(ctx, batchNo(3), linesOf(t, 1, 2)))
	must(t, second.Publish(ctx, batchNo(3), []byte("three")))
	must(t, second.Publish(ctx, batchNo(3), []byte("three"))) // as after a crash
	expectLane(t, dir, "1: 0 1; 2:; 3: 0 1 2", "three")
	large, err := plugins.RecordOf([]laneRow{{0, "line 0" + strings.Repeat(" ", 3<<20)}, {1, "line 1"}, {2, "line 2" + strings.Repeat(" ", 3<<20)}})
	must(t, err)
	must(t, second.Stage(ctx, batchNo(4), []arrow.Record{large}))
	must(t, second.Publish(ctx, batchNo(4), []byte("four")))
	expectLane(t, dir, "1: 0 1; 2:; 3: 0 1 2; 4: 0 1 2", "four")
	must(t, first.Close())
	must(t, second.Close())
	other, err := open(0, 4)
	must(t, err)
	if other.Marker() != nil {
		t.Errorf("another lane has a marker")
	}
	must(t, other.Close())
	s, err := op.Sink(nil)
	if err == nil {
		err = s.Check(everyType(), 0)
	}
	if err == nil || !strings.Contains(err.Error(), "text") {
		t.Errorf("other columns: error %v, want one that says which are wanted", err)
	}
}

func linesIn(get func(string) plugins.Operator, dir string) plugins.Operator {
	config, _ := json.Marshal(lines{dir})
	return Configure(get("lines"), string(config))
}

func takeLane(t *testing.T, op plugins.Operator, n int, o plugins.Owner) (plugins.Lane, error) {
	s, err := op.Sink(nil)
	must(t, err)
	must(t, s.Check(lineSchema, 1))
	return s.Lane(context.Background(), n, 3, o)
}

func batchNo(n int64) plugins.Batch { return plugins.Batch{Number: n, Time: 1000 * n, Partition: 2} }

// testOwners has a lane go from owner to owner: the same again, whose lane is moved; one of another ID, whose epochs are its own; and back.
func testOwners(t *testing.T, get func(string) plugins.Operator) {
	ctx, dir := context.Background(), t.TempDir()
	op := linesIn(get, dir)
	owners := []plugins.Owner{{ID: "one", Epoch: 4}, {ID: "one", Epoch: 4}, {ID: "two", Epoch: 1}, {ID: "two", Epoch: 2}, {ID: "one", Epoch: 3}}
	var old plugins.Lane
	published := ""
	for i, o := range owners {
		n := int64(i + 1)
		l, err := takeLane(t, op, 2, o)
		must(t, err)
		if i > 0 && string(l.Marker()) != fmt.Sprint(n-1) {
			t.Errorf("%+v finds the marker %q, want %d", o, l.Marker(), n-1)
		}
		if old != nil {
			if err := errors.Join(old.Stage(ctx, batchNo(n), linesOf(t, 9)), old.Publish(ctx, batchNo(n), []byte("late"))); !plugins.IsFenced(err) {
				t.Errorf("%+v has the lane, and %+v publishes: error %v", o, owners[i-1], err)
			}
			must(t, old.Close())
		}
		must(t, l.Stage(ctx, batchNo(n), linesOf(t, 1)))
		must(t, l.Publish(ctx, batchNo(n), []byte(fmt.Sprint(n))))
		published += fmt.Sprintf("; %d: 0", n)
		expectLane(t, dir, published[2:], fmt.Sprint(n))
		old = l
	}
	must(t, old.Close())
}

// linesOf are record batches of so many rows, which are numbered from 0 on through all of them.
func linesOf(t *testing.T, sizes ...int) []arrow.Record {
	t.Helper()
	var recs []arrow.Record
	n := int64(0)
	for _, size := range sizes {
		rows := make([]laneRow, size)
		for i := range rows {
			rows[i] = laneRow{n, fmt.Sprint("line ", n)}
			n++
		}
		recs = append(recs, recordOf(t, rows))
	}
	return recs
}

// expectLane reads the file of lane 2: its batches with the numbers of their rows, and its marker.
func expectLane(t *testing.T, dir, want, marker string) {
	t.Helper()
	f, err := readLane(laneName(dir, 2))
	must(t, err)
	var got []string
	for _, b := range f.Batches {
		text := fmt.Sprint(b.Number, ":")
		for _, r := range b.Rows {
			text += fmt.Sprint(" ", r.N)
			if strings.TrimRight(r.Text, " ") != fmt.Sprint("line ", r.N) {
				t.Errorf("row %d is %.20q", r.N, r.Text)
			}
		}
		got = append(got, text)
	}
	if strings.Join(got, "; ") != want || string(f.Marker) != marker {
		t.Errorf("the file has %q and marker %q, want %q and %q", strings.Join(got, "; "), f.Marker, want, marker)
	}
}
