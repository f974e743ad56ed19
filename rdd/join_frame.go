package rdd

import (
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/internal/join"
	"github.com/millrace/millrace/internal/ops"
)

// JoinOption is a setting of a join of Frames.
type JoinOption interface{ set(*JoinSettings) }

// JoinSettings are what the options of a join say; for packages that make operators.
type JoinSettings struct {
	Kind   join.Kind
	On     []join.On
	If     []expr.Expr
	Suffix string
	Max    int64 // bytes of state over all partitions, 0: no limit

	doubt doubt // what mistakes of On leave in doubt of the result; see Spec
}

// JoinSettingsOf puts options together.
func JoinSettingsOf(opts []JoinOption) *JoinSettings {
	s := &JoinSettings{}
	for _, o := range opts {
		o.set(s)
	}
	return s
}

type joinOption func(*JoinSettings)

func (o joinOption) set(s *JoinSettings) { o(s) }

// JoinKind says which rows a join gives besides pairs that match, or in place of them. It is an option; without one a join is an InnerJoin.
type JoinKind join.Kind

// The kinds of join. Columns of a side that has no matching row are null, lists and maps empty.
const (
	InnerJoin = JoinKind(join.Inner) // pairs
	LeftJoin  = JoinKind(join.Left)  // and left rows that match nothing
	RightJoin = JoinKind(join.Right) // and right rows that match nothing
	FullJoin  = JoinKind(join.Full)  // and rows of both sides that match nothing
	SemiJoin  = JoinKind(join.Semi)  // left rows that match, once, with their columns only
	AntiJoin  = JoinKind(join.Anti)  // left rows that match nothing, with their columns only
)

func (k JoinKind) set(s *JoinSettings) { s.Kind = join.Kind(k) }

// On joins rows whose columns of these names are equal. The result has each of them once: where the left side has no row, it is the right's.
func On(names ...string) JoinOption {
	return joinOption(func(s *JoinSettings) {
		for _, n := range names {
			s.On = append(s.On, join.On{Left: expr.Col(n), Right: expr.Col(n)})
		}
	})
}

// OnEqual joins rows for which an expression over the left side equals one over the right. It may be given beside others: all must be equal.
func OnEqual(left, right expr.Expr) JoinOption {
	return joinOption(func(s *JoinSettings) { s.On = append(s.On, join.On{Left: left, Right: right}) })
}

// If is a further condition on pairs, over the columns of the result, those of a SemiJoin and AntiJoin as they would be in an InnerJoin. Pairs for which it is not true do not match.
func If(condition expr.Expr) JoinOption {
	return joinOption(func(s *JoinSettings) { s.If = append(s.If, condition) })
}

// Suffix is put behind the names of the right side's columns that the left side has too. Without it such a name is a mistake.
func Suffix(text string) JoinOption {
	return joinOption(func(s *JoinSettings) { s.Suffix = text })
}

// MaxJoinState is a limit for joins of package dstream that keep rows.
func MaxJoinState(bytes int64) JoinOption {
	return joinOption(func(s *JoinSettings) { s.Max = bytes })
}

// Stateless reports settings that only joins have which keep rows.
func (s *JoinSettings) Stateless(b *Builder, at Site, op string) {
	if s.Max != 0 {
		b.Mistakef(at, "%s: MaxJoinState is for joins that keep rows until the watermark passes them", op)
	}
}

// Join gives the pairs of a row of f and a row of o of the same batch that have equal keys: the columns of f, then those of o. Options: On, OnEqual, the kind,
// If, Suffix. A null equals nothing. Pairs come in order of f's rows, each with its partners in order of theirs, and then rows that match nothing, those of
// f first.
func (f Frame) Join(o Frame, opts ...JoinOption) Frame {
	at, b := Caller(), f.b.with(o.b)
	s := JoinSettingsOf(opts)
	s.Stateless(b, at, "join")
	spec := s.Spec(b, at, "join", f.Schema(), o.Schema(), f.node, o.node)
	val := FrameCodec(b, at, spec.Out)
	f, o = f.Accepted(at, spec.Sides[0].Keys...), o.Accepted(at, spec.Sides[1].Keys...)
	n := b.wide(at, "join", nil, val, join.InBatch(spec), f.node, o.node)
	s.Doubt(b, n)
	n.Wide.Facts = s.Text()
	n.Cols = &Columns{Reads: spec.Reads, Fewer: func(out []bool) (ops.Shuffle, []int) { return join.FewerInBatch(spec, out) }}
	return Frame{b: b, node: n}
}

// Spec is the join of two sides with these columns, of the given nodes. After a mistake it is one that can be asked for its columns and no more.
func (s *JoinSettings) Spec(b *Builder, at Site, op string, left, right *arrow.Schema, in ...*Node) *join.Spec {
	spec := &join.Spec{Kind: s.Kind, Sides: [2]join.Side{{Schema: left}, {Schema: right}}}
	for _, err := range spec.Prepare(s.On) {
		b.mistakeOf(at, b.doubtOf(in...), op, err)
	}
	for _, o := range s.On {
		if name, plain := o.Left.Column(); plain && !left.HasField(name) {
			s.doubt = s.doubt.naming(name)
		}
	}
	var errs []error
	suffix := s.Suffix
	if !s.Kind.Pairs() && len(s.If) == 0 && suffix == "" {
		suffix = "\x00" // nobody sees the right side's names
	}
	if spec.Both, spec.From, errs = join.Columns(s.Kind, left, right, s.On, suffix); len(errs) > 0 {
		for _, err := range errs {
			b.Mistakef(at, "%s: %v", op, err)
		}
		s.doubt.shape = true
	}
	if spec.Out = spec.Both; !s.Kind.Pairs() {
		spec.Out = left
	}
	if len(s.If) == 0 {
		return spec
	}
	cond := s.If[0]
	for _, c := range s.If[1:] {
		cond = cond.And(c)
	}
	bound, err := expr.Bind(spec.Both, cond)
	switch {
	case err != nil:
		b.mistakeOf(at, b.doubtOf(in...).and(s.doubt), op, err)
	case bound.Field().Type.ID() != arrow.BOOL:
		b.Mistakef(at, "%s: %s is %s, not a boolean", op, cond, bound.Field().Type)
	case bound.MayFail():
		b.Mistakef(at, "%s: %s may refuse a pair of rows, and there is no record to set aside for it; let it give null: TryCast, TryParseTime, a function without an error", op, cond)
	default:
		spec.If = bound
	}
	return spec
}

// KeyText is what is joined on.
func (s *JoinSettings) KeyText() string {
	var parts []string
	for _, o := range s.On {
		parts = append(parts, o.Left.String()+" = "+o.Right.String())
	}
	return strings.Join(parts, ", ")
}

// Text is the settings in the plan's text.
func (s *JoinSettings) Text() string {
	text := s.Kind.String() + " on " + s.KeyText()
	for _, c := range s.If {
		text += ", if " + c.String()
	}
	return text
}
