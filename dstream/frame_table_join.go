package dstream

import (
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/join"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/rdd"
)

// Join is a table of rows of t, each with the row of o that it belongs to: the columns of t, then those of o, under t's key, in state under name. When either table changes, the rows that this
// concerns are joined anew, at this batch's version of both. Both tables must have Changes.
//
// Without On and OnEqual the tables have a key of the same columns, and rows of one key belong together. Kinds: InnerJoin, LeftJoin, FullJoin.
//
// With On or OnEqual (t's side any expression) a row of t refers to a row of o by o's whole key, as an order refers to its customer; many may refer to one, and a null refers to nothing. Kinds: InnerJoin, LeftJoin.
// A change of a row of o makes all rows anew that refer to it. For this an index is kept, in state under name + " references": each key of o that is referred to, with the keys of
// the rows of t that refer to it.
func (t FrameTable) Join(name string, o FrameTable, opts ...JoinOption) FrameTable {
	at, j := rdd.Caller(), t.job
	runningSettings(j, at, name, nil)
	s := rdd.JoinSettingsOf(opts)
	s.Stateless(j.b, at, "join of tables")
	if !t.changes || !o.changes {
		j.mistakef(at, "join of tables: a Table of Go values does not tell what went; make the table from a Frame, with Latest or LatestIf")
	}
	if k := rdd.JoinKind(s.Kind); k == RightJoin || k == SemiJoin || k == AntiJoin {
		j.mistakef(at, "join of tables: an InnerJoin, LeftJoin or FullJoin, not a %s join", s.Kind)
	}
	if len(s.On) == 0 || t.wholeKeys(o, s.On) {
		return t.joinByKey(at, name, o, s)
	}
	return t.joinByReference(at, name, o, s)
}

// wholeKeys tells whether tables are joined by their keys, which have the same names.
func (t FrameTable) wholeKeys(o FrameTable, on []join.On) bool {
	names := t.keyNames()
	if len(on) != len(names) || !slices.Equal(names, o.keyNames()) {
		return false
	}
	for _, c := range on {
		i := slices.IndexFunc(names, func(n string) bool { return expr.Col(n).String() == c.Left.String() })
		if i < 0 || c.Right.String() != c.Left.String() {
			return false
		}
	}
	return true
}

func (t FrameTable) joinByKey(at rdd.Site, name string, o FrameTable, s *rdd.JoinSettings) FrameTable {
	j := t.job
	if t.view.Key == nil || o.view.Key == nil { // which was reported
		return t.failed(at, "join of tables", fieldNames(o)...)
	}
	s.On = rdd.JoinSettingsOf([]JoinOption{On(t.keyNames()...)}).On
	switch {
	case !slices.Equal(t.keyNames(), o.keyNames()):
		j.mistakef(at, "join of tables: keys are %s and %s; say with OnEqual what of the left table is the right one's key", strings.Join(t.keyNames(), ", "), strings.Join(o.keyNames(), ", "))
	case rdd.JoinKind(s.Kind) == FullJoin && len(s.If) > 0:
		j.mistakef(at, "join of tables: If has no place in a FullJoin: a key has one row")
	}
	w := &join.Tables{Spec: *s.Spec(j.b, at, "join of tables", t.Schema(), o.Schema(), t.node, o.node), Views: [2]join.View{t.view, o.view}}
	if w.Key == nil {
		return t.failed(at, "join of tables", fieldNames(o)...)
	}
	out := t.joined(at, w, w.Key)
	out.node = j.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "joinTables", Name: name, In: []*rdd.Node{t.node, o.node}, Val: rdd.FrameCodec(j.b, at, w.Changes),
		Wide: &rdd.WideSpec{
			Inputs: w.Inputs(), New: w.New, State: true, StateKey: w.Key, StateVal: w.Val, Tables: []*rdd.Node{t.node, o.node}, Facts: s.Text(), Bootstrap: true,
		},
	})
	w.Read = func() bool { return len(out.node.Out) > 0 }
	return out
}

// joined is the table of a join, whose key is key, without its node.
func (t FrameTable) joined(at rdd.Site, w *join.Tables, key *row.Codec) FrameTable {
	n := min(t.keyLen(), w.Out.NumFields())
	w.Val, w.Changes = rdd.FrameCodec(t.job.b, at, arrow.NewSchema(w.Out.Fields()[n:], nil)), changeColumns(w.Out)
	return FrameTable{job: t.job, view: viewOf(nil, key, w.Val, w.Out.Fields()[:n]), changes: true}
}

// fieldNames are the columns of a table.
func fieldNames(t FrameTable) (names []string) {
	for _, f := range t.Schema().Fields() {
		names = append(names, f.Name)
	}
	return names
}

func (t FrameTable) joinByReference(at rdd.Site, name string, o FrameTable, s *rdd.JoinSettings) FrameTable {
	j := t.job
	if rdd.JoinKind(s.Kind) == FullJoin {
		j.mistakef(at, "join of tables: in a full join by a reference, rows of the right table that nothing refers to have no key; use LeftJoin")
	}
	s.On = o.inKeyOrder(at, "join of tables", s.On)
	w := &join.Foreign{Tables: join.Tables{Spec: *s.Spec(j.b, at, "join of tables", t.Schema(), o.Schema(), t.node, o.node), Views: [2]join.View{t.view, o.view}}}
	if w.Key == nil || t.view.Key == nil {
		return t.failed(at, "join of tables", fieldNames(o)...)
	}
	if err := w.Prepare(); err != nil {
		j.mistakef(at, "join of tables: %v", err)
		return t.failed(at, "join of tables", fieldNames(o)...)
	}
	out := t.joined(at, &w.Tables, w.Left)
	references := j.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "references", Name: name + " references", In: []*rdd.Node{t.node, o.node}, Val: rdd.FrameCodec(j.b, at, w.Answers),
		Wide: &rdd.WideSpec{
			Inputs: w.ReferenceInputs(), New: w.NewReferences, State: true, StateKey: join.PlaceCodec(), StateVal: w.Held, Tables: []*rdd.Node{o.node}, Facts: s.Text(), Bootstrap: true,
		},
	})
	out.node = j.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "joinTables", Name: name, In: []*rdd.Node{t.node, references}, Val: rdd.FrameCodec(j.b, at, w.Changes),
		Wide: &rdd.WideSpec{
			Inputs: w.ResultInputs(), New: w.NewResult, State: true, StateKey: w.Left, StateVal: w.Val, Tables: []*rdd.Node{t.node}, Facts: s.Text(), Bootstrap: true,
		},
	})
	w.Read = func() bool { return len(out.node.Out) > 0 }
	return out
}
