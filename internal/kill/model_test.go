package kill

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/checkpoint"
)

// row is one published row. Rows of batches that the model or a sink does not number have batch 0.
type row struct {
	batch      int64
	key, value string
}

// modelOf computes what a batch has to publish from the ranges of its plan; it is called for batch 1, 2, 3, … in turn. This is the whole meaning
// of the two jobs.
func modelOf(job string, in inputs) func(ranges []checkpoint.Range) []row {
	if job == "words" {
		counts := map[string]int64{}
		return func(ranges []checkpoint.Range) []row {
			seen := map[string]bool{}
			for _, r := range in.read("log:lines", ranges) {
				for _, word := range strings.Fields(r.value) {
					counts[word]++
					seen[word] = true
				}
			}
			var out []row
			for word := range seen {
				out = append(out, row{key: word, value: fmt.Sprint(counts[word])})
			}
			return out
		}
	}
	table := map[string]string{}
	return func(ranges []checkpoint.Range) []row {
		for _, r := range in.read("log:profiles", ranges) {
			if r.value == "" {
				delete(table, r.key)
				continue
			}
			var p profile
			mustDecode(r.value, &p)
			table[r.key] = p.Name
		}
		var out []row
		for _, r := range in.read("log:views", ranges) {
			var v view
			mustDecode(r.value, &v)
			name, ok := table[fmt.Sprint(v.Viewer)]
			out = append(out, row{value: enrichedText(v.Seq, v.Page, name, ok)})
		}
		return out
	}
}

// read is the records in ranges of one source.
func (in inputs) read(source string, ranges []checkpoint.Range) []record {
	var out []record
	for _, r := range ranges {
		if r.Source == source {
			out = append(out, in[strings.TrimPrefix(source, "log:")][r.Partition][r.From:r.Until]...)
		}
	}
	return out
}

func enrichedText(seq int64, page, name string, known bool) string {
	return fmt.Sprintf("%d %s %q %v", seq, page, name, known)
}

// canonical is a row as it was read, in the model's form.
func canonical(job string, key, value string) row {
	if job == "words" {
		return row{key: key, value: value}
	}
	var e struct {
		Seq  int64   `json:"seq"`
		Page string  `json:"page"`
		Name *string `json:"name"`
	}
	mustDecode(value, &e)
	name := ""
	if e.Name != nil {
		name = *e.Name
	}
	return row{value: enrichedText(e.Seq, e.Page, name, e.Name != nil)}
}

func mustDecode(data string, v any) {
	if err := json.Unmarshal([]byte(data), v); err != nil {
		panic(fmt.Sprintf("%q: %v", data, err))
	}
}

func sorted(rows []row) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.key + "=" + r.value
	}
	slices.Sort(out)
	return out
}
