package join

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/row"
)

// Kind says which rows are in the result besides, or in place of, pairs that match.
type Kind uint8

// The kinds of join.
const (
	Inner Kind = iota // pairs
	Left              // pairs, and rows of the left side that match nothing
	Right             // pairs, and rows of the right side that match nothing
	Full              // pairs, and rows of both sides that match nothing
	Semi              // rows of the left side that match, once
	Anti              // rows of the left side that match nothing
)

var kindNames = [...]string{"inner", "left", "right", "full", "semi", "anti"}

func (k Kind) String() string { return kindNames[k] }

// Lonely tells whether rows of a side (0 left, 1 right) that match nothing are in the result.
func (k Kind) Lonely(side int) bool {
	if side == 0 {
		return k == Left || k == Full || k == Anti
	}
	return k == Right || k == Full
}

// Pairs tells whether pairs are in the result: otherwise it has rows of the left side.
func (k Kind) Pairs() bool { return k != Semi && k != Anti }

// Spec is what a join does. It is immutable after Prepare.
type Spec struct {
	Kind  Kind
	Sides [2]Side
	Key   *row.Codec // of both sides' keys
	Both  *arrow.Schema
	From  []Source      // of each column of Both
	If    *expr.Bound   // over Both; nil: equal keys are enough
	Out   *arrow.Schema // of results: Both's columns where there are pairs, otherwise the left side's

	Stream *arrow.Schema // of results and late rows in one, see WithLate; nil: of results alone
}

// Side is one input: its rows, and what their keys are.
type Side struct {
	Schema *arrow.Schema
	Keys   []*expr.Bound
}

// Source says where a column of a pair comes from: its place on the left and on the right, -1 where it is not. A column that has both is that of the left, or
// of the right where there is no row on the left.
type Source struct{ Left, Right int }

// On is a part of the key: an expression over each side. The same name on both sides is one column of the result.
type On struct{ Left, Right expr.Expr }

// Columns are what rows of both sides consist of: the left's columns, then the right's, whose names get the suffix where they clash. Columns that are joined on
// under one name are there once. The errors are names that clash although there is a suffix, or because there is none.
func Columns(kind Kind, left, right *arrow.Schema, on []On, suffix string) (both *arrow.Schema, from []Source, errs []error) {
	shared := map[string]bool{}
	for _, o := range on {
		if name, same := o.shared(); same {
			shared[name] = true
		}
	}
	var fields []arrow.Field
	taken := map[string]bool{}
	for i, f := range left.Fields() {
		src := Source{i, -1}
		if at := right.FieldIndices(f.Name); shared[f.Name] && len(at) == 1 {
			src.Right = at[0]
			f.Nullable = kind.Lonely(0) && f.Nullable || kind.Lonely(1) && right.Field(at[0]).Nullable
		} else {
			f.Nullable = f.Nullable || kind.Lonely(1)
		}
		taken[f.Name] = true
		fields, from = append(fields, f), append(from, src)
	}
	for i, f := range right.Fields() {
		if shared[f.Name] {
			continue
		}
		name := f.Name
		if taken[name] {
			f.Name += suffix
		}
		if taken[f.Name] {
			errs = append(errs, fmt.Errorf("both sides have a column %q; give those of the right other names with Suffix, or rename one before", name))
			continue
		}
		taken[f.Name] = true
		f.Nullable = f.Nullable || kind.Lonely(0)
		fields, from = append(fields, f), append(from, Source{-1, i})
	}
	return arrow.NewSchema(fields, nil), from, errs
}

// shared is the name that a part of the key has on both sides.
func (o On) shared() (name string, same bool) {
	l, r := o.Left.Columns(), o.Right.Columns()
	if len(l) != 1 || len(r) != 1 || l[0] != r[0] {
		return "", false
	}
	plain := expr.Col(l[0]).String()
	return l[0], o.Left.String() == plain && o.Right.String() == plain
}

// Prepare binds the key, and fills what follows from it. Errors are what is wrong with the key.
func (s *Spec) Prepare(on []On) (errs []error) {
	var fields []arrow.Field
	for _, o := range on {
		l, err := expr.Bind(s.Sides[0].Schema, o.Left)
		if err != nil {
			errs = append(errs, fmt.Errorf("left side: %w", err))
		}
		r, err := expr.Bind(s.Sides[1].Schema, o.Right)
		if err != nil {
			errs = append(errs, fmt.Errorf("right side: %w", err))
		}
		if l == nil || r == nil {
			continue
		}
		lf, rf := l.Field(), r.Field()
		if !arrow.TypeEqual(lf.Type, rf.Type) {
			errs = append(errs, fmt.Errorf("%s is %s and %s is %s; equal values need one type: convert one of them", o.Left, lf.Type, o.Right, rf.Type))
			continue
		}
		s.Sides[0].Keys, s.Sides[1].Keys = append(s.Sides[0].Keys, l), append(s.Sides[1].Keys, r)
		fields = append(fields, arrow.Field{Name: fmt.Sprintf("k%d", len(fields)), Type: lf.Type})
	}
	if len(on) == 0 {
		errs = append(errs, fmt.Errorf("nothing to join on; name columns with On"))
	}
	if len(errs) > 0 {
		return errs
	}
	key, err := KeyCodec(fields)
	if err != nil {
		return []error{err}
	}
	s.Key = key
	return nil
}

// KeyCodec is the codec of keys with columns of these types, none of them null.
func KeyCodec(fields []arrow.Field) (*row.Codec, error) {
	fields = append([]arrow.Field(nil), fields...)
	for i := range fields {
		fields[i].Nullable = false
		switch fields[i].Type.ID() {
		case arrow.STRUCT, arrow.LIST, arrow.MAP, arrow.DECIMAL128:
			return nil, fmt.Errorf("rows are not joined by %s; use a plain column", fields[i].Type)
		}
	}
	c, err := row.OfSchema(arrow.NewSchema(fields, nil))
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		if f.Type.ID() == arrow.FLOAT32 || f.Type.ID() == arrow.FLOAT64 {
			return nil, fmt.Errorf("rows are not joined by floats: 0.1 + 0.2 is not 0.3; use an integer or a text")
		}
	}
	return c, c.CheckKey()
}
