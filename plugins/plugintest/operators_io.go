package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/plugins"
)

// counting is the configuration of the source.
type counting struct {
	Partitions *int64 `json:"partitions"`
	Rows       int64  `json:"rows"`
	Gap        *int64 `json:"gap"`
}

// counter is the source.
type counter struct{ partitions, rows, gap int64 }

func (c counting) source() (plugins.Operator, error) {
	s := counter{1, c.Rows, 1}
	if c.Partitions != nil {
		s.partitions = *c.Partitions
	}
	if c.Gap != nil {
		s.gap = *c.Gap
	}
	if s.partitions < 0 || s.rows < 0 || s.gap < 1 {
		return plugins.Operator{}, errors.New("partitions and rows cannot be negative, and gap is at least 1")
	}
	return plugins.SourceOf("", s), nil
}

type line struct {
	Partition, N int64
	Text         string
}

func (c counter) end() int64 {
	if c.rows == 0 {
		return 0
	}
	return (c.rows-1)*c.gap + 1
}

// Partitions implements plugins.TypedSource.
func (c counter) Partitions(context.Context) ([]plugins.Partition, error) {
	var parts []plugins.Partition
	for i := range c.partitions {
		n := strconv.FormatInt(i, 10)
		parts = append(parts, plugins.Partition{Key: "p" + n, Meta: []byte(n), End: c.end()})
	}
	return parts, nil
}

// Read implements plugins.TypedSource.
func (c counter) Read(_ context.Context, p plugins.Partition, from int64, limit int) (plugins.Page[line], error) {
	part, err := strconv.ParseInt(string(p.Meta), 10, 64)
	if err != nil || "p"+string(p.Meta) != p.Key || part >= c.partitions {
		return plugins.Page[line]{}, fmt.Errorf("there is no partition %q with meta %q", p.Key, p.Meta)
	}
	first := (max(from, 0) + c.gap - 1) / c.gap
	if first >= c.rows {
		return plugins.Page[line]{}, io.EOF
	}
	page := plugins.Page[line]{End: c.end()}
	for k := first; k < min(c.rows, first+int64(max(1, limit/32))); k++ {
		page.Rows = append(page.Rows, line{part, k, "row " + strconv.FormatInt(k, 10)})
		page.Offsets = append(page.Offsets, k*c.gap)
	}
	return page, nil
}

// lines is the sink, and its configuration.
type lines struct {
	Dir string `json:"dir"`
}

// laneFile is what a lane's file holds.
type laneFile struct {
	Owner   string      `json:"owner"`
	Epoch   int64       `json:"epoch"`
	Taken   int64       `json:"taken"` // how often it was taken over
	Marker  []byte      `json:"marker,omitempty"`
	Batches []laneBatch `json:"batches"`
}

type laneBatch struct {
	Number int64     `json:"number"`
	Rows   []laneRow `json:"rows"`
}

type laneRow struct {
	N    int64  `json:"n"`
	Text string `json:"text"`
}

var lineSchema = arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}, {Name: "text", Type: arrow.BinaryTypes.String}}, nil)

// Check implements plugins.Sink.
func (l lines) Check(rows *arrow.Schema, keys int) error {
	switch {
	case l.Dir == "":
		return errors.New(`configuration: "dir" is missing`)
	case !rows.Equal(lineSchema):
		return errors.New(`the columns "n" int64 and "text" utf8 are wanted, and no others`)
	case keys > 1:
		return fmt.Errorf("%d key columns, and one at most is wanted", keys)
	}
	return nil
}

func laneName(dir string, n int) string { return filepath.Join(dir, fmt.Sprintf("lane-%d.json", n)) }

// readLane is what a lane's file holds, nothing if there is none.
func readLane(path string) (f laneFile, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	return f, err
}

func (f laneFile) write(path string) error {
	b, err := json.Marshal(f)
	if err == nil {
		err = os.WriteFile(path+".new", b, 0o644)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	return err
}

// Lane implements plugins.Sink.
func (l lines) Lane(_ context.Context, n, _ int, o plugins.Owner) (plugins.Lane, error) {
	path := laneName(l.Dir, n)
	f, err := readLane(path)
	switch {
	case err != nil:
		return nil, err
	case f.Owner == o.ID && f.Epoch > o.Epoch:
		return nil, plugins.Fenced(fmt.Errorf("%s: epoch %d of %s is behind epoch %d", path, o.Epoch, o.ID, f.Epoch))
	}
	f.Owner, f.Epoch = o.ID, o.Epoch
	f.Taken++
	if f.Batches == nil {
		f.Batches = []laneBatch{}
	}
	return &lane{path: path, taken: f.Taken, marker: f.Marker}, f.write(path)
}

// lane is one file.
type lane struct {
	path   string
	taken  int64
	marker []byte
	staged []laneBatch
}

// Marker implements plugins.Lane.
func (l *lane) Marker() []byte { return l.marker }

// Stage implements plugins.Lane.
func (l *lane) Stage(_ context.Context, b plugins.Batch, recs []arrow.Record) error {
	rows, err := plugins.RowsOf[laneRow](recs...)
	if rows == nil {
		rows = []laneRow{}
	}
	l.staged = slices.DeleteFunc(l.staged, func(s laneBatch) bool { return s.Number >= b.Number })
	l.staged = append(l.staged, laneBatch{b.Number, rows})
	return err
}

// Publish implements plugins.Lane.
func (l *lane) Publish(_ context.Context, b plugins.Batch, marker []byte) error {
	f, err := readLane(l.path)
	switch {
	case err != nil:
		return err
	case f.Taken != l.taken:
		return plugins.Fenced(fmt.Errorf("%s was taken over by epoch %d of %s", l.path, f.Epoch, f.Owner))
	}
	batch := laneBatch{b.Number, []laneRow{}}
	for _, s := range l.staged {
		if s.Number == b.Number {
			batch = s
		}
	}
	f.Batches = slices.DeleteFunc(f.Batches, func(s laneBatch) bool { return s.Number == b.Number })
	f.Batches, f.Marker = append(f.Batches, batch), marker
	l.marker = marker
	return f.write(l.path)
}

// Flush implements plugins.Lane.
func (l *lane) Flush(context.Context) error { return nil }

func (l *lane) Close() error { return nil }
