package dstream

import (
	"github.com/millrace/millrace/expr"
	"github.com/millrace/millrace/rdd"
)

// JoinOption is a setting of a join of Frames.
type JoinOption = rdd.JoinOption

// JoinKind says which rows a join gives besides pairs that match, or in place of them. It is an option; without one a join is an InnerJoin.
type JoinKind = rdd.JoinKind

// The kinds of join. Columns of a side that has no matching row are null, lists and maps empty.
const (
	InnerJoin = rdd.InnerJoin // pairs
	LeftJoin  = rdd.LeftJoin  // and left rows that match nothing
	RightJoin = rdd.RightJoin // and right rows that match nothing
	FullJoin  = rdd.FullJoin  // and rows of both sides that match nothing
	SemiJoin  = rdd.SemiJoin  // left rows that match, once, with their columns only
	AntiJoin  = rdd.AntiJoin  // left rows that match nothing, with their columns only
)

// On joins rows whose columns of these names are equal. The result has each of them once: where the left side has no row, it is the right's.
func On(names ...string) JoinOption { return rdd.On(names...) }

// OnEqual joins rows for which an expression over the left side equals one over the right. It may be given beside others: all must be equal.
func OnEqual(left, right expr.Expr) JoinOption { return rdd.OnEqual(left, right) }

// If is a further condition on pairs, over the columns of the result, those of a SemiJoin and AntiJoin as they would be in an InnerJoin. Pairs for which it is not true do not match.
func If(condition expr.Expr) JoinOption { return rdd.If(condition) }

// Suffix is put behind the names of the right side's columns that the left side has too. Without it such a name is a mistake.
func Suffix(text string) JoinOption { return rdd.Suffix(text) }

// MaxJoinState limits the memory of what JoinWithin, JoinAsOf and JoinAsOfNow keep, in bytes over all partitions, each of which has an equal share. At the limit the job stops, with the
// operator's name and figures. The default is no limit.
func MaxJoinState(bytes int64) JoinOption { return rdd.MaxJoinState(bytes) }

// keepingState are the settings of a join that keeps rows, checked.
func (j *Job) keepingState(at rdd.Site, op, name string, opts []JoinOption) *rdd.JoinSettings {
	stateSettings(j, at, name, nil)
	s := rdd.JoinSettingsOf(opts)
	if s.Max != 0 && s.Max < 1<<20 {
		j.mistakef(at, "%s: MaxJoinState(%d): at least a MiB", op, s.Max)
	}
	return s
}

// Join gives the pairs of a row of f and a row of o of the same batch that have equal keys: the columns of f, then those of o. Options: On, OnEqual, the kind,
// If, Suffix. A null equals nothing. Pairs come in order of f's rows, each with its partners in order of theirs, and then rows that match nothing, those of
// f first. Rows of different batches are joined by JoinWithin, JoinTable and JoinAsOf.
func (f Frame) Join(o Frame, opts ...JoinOption) Frame { return Frame{f.job, f.f.Join(o.f, opts...)} }
