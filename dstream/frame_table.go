package dstream

import (
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/col"
	"github.com/millrace/millrace/internal/join"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
	"github.com/millrace/millrace/rdd"
)

// FrameTable is one row for each key, known by its columns, kept as state. In batch t it holds the changes of all batches up to and including t. Frames read it
// with JoinTable, and two of them make a third with Join.
//
// A job that starts without a checkpoint loads its tables first: the streams that read them wait until what the tables' sources held at the start has been
// read (P32).
type FrameTable struct {
	job     *Job
	node    *rdd.Node
	view    join.View
	changes bool // the node gives what became of rows
}

// Latest keeps the last row of each key, in state under name; keys are names of columns. Rows count in order of (source partition, offset); those with a null in
// the key do not count. Rows are never removed: see LatestIf.
func (f Frame) Latest(name string, keys ...string) FrameTable {
	return f.latest(rdd.Caller(), "latest", name, nil, keys)
}

// LatestIf is Latest of rows that can say that there is no such row any more: the key is removed if exists is not true for the last row of a key.
func (f Frame) LatestIf(name string, exists expr.Expr, keys ...string) FrameTable {
	return f.latest(rdd.Caller(), "latestIf", name, &exists, keys)
}

func (f Frame) latest(at rdd.Site, op, name string, exists *expr.Expr, keys []string) FrameTable {
	j := f.job
	runningSettings(j, at, name, nil)
	l := &join.Latest{Side: join.Side{Schema: f.Schema()}}
	facts := "key " + strings.Join(keys, ", ")
	if exists != nil {
		facts += ", if " + exists.String()
		if b := f.f.BindAll(at, op, *exists)[0]; b != nil && b.Field().Type.ID() != arrow.BOOL {
			j.mistakef(at, "%s: %s is %s, not a boolean", op, *exists, b.Field().Type)
		} else {
			l.Exists = b
		}
	}
	var key, val []arrow.Field
	for _, k := range keys {
		if b := f.f.BindAll(at, op, k)[0]; b != nil {
			c := b.Field()
			c.Nullable = false
			l.Keys, key = append(l.Keys, b), append(key, c)
		}
	}
	for i, c := range f.Schema().Fields() {
		if !slices.Contains(keys, c.Name) {
			l.Columns, val = append(l.Columns, i), append(val, c)
		}
	}
	if len(key) < len(keys) || len(val) == 0 && f.f.Doubted() {
		return failedTable(f, at, op, keys...)
	}
	if l.Key, l.Val = tableCodecs(j, at, op, key, val); l.Key == nil {
		return failedTable(f, at, op, keys...)
	}
	f = Frame{j, f.f.Accepted(at, l.Exists)}
	t := FrameTable{job: j, view: viewOf(nil, l.Key, l.Val, key), changes: true}
	l.Out = changeColumns(t.view.Schema)
	l.Read = func() bool { return len(t.node.Out) > 0 }
	n := j.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: op, Name: name, In: []*rdd.Node{f.node()}, Val: rdd.FrameCodec(j.b, at, l.Out),
		Wide: &rdd.WideSpec{Inputs: []rdd.Input{l.Input()}, New: l.New, State: true, StateKey: l.Key, StateVal: l.Val, Facts: facts, Bootstrap: true},
	})
	t.node = n
	return t
}

// failedTable stands for a table made of f behind a mistake: it has no key.
func failedTable(f Frame, at rdd.Site, op string, keys ...string) FrameTable {
	failed := f.f.Failed(at, op, keys...)
	return FrameTable{f.job, failed.Node(), join.View{Schema: failed.Schema()}, true}
}

// failed stands for a table made of t behind a mistake.
func (t FrameTable) failed(at rdd.Site, op string, columns ...string) FrameTable {
	f := rdd.FrameOf(t.job.b, t.node).Failed(at, op, columns...)
	return FrameTable{t.job, f.Node(), join.View{Schema: t.view.Schema}, true}
}

// tableCodecs are the codecs of a table's state, nil after a mistake.
func tableCodecs(j *Job, at rdd.Site, op string, key, val []arrow.Field) (k, v *row.Codec) {
	switch {
	case len(key) == 0:
		j.mistakef(at, "%s: a table needs a key; name its columns", op)
		return nil, nil
	case len(val) == 0:
		j.mistakef(at, "%s: a table needs columns besides its key", op)
		return nil, nil
	}
	k, err := join.KeyCodec(key)
	if err != nil {
		j.mistakef(at, "%s: %v", op, err)
		return nil, nil
	}
	return k, rdd.FrameCodec(j.b, at, arrow.NewSchema(val, nil))
}

// changeColumns are the columns of what became of a table's rows.
func changeColumns(s *arrow.Schema) *arrow.Schema {
	return arrow.NewSchema(append(slices.Clone(s.Fields()), join.DiffField), nil)
}

// viewOf is how a table is read. node is one whose states are not what its readers see, or nil.
func viewOf(node *rdd.Node, key, val *row.Codec, keys []arrow.Field) join.View {
	v := join.View{Schema: arrow.NewSchema(append(slices.Clone(keys), val.Schema().Fields()...), nil), Key: key}
	if node == nil || node.Wide.View == nil {
		v.Values = func(t *state.Table, rows []int32, columns []int) (*col.Batch, []bool) {
			if columns == nil {
				return t.GetCols(rows), nil
			}
			return t.GetColsOf(rows, columns), nil
		}
		return v
	}
	v.Values = func(t *state.Table, rows []int32, columns []int) (*col.Batch, []bool) {
		vals, hidden := node.Wide.View(t.Get(rows, nil))
		b := col.FromArrays(val.Schema(), val.Columns(vals, nil))
		if columns != nil {
			b = b.Choose(columns)
		}
		return b, hidden
	}
	return v
}

// Frame is the table as columns: those of the key, under the given names (without any: "key", or the names of the key's fields), then those of the value.
func (t Table[K, V]) Frame(keys ...string) FrameTable {
	at, j := rdd.Caller(), t.job
	key, val := t.node.Key, t.node.Val
	if key == nil || val == nil {
		return FrameTable{j, t.node, join.View{Schema: rdd.FrameCodec(j.b, at, nil).Schema()}, false}
	}
	fields := slices.Clone(key.Schema().Fields())
	if key.Scalar() {
		fields[0].Name = "key"
	}
	if len(keys) > 0 && len(keys) != len(fields) {
		j.mistakef(at, "frame: %d names for a key of %d columns", len(keys), len(fields))
	}
	for i := range min(len(keys), len(fields)) {
		fields[i].Name = keys[i]
	}
	for _, f := range val.Schema().Fields() {
		if slices.ContainsFunc(fields, func(k arrow.Field) bool { return k.Name == f.Name }) {
			j.mistakef(at, "frame: key and value both have a column %q; give the key another name: Frame(%q)", f.Name, f.Name+"_key")
		}
	}
	if _, err := join.KeyCodec(fields); err != nil {
		j.mistakef(at, "frame: %v", err)
	}
	return FrameTable{j, t.node, viewOf(t.node, key, val, fields), false}
}

// Schema is the columns: those of the key first.
func (t FrameTable) Schema() *arrow.Schema { return t.view.Schema }

// keyNames are the names of the key's columns.
func (t FrameTable) keyNames() []string {
	var names []string
	for _, f := range t.view.Schema.Fields()[:t.keyLen()] {
		names = append(names, f.Name)
	}
	return names
}

func (t FrameTable) keyLen() int {
	if t.view.Key == nil {
		return 0
	}
	return t.view.Key.Schema().NumFields()
}

// Changes are the rows that the batch took out of the table and put into it, with a column "_diff": -1 for a row that is there no more, 1 for one that is there from now on. An
// update is both, the old row first; a row that comes as it was is no change. So a sum over the table is the sum of what Changes gave, each row times its _diff.
func (t FrameTable) Changes() Frame {
	if !t.changes {
		t.job.mistakef(rdd.Caller(), "Changes: a Table of Go values gives what came, not what went; make the table from a Frame, with Latest or LatestIf")
	}
	return Frame{t.job, rdd.FrameOf(t.job.b, t.node)}
}

// JoinTable joins each row with the table's row of its key, as the table is in this batch: the columns of f, then those of the table. On and OnEqual must name
// all columns of the table's key. Kinds: InnerJoin, LeftJoin, SemiJoin, AntiJoin. Rows with a null in the key match nothing. Rows keep their order.
func (f Frame) JoinTable(t FrameTable, opts ...JoinOption) Frame {
	at, j := rdd.Caller(), f.job
	s := rdd.JoinSettingsOf(opts)
	if k := rdd.JoinKind(s.Kind); k == RightJoin || k == FullJoin {
		j.mistakef(at, "joinTable: a %s join would show rows of the table that no row asks for; use LeftJoin, or join tables with each other", s.Kind)
	}
	s.Stateless(j.b, at, "joinTable")
	s.On = t.inKeyOrder(at, "joinTable", s.On)
	w := &join.WithTable{Spec: *s.Spec(j.b, at, "joinTable", f.Schema(), t.Schema(), f.node(), t.node), View: t.view}
	val := rdd.FrameCodec(j.b, at, w.Out)
	f = Frame{j, f.f.Accepted(at, w.Sides[0].Keys...)}
	n := j.b.Add(at, &rdd.Node{
		Kind: rdd.Wide, Op: "joinTable", In: []*rdd.Node{f.node()}, Val: val,
		Wide: &rdd.WideSpec{Inputs: w.Inputs(), New: w.New, Tables: []*rdd.Node{t.node}, Facts: s.Text()},
		Cols: &rdd.Columns{Reads: w.Reads, Fewer: w.Fewer},
	})
	s.Doubt(j.b, n)
	return f.keepTime(Frame{j, rdd.FrameOf(j.b, n)}, w.Spec)
}

// inKeyOrder are the parts of a join's key in the order of the table's.
func (t FrameTable) inKeyOrder(at rdd.Site, op string, on []join.On) []join.On {
	if t.view.Key == nil { // which was reported
		return on
	}
	var sorted []join.On
	for _, name := range t.keyNames() {
		for _, o := range on {
			if o.Right.String() == expr.Col(name).String() {
				sorted = append(sorted, o)
				break
			}
		}
	}
	if len(sorted) != len(on) || len(sorted) != t.keyLen() {
		t.job.mistakef(at, "%s: the table is found by its key, %s; join on all of it and on nothing else, and put the rest into If", op, strings.Join(t.keyNames(), ", "))
		return on
	}
	return sorted
}
