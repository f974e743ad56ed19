package main

import (
	"fmt"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/driver"
)

// put appends "key value" records; a value "-" deletes the key.
func put(t *testing.T, log *commitlog.Log, topic string, records ...string) {
	t.Helper()
	tp, err := log.Ensure(topic, commitlog.Settings{Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	p, err := tp.Producer()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		key, val, _ := strings.Cut(r, " ")
		value := []byte(val)
		if val == "-" {
			value = nil
		}
		if err := p.Send([]byte(key), value, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}

func view(id int, page string) string {
	return fmt.Sprintf(`%d {"event_time":1,"viewer_id":%d,"page":"%s","referrer":"r"}`, id, id, page)
}

// enriched is what the output topic holds: page, name and industry.
func enriched(t *testing.T, log *commitlog.Log, want int) []string {
	t.Helper()
	tp, err := log.Topic("enriched")
	if err != nil {
		t.Fatal(err)
	}
	n, err := tp.Partitions()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for part := range n {
		r, err := tp.Reader(part, 0)
		if err != nil {
			t.Fatal(err)
		}
		for {
			b, err := r.Poll()
			if err != nil {
				t.Fatal(err)
			}
			if b == nil {
				break
			}
			for i := range b.Len() {
				got = append(got, string(b.Value(i)))
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	sort.Strings(got)
	if len(got) != want {
		t.Errorf("%d rows, want %d", len(got), want)
	}
	return got
}

// The table is read to its end before the first page view is joined, is kept across a restart, and takes changes and deletions.
func TestEnrich(t *testing.T) {
	dir := t.TempDir()
	log, err := commitlog.Create(filepath.Join(dir, "log"), commitlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	run := func() {
		t.Helper()
		err := driver.Run(t.Context(), enrich, driver.Config{
			Name: "enrich", Asap: true, LogDir: filepath.Join(dir, "log"), Checkpoint: filepath.Join(dir, "state"), UntilCaughtUp: true,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put(t, log, "pageviews", view(1, "/a"), view(2, "/b"), view(3, "/c"))
	put(t, log, "profiles", `1 {"name":"Ada","industry":"old"}`, `1 {"name":"Ada","industry":"software"}`, `2 {"name":"Alan","industry":"law"}`)
	run()
	put(t, log, "profiles", "1 -", `3 {"name":"Grace","industry":"navy"}`)
	run() // only the first load comes before all views: later changes come in the batch in which they are read
	put(t, log, "pageviews", view(1, "/d"), view(2, "/e"), view(3, "/f"))
	run()
	row := func(id int, page, name, industry string) string {
		return fmt.Sprintf(`{"event_time":1,"viewer_id":%d,"page":"%s","referrer":"r","name":%s,"industry":%s}`, id, page, name, industry)
	}
	want := []string{
		row(1, "/a", `"Ada"`, `"software"`), row(1, "/d", "null", "null"),
		row(2, "/b", `"Alan"`, `"law"`), row(2, "/e", `"Alan"`, `"law"`),
		row(3, "/c", "null", "null"), row(3, "/f", `"Grace"`, `"navy"`),
	}
	sort.Strings(want)
	if diff := cmp.Diff(want, enriched(t, log, 6)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
