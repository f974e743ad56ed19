package kill

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/commitlog"
	"github.com/millrace/millrace/driver"
)

// inputs is what a job reads: records by topic, partition and offset. The same seed gives the same.
type inputs map[string][][]record

type record struct{ key, value string } // value "": none, which deletes the key of a changelog

const partitions = 4

// makeInputs makes about n records a partition of each topic that the job reads.
func makeInputs(job string, seed uint64, n int) inputs {
	rng := rand.New(rand.NewPCG(seed, 1))
	in := inputs{}
	fill := func(topic string, n int, next func(part, i int) record) {
		in[topic] = make([][]record, partitions)
		for p := range partitions {
			for i := range n {
				in[topic][p] = append(in[topic][p], next(p, i))
			}
		}
	}
	if job == "words" {
		fill("lines", n, func(p, i int) record {
			line := []string{fmt.Sprintf("@%d:%d", p, i)} // a word of its own, and the line's name
			for range 2 + rng.IntN(5) {
				line = append(line, fmt.Sprintf("w%d", int(rng.ExpFloat64()*40)))
			}
			return record{value: strings.Join(line, " ")}
		})
		return in
	}
	// A viewer's profile changes in one partition only: between partitions, changes of a batch have no order that means anything.
	fill("profiles", max(n/4, 1), func(p, i int) record {
		r := record{key: fmt.Sprint(rng.IntN(60)*partitions + p)}
		if rng.IntN(6) > 0 {
			r.value = text(profile{Name: fmt.Sprintf("name-%d-%d", p, i)})
		}
		return r
	})
	fill("views", n, func(p, i int) record {
		return record{value: text(view{Seq: int64(p*1_000_000 + i), Viewer: int64(rng.IntN(70 * partitions)), Page: fmt.Sprintf("/page/%d", rng.IntN(20))})}
	})
	return in
}

func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// load writes the inputs to the embedded log in dir.
func (in inputs) load(t testing.TB, dir string) {
	t.Helper()
	l, err := commitlog.Create(dir, commitlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for topic, parts := range in {
		tp, err := l.Create(topic, commitlog.Settings{Partitions: partitions, RetainAge: -1})
		if err != nil {
			t.Fatal(err)
		}
		for p, records := range parts {
			w, err := tp.Writer(p)
			if err != nil {
				t.Fatal(err)
			}
			var b commitlog.Batch
			for _, r := range records {
				if err := b.Add(bytesOf(r.key), bytesOf(r.value), 1); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := w.Commit(context.Background(), &b, nil); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func bytesOf(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// cutTime is the time of scripted batch b: far from its neighbours, so that it names the batch in every sink.
func cutTime(b int64) int64 { return 1_600_000_000_000_000 + b*10_000 }

// script fixes the ranges of so many batches that together read everything.
func (in inputs) script(t testing.TB, seed uint64, batches int, path string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 2))
	at := map[string]map[string]int64{}
	var lines []string
	for b := int64(1); b <= int64(batches); b++ {
		c := driver.Cut{Batch: b, Time: cutTime(b), Until: map[string]map[string]int64{}}
		for _, topic := range slices.Sorted(maps.Keys(in)) { // each draws from rng
			source, parts := "log:"+topic, in[topic]
			if at[source] == nil {
				at[source] = map[string]int64{}
			}
			c.Until[source] = map[string]int64{}
			for p, records := range parts {
				key, n := fmt.Sprint(p), int64(len(records))
				if b < int64(batches) { // some batches leave a partition out
					n = min(n, at[source][key]+rng.Int64N(2*n/int64(batches)+2))
				}
				at[source][key] = n
				c.Until[source][key] = n
			}
		}
		lines = append(lines, text(c))
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (w *world) logDir() string  { return filepath.Join(w.dir, "log") }
func (w *world) cuts() string    { return filepath.Join(w.dir, "cuts") }
func (w *world) checkpt() string { return filepath.Join(w.dir, "checkpoint") }
