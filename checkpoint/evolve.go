package checkpoint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
)

// follow compares operator h of the checkpoint with n of the program. added are the columns that rows of older files lack from now on, with what was
// said of them when they came: rows must not change because a tag does. refused says why the old rows cannot be read; empty: they can.
func follow(h, n Operator) (added []row.Default, refused []string) {
	if n.Key != h.Key {
		refused = append(refused, "the key differs: state is found and ordered by it")
	}
	if n.Val == h.Val {
		return h.Added, refused
	}
	have, err := row.ParseFields(h.Val)
	want, werr := row.ParseFields(n.Val)
	if err != nil || werr != nil {
		return nil, append(refused, "the state differs")
	}
	change := row.Compare(have, want)
	added = slices.Clone(h.Added)
	for _, path := range change.Added {
		i := slices.IndexFunc(n.Defaults, func(d row.Default) bool { return d.Path == path })
		if i < 0 {
			refused = append(refused, fmt.Sprintf("field %s is new, and the program does not say what it holds in old rows", path))
			continue
		}
		added = append(added, n.Defaults[i])
	}
	return added, append(refused, change.Refused...)
}

// refusal tells a user why an operator's state cannot be read, and what to do.
func refusal(h, n Operator, why []string) error {
	return fmt.Errorf("operator %q (%s): the program's schema is not the checkpoint's\n%s%s\n"+
		"state may gain fields and nothing else: go back to the old types or the old binary, or begin it anew without its state with --drop %s",
		h.Name, n.Op, schemaDiff(h, n), strings.Join(why, "\n"), h.Name)
}

// widened is rows of an operator in the form of its schema of today: sections of older files may lack columns.
func widened(o *Operator, rec arrow.Record) (arrow.Record, error) {
	f, err := stateForm(rec)
	if err != nil {
		return nil, err
	}
	have := rec.Schema().Fields()
	if len(f.val) == 0 || row.FieldsText(have[f.val[0]:]) == o.Val {
		return rec, nil
	}
	want, err := row.ParseFields(o.Val)
	if err != nil || fault.Planted("P19-tools") {
		return rec, nil // a name that a text cannot hold: then the columns say what they are
	}
	head := f.val[0]
	vals, err := row.Widen(rec.Columns()[head:], have[head:], want, int(rec.NumRows()), o.Added)
	if err != nil {
		return nil, err
	}
	schema := arrow.NewSchema(append(slices.Clone(have[:head]), want...), nil)
	return array.NewRecord(schema, append(slices.Clone(rec.Columns()[:head]), vals...), rec.NumRows()), nil
}

// operator is what is recorded of an operator, nil if there is none of that name.
func (in *Inspection) operator(name string) *Operator {
	for i := range in.Operators {
		if in.Operators[i].Name == name {
			return &in.Operators[i]
		}
	}
	return nil
}
