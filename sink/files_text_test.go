package sink_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/sink"
	"github.com/millrace/millrace/sink/sinktest"
)

// readText reads the rows of a directory of "key<tab>value" lines.
func readText(dir string) ([]sinktest.Row, error) {
	return readFiles(dir, func(path string) ([]sinktest.Row, error) {
		data, err := os.ReadFile(path)
		var rows []sinktest.Row
		for line := range strings.Lines(string(data)) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			n, nerr := strconv.ParseInt(value, 10, 64)
			if nerr != nil {
				return nil, nerr
			}
			rows = append(rows, sinktest.Row{Key: key, Value: n})
		}
		return rows, err
	})
}

func TestFilesText(t *testing.T) { sinktest.Run(t, filesSubject(sink.FilesText, readText, nil)) }

// With files of a few rows each, every Publish rolls, and every third file is merged away.
func TestFilesTextSmall(t *testing.T) {
	small := []sink.FileOption{sink.RollSize(100), sink.MergeFiles(3), sink.MergeGrace(0)}
	sinktest.Run(t, filesSubject(sink.FilesText, readText, small))
}

// TestFilesTextLines shows how rows become lines: one each, whatever is in them.
func TestFilesTextLines(t *testing.T) {
	field := func(name string, dt arrow.DataType) arrow.Field {
		return arrow.Field{Name: name, Type: dt, Nullable: true}
	}
	text, number := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64
	for _, c := range []struct {
		name   string
		schema sink.Schema
		rows   string
		want   string
	}{
		{"strings", sink.Schema{Arrow: arrow.NewSchema([]arrow.Field{field("value", text)}, nil), ScalarValue: true},
			`[{"value":"a b"},{"value":""},{"value":"tab\tstays"},{"value":"two\nlines\r\n"},{"value":null},{"value":"\\n"}]`,
			"a b\n\ntab\tstays\ntwo\\nlines\\r\\n\n\n\\n\n"},
		{"numbers", sink.Schema{Arrow: arrow.NewSchema([]arrow.Field{field("value", arrow.PrimitiveTypes.Float64)}, nil), ScalarValue: true},
			`[{"value":0.5},{"value":-3}]`, "0.5\n-3\n"},
		{"pairs", sink.Schema{Arrow: arrow.NewSchema([]arrow.Field{field("key", text), field("value", number)}, nil), Keys: 1, ScalarKey: true, ScalarValue: true},
			`[{"key":"a","value":1},{"key":"b\tc\nd","value":2}]`, "a\t1\nb\\tc\\nd\t2\n"},
		{"struct key", sink.Schema{Arrow: arrow.NewSchema([]arrow.Field{field("key.page", text), field("key.user", number), field("value", text)}, nil), Keys: 2, ScalarValue: true},
			`[{"key.page":"p","key.user":7,"value":"x"}]`, "{\"page\":\"p\",\"user\":7}\tx\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			l := openLane(t, openOutput(t, sink.FilesText(dir), c.schema), 1)
			publish(t, l, 1, parse(t, c.schema.Arrow, c.rows))
			if err := l.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
			if err != nil || len(files) != 1 {
				t.Fatalf("files %v, %v", files, err)
			}
			got, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, string(got)); d != "" {
				t.Error(d)
			}
			if err := sink.VerifyFiles(dir); err != nil {
				t.Error(err)
			}
		})
	}
	columns := sink.Schema{Arrow: arrow.NewSchema([]arrow.Field{field("a", text), field("b", text)}, nil)}
	if err := sink.FilesText("out").Spec().Check(columns); err == nil || !strings.Contains(err.Error(), "has columns a, b: write JSON, or map the row to a string first") {
		t.Error(err)
	}
}
