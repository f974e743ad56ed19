package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/bench/gen"
	"github.com/millrace/millrace/examples/nexmark"
)

// rows: the output has exactly the expected rows, in any order. They are kept as 128-bit hashes of their columns' texts, since there may be millions.
type rows struct {
	columns []string
	want    map[xxh3.Uint128]expected
	live    bool
	extra   int
	example string // the first row that nobody expected
	bad     error
}

// expected is how often a row comes, and when an event has decided it, µs since 1970; 0 if only the end does.
type expected struct {
	n  int32
	at int64
}

func (c *rows) expect(at time.Time, cells ...any) {
	var text []byte
	for _, cell := range cells {
		text = append(appendCell(text, cell), '|')
	}
	h := xxh3.Hash128(text)
	e := c.want[h]
	e.n++
	if !at.IsZero() && c.live {
		e.at = at.UnixMicro()
	}
	c.want[h] = e
}

// appendCell writes a value in the form that both sides are brought to: numbers with a fraction have six digits behind the point, times are in µs.
func appendCell(b []byte, v any) []byte {
	switch v := v.(type) {
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return strconv.AppendFloat(b, v, 'f', 6, 64)
	case time.Time:
		return append(strconv.AppendInt(b, v.UnixMicro(), 10), "µs"...)
	case string:
		return append(b, v...)
	}
	panic(fmt.Sprintf("no form for %T", v))
}

func (c *rows) Take(_, val []byte) int64 {
	text, err := c.text(val)
	if err != nil {
		c.bad = fmt.Errorf("value %s: %w", val, err)
		return 0
	}
	h := xxh3.Hash128(text)
	e := c.want[h]
	switch {
	case e.n == 0:
		if c.extra++; c.example == "" {
			c.example = string(val)
		}
		return 0
	case e.n == 1:
		delete(c.want, h)
	default:
		e.n--
		c.want[h] = e
		return 0 // which of the equal rows this is, nobody can say
	}
	return e.at
}

// text is a row as expect has it.
func (c *rows) text(val []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(val))
	d.UseNumber()
	row := make(map[string]any, 8)
	if err := d.Decode(&row); err != nil {
		return nil, err
	}
	if len(row) != len(c.columns) {
		return nil, fmt.Errorf("%d columns, want %q", len(row), c.columns)
	}
	var text []byte
	for _, name := range c.columns {
		switch v := row[name].(type) {
		case json.Number:
			if n, err := v.Int64(); err == nil && name != "avg" {
				text = appendCell(text, n)
			} else if f, err := v.Float64(); err == nil {
				text = appendCell(text, f)
			}
		case string:
			if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
				text = appendCell(text, at)
			} else if f, err := strconv.ParseFloat(v, 64); err == nil { // decimals are texts
				text = appendCell(text, f)
			} else {
				text = append(text, v...)
			}
		default:
			return nil, fmt.Errorf("column %s is %v", name, v)
		}
		text = append(text, '|')
	}
	return text, nil
}

func (c *rows) Done() error {
	if c.bad != nil {
		return c.bad
	}
	missing := 0
	for _, e := range c.want {
		missing += int(e.n)
	}
	if missing+c.extra > 0 {
		return fmt.Errorf("%d rows are missing, and %d were not expected: the first is %s", missing, c.extra, c.example)
	}
	return nil
}

func newNexmark(query string, d Data) (*rows, error) {
	m, ok := models[query]
	if !ok {
		return nil, fmt.Errorf("no check for Nexmark's %s: there is one for q0 to q8", query)
	}
	c := &rows{columns: m.columns, want: map[xxh3.Uint128]expected{}, live: d.Live}
	x := gen.NewNexmark(gen.Seed, d.Start, d.Step)
	model := m.new(c)
	for range d.N {
		model.event(x.Next())
	}
	model.end()
	return c, nil
}

// behind is when a window that ends at end is closed by the watermark.
func behind(end time.Time) time.Time { return end.Add(nexmark.Delay) }
