package commitlog

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCommits lists commits of one frame, of several, without a marker, over several segments.
func TestCommits(t *testing.T) {
	l, err := Create(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	topic, err := l.Create("out", Settings{SegmentBytes: 4000})
	if err != nil {
		t.Fatal(err)
	}
	w, err := topic.Writer(0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var want []Commit
	next := int64(0)
	for i, rows := range []int{1, 3, 40, 2, 5} {
		var b Batch
		for range rows {
			value := []byte("v")
			if rows == 40 {
				value = bytes.Repeat(value, 100_000) // four frames
			}
			if err := b.Add(nil, value, 1); err != nil {
				t.Fatal(err)
			}
		}
		var marker []byte
		if i != 3 {
			marker = fmt.Appendf(nil, "batch %d", i)
		}
		if _, err := w.Commit(t.Context(), &b, marker); err != nil {
			t.Fatal(err)
		}
		want = append(want, Commit{next, next + int64(rows), marker})
		next += int64(rows)
	}
	got, err := topic.Commits(0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("commits (-want +got):\n%s", diff)
	}
}
