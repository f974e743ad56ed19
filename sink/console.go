package sink

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
)

// consoleName is the name of a console that has none of its own.
const consoleName = "console"

// ConsoleOption is an option of Console.
type ConsoleOption func(*consoleOptions)

type consoleOptions struct {
	rows int
	to   io.Writer
}

// ConsoleRows is how many rows of a batch are printed; the default is 20. The others are counted.
func ConsoleRows(n int) ConsoleOption { return func(o *consoleOptions) { o.rows = n } }

// ConsoleTo prints to w in place of standard output; for tests.
func ConsoleTo(w io.Writer) ConsoleOption { return func(o *consoleOptions) { o.to = w } }

// Console prints each batch that has rows as a table on the driver's standard output, under a line with the sink's name, if it has one of its own (Named), and the batch's number and time. It
// is at least once: after a crash the last batch may be printed again, under the same number (P12). It is for looking on; it needs no checkpoint.
func Console(opts ...ConsoleOption) Sink {
	o := consoleOptions{rows: 20}
	for _, opt := range opts {
		opt(&o)
	}
	spec := &Spec{Name: consoleName, Kind: "console", Text: "console", OnDriver: true, Atomic: true}
	if o.rows < 1 {
		spec.Err = fmt.Errorf("console: ConsoleRows(%d): at least one row", o.rows)
	}
	spec.Check = func(s Schema) error {
		_, err := newTable(s, o.rows)
		return err
	}
	spec.Open = func(_ context.Context, _ Env, s Schema) (Output, error) {
		t, err := newTable(s, o.rows)
		if err != nil {
			return nil, err
		}
		to := o.to
		if to == nil {
			to = os.Stdout
		}
		deliver := func(o Owner, b Batch, rows []arrow.Record) error {
			text, err := t.print(o.Sink, b, rows)
			if err != nil || text == "" {
				return err
			}
			if _, err := io.WriteString(to, text); err != nil {
				return fmt.Errorf("console: batch %d: %w", b.Number, err)
			}
			return nil
		}
		return &consoleOutput{deliver: deliver}, nil
	}
	return New(spec)
}

// consoleOutput hands its lane's owner on, who knows the sink's name.
type consoleOutput struct {
	memoryOutput
	deliver func(o Owner, b Batch, rows []arrow.Record) error
}

func (c *consoleOutput) Lane(ctx context.Context, n, lanes int, o Owner) (Lane, error) {
	named := &memoryOutput{deliver: func(_ context.Context, b Batch, rows []arrow.Record) error { return c.deliver(o, b, rows) }}
	return named.Lane(ctx, n, lanes, o)
}

// maxCell is how many characters of a value are printed.
const maxCell = 60

// table lays out rows in columns.
type table struct {
	limit int
	names []string
	right []bool // numbers stand to the right
	cols  []*cells
}

func newTable(s Schema, limit int) (*table, error) {
	t := &table{limit: limit}
	for _, f := range s.Arrow.Fields() {
		c, err := newCells(f.Name, f.Type, true)
		if err != nil { // a list, struct or map is printed as JSON
			if c, err = newCells(f.Name, f.Type, false); err != nil {
				return nil, err
			}
		}
		t.cols = append(t.cols, c)
		t.names = append(t.names, f.Name)
		t.right = append(t.right, numeric(f.Type))
	}
	return t, nil
}

func numeric(dt arrow.DataType) bool {
	return arrow.IsInteger(dt.ID()) || arrow.IsFloating(dt.ID())
}

// print is the table of a batch in a sink of that name, empty for one without rows.
func (t *table) print(sink string, b Batch, recs []arrow.Record) (string, error) {
	total := int64(0)
	grid := [][]string{t.names}
	for _, rec := range recs {
		total += rec.NumRows()
		if n := min(int64(t.limit-len(grid)+1), rec.NumRows()); n > 0 {
			rows, err := t.texts(rec.NewSlice(0, n))
			if err != nil {
				return "", err
			}
			grid = append(grid, rows...)
		}
	}
	if total == 0 {
		return "", nil
	}
	var out strings.Builder
	title := ""
	if sink != "" && sink != consoleName {
		title = sink + ": "
	}
	fmt.Fprintf(&out, "-- %sbatch %d, %s, %s\n", title, b.Number, time.UnixMicro(b.Time).UTC().Format("2006-01-02 15:04:05.000"), plural(total, "row"))
	t.layOut(&out, grid)
	if rest := total - int64(len(grid)-1); rest > 0 {
		fmt.Fprintf(&out, "and %s more\n", plural(rest, "row"))
	}
	out.WriteByte('\n')
	return out.String(), nil
}

func plural(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// texts are the printed cells of rec, row by row.
func (t *table) texts(rec arrow.Record) ([][]string, error) {
	rows := make([][]string, rec.NumRows())
	for i := range rows {
		rows[i] = make([]string, len(t.cols))
	}
	for c, cell := range t.cols {
		var text bytesColumn
		if err := cell.encode(&text, rec.Column(c)); err != nil {
			return nil, err
		}
		for i := range rows {
			rows[i][c] = printable(string(text.Value(i)))
			if rec.Column(c).IsNull(i) {
				rows[i][c] = "null"
			}
		}
	}
	return rows, nil
}

// printable keeps what comes from outside from moving the cursor, and cuts what is long.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) > maxCell {
		s = string([]rune(s)[:maxCell-1]) + "…"
	}
	return s
}

func (t *table) layOut(out *strings.Builder, grid [][]string) {
	width := make([]int, len(t.names))
	for _, row := range grid {
		for c, text := range row {
			width[c] = max(width[c], utf8.RuneCountInString(text))
		}
	}
	for i, row := range grid {
		var line strings.Builder
		for c, text := range row {
			pad := strings.Repeat(" ", width[c]-utf8.RuneCountInString(text))
			if t.right[c] {
				line.WriteString(pad + text + "  ")
			} else {
				line.WriteString(text + pad + "  ")
			}
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		if i == 0 {
			for c, w := range width {
				out.WriteString(strings.Repeat("-", w))
				if c < len(width)-1 {
					out.WriteString("  ")
				}
			}
			out.WriteByte('\n')
		}
	}
}
