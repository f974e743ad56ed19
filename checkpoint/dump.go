package checkpoint

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
)

// stateRow is one live row of an operator's state, as JSON.
type stateRow struct {
	group int
	key   string
	value string
	due   int64
}

// Dump writes the state of an operator at the last committed batch whose state is in files as JSON lines, {"key": …, "value": …, "due": …}, ordered by key group and key.
// key, where not "", chooses one row: a scalar key as it is, a struct's as a JSON object. It works without the program: the columns say what they
// are. The whole operator is held in memory.
func (in *Inspection) Dump(w io.Writer, operator, key string) error {
	if in.operator(operator) == nil {
		return fmt.Errorf("checkpoint %s has no operator %q; it has %s", in.dir, operator, in.operatorNames())
	}
	rows, err := in.stateRows(operator)
	if errors.Is(err, ErrDamaged) {
		// A running driver may have pruned since we read its log.
		if now, nerr := Inspect(in.dir); nerr == nil && now.Horizon > in.Horizon {
			rows, err = now.stateRows(operator)
		}
	}
	if err != nil {
		return err
	}
	found := false
	for _, r := range rows {
		if key != "" && !keyIs(r.key, key) {
			continue
		}
		found = true
		due := ""
		if r.due != 0 {
			due = fmt.Sprintf(`,"due":%q`, stamp(r.due))
		}
		if _, err := fmt.Fprintf(w, "{\"key\":%s,\"value\":%s%s}\n", r.key, r.value, due); err != nil {
			return err
		}
	}
	if key != "" && !found {
		return fmt.Errorf("operator %q has no row for key %s at batch %d", operator, key, in.Committed)
	}
	return nil
}

func (in *Inspection) operatorNames() string {
	if len(in.Operators) == 0 {
		return "none"
	}
	var names []string
	for _, o := range in.Operators {
		names = append(names, o.Name)
	}
	return strings.Join(names, ", ")
}

// keyIs tells whether key, in JSON, is what the user asked for.
func keyIs(key, asked string) bool {
	var k, a any
	if json.Unmarshal([]byte(key), &k) != nil {
		return false
	}
	if s, ok := k.(string); ok && s == asked {
		return true
	}
	return json.Unmarshal([]byte(asked), &a) == nil && reflect.DeepEqual(k, a)
}

// stateRows are the live rows of an operator at the last committed batch: its chain, applied.
func (in *Inspection) stateRows(operator string) ([]stateRow, error) {
	need, ok := Chain(in.Deltas, operator, 0, allGroups, in.version(operator))
	if !ok {
		return nil, fmt.Errorf("operator %q: no chain of state files leads to batch %d: %w", operator, in.version(operator), ErrDamaged)
	}
	live := map[string]stateRow{}
	for _, d := range need {
		for _, s := range d.Sections {
			rec, err := in.state.Load(d, s)
			if err != nil {
				return nil, err
			}
			if s.Full {
				clearGroups(live, s)
			}
			if rec == nil {
				continue
			}
			rec, err = widened(in.operator(operator), rec)
			if err == nil {
				err = applyRows(live, rec)
			}
			if err != nil {
				return nil, &damage{d.File, s.Off, err.Error()}
			}
		}
	}
	rows := make([]stateRow, 0, len(live))
	for _, r := range live {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b stateRow) int { return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.key, b.key)) })
	return rows, nil
}

func clearGroups(live map[string]stateRow, s Section) {
	for k, r := range live {
		if r.group >= s.From && r.group < s.Until {
			delete(live, k)
		}
	}
}

// applyRows applies a delta or dump.
func applyRows(live map[string]stateRow, rec arrow.Record) error {
	f, err := stateForm(rec)
	if err != nil {
		return err
	}
	for i := range int(rec.NumRows()) {
		key, err := jsonOf(rec, f.key, i, f.scalarKey, "key.")
		if err != nil {
			return err
		}
		if f.deleted.Value(i) {
			delete(live, key)
			continue
		}
		value, err := jsonOf(rec, f.val, i, f.scalarVal, "")
		if err != nil {
			return err
		}
		live[key] = stateRow{int(f.group.Value(i)), key, value, f.due.Value(i)}
	}
	return nil
}

// jsonOf is row i of some columns as a JSON object, or as a bare value if they are one scalar.
func jsonOf(rec arrow.Record, cols []int, i int, scalar bool, prefix string) (string, error) {
	var out strings.Builder
	if !scalar {
		out.WriteByte('{')
	}
	for n, c := range cols {
		if n > 0 {
			out.WriteByte(',')
		}
		if !scalar {
			name, _ := json.Marshal(strings.TrimPrefix(rec.ColumnName(c), prefix))
			out.Write(append(name, ':'))
		}
		text, err := json.Marshal(cell(rec.Column(c), i))
		if err != nil {
			return "", fmt.Errorf("column %q: %w", rec.ColumnName(c), err)
		}
		out.Write(text)
	}
	if !scalar {
		out.WriteByte('}')
	}
	return out.String(), nil
}

// cell is a value as JSON shows it: times in RFC 3339, bytes in base64.
func cell(col arrow.Array, i int) any {
	if ts, ok := col.(*array.Timestamp); ok && ts.IsValid(i) {
		unit := ts.DataType().(*arrow.TimestampType).Unit
		return ts.Value(i).ToTime(unit).UTC().Format(time.RFC3339Nano)
	}
	return col.GetOneForMarshal(i)
}
