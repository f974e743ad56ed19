package dstream

import (
	"github.com/millrace/millrace/internal/ops"
	"github.com/millrace/millrace/internal/task"
	"github.com/millrace/millrace/rdd"
)

// Number is what accumulators add up.
type Number interface{ ~int64 | ~float64 }

// Acc is an accumulator: a figure beside the rows, such as how many were rejected. It is exact: what functions add in a batch counts once, when the batch is
// committed, however often its tasks were tried (P17). The total outlives restarts with the checkpoint, under the accumulator's name.
type Acc[N Number] struct{ decl *rdd.Accumulator }

// Accumulator is a sum. Sums of floats are added in the order of tasks and rows; int64 wraps around. A job has at most 256 accumulators.
func Accumulator[N Number](job *Job, name string) *Acc[N] {
	return declare[N](job, rdd.Caller(), "Accumulator", name, rdd.SumInt)
}

// MaxAccumulator is the greatest value that was added, 0 before the first.
func MaxAccumulator[N Number](job *Job, name string) *Acc[N] {
	return declare[N](job, rdd.Caller(), "MaxAccumulator", name, rdd.MaxInt)
}

// MinAccumulator is the least value that was added, 0 before the first.
func MinAccumulator[N Number](job *Job, name string) *Acc[N] {
	return declare[N](job, rdd.Caller(), "MinAccumulator", name, rdd.MinInt)
}

func declare[N Number](job *Job, at rdd.Site, op, name string, kind rdd.AccumulatorKind) *Acc[N] {
	if isFloat[N]() {
		kind++ // its float twin
	}
	a := &Acc[N]{&rdd.Accumulator{ID: len(job.shared.Accumulators), Name: name, Kind: kind}}
	if name == "" {
		job.mistakef(at, "%s needs a name: its total is kept under it", op)
		return a
	}
	for _, other := range job.shared.Accumulators {
		if other.Name == name {
			job.mistakef(at, "there is an accumulator %q already; names of accumulators are unique", name)
			return a
		}
	}
	if len(job.shared.Accumulators) == task.MaxAccumulators {
		job.mistakef(at, "accumulator %q is one more than %d: count by key instead, with CountByValue or RunningCount", name, task.MaxAccumulators)
		return a
	}
	job.shared.Accumulators = append(job.shared.Accumulators, a.decl)
	return a
}

func isFloat[N Number]() bool {
	half := N(1)
	return half/2 != 0
}

// Add adds n, in a function that was given t. It counts if this attempt of the task is the one that is accepted.
func (a *Acc[N]) Add(t Task, n N) {
	cell := t.Cell(a.decl)
	switch kind := a.decl.Kind; {
	case cell == nil:
	case kind == rdd.SumInt:
		cell.Int, cell.Set = cell.Int+int64(n), true
	case kind.Float():
		kind.Fold(cell, rdd.Amount{Float: float64(n), Set: true})
	default:
		kind.Fold(cell, rdd.Amount{Int: int64(n), Set: true})
	}
}

// Value is the total over all batches that are published and recorded. It is for the driver's process (ForeachBatch, whoever called driver.Run): it may be
// called there at any time. A batch's callbacks run before the batch is recorded. In executors of their own it is 0.
func (a *Acc[N]) Value() N {
	t := a.decl.Total()
	if a.decl.Kind.Float() {
		return N(t.Float)
	}
	return N(t.Int)
}

// Name is the accumulator's name.
func (a *Acc[N]) Name() string { return a.decl.Name }

// Accumulate adds f(row) to an accumulator for each row, and gives the rows as they are.
func (s Stream[T]) Accumulate[N Number](acc *Acc[N], f func(T) N) Stream[T] {
	add := func(t Task, rows []T) {
		for i := range rows {
			acc.Add(t, f(rows[i]))
		}
	}
	return Stream[T]{s.job, rdd.Of[T](s.job.b, s.job.accumulate(rdd.Caller(), s.node(), acc == nil, f == nil, ops.Accumulate(add)))}
}

// Accumulate adds f(key, value) to an accumulator for each row, and gives the rows as they are.
func (s Keyed[K, V]) Accumulate[N Number](acc *Acc[N], f func(K, V) N) Keyed[K, V] {
	add := func(t Task, keys []K, vals []V) {
		for i := range vals {
			acc.Add(t, f(keys[i], vals[i]))
		}
	}
	return keyed[K, V](s.job, s.job.accumulate(rdd.Caller(), s.node(), acc == nil, f == nil, ops.AccumulatePairs(add)))
}

// accumulate adds a node that hands rows on.
func (j *Job) accumulate(at rdd.Site, in *rdd.Node, noAcc, noFunc bool, k func() rdd.Kernel) *rdd.Node {
	j.b.Need(at, "Accumulate", noFunc)
	if noAcc {
		j.mistakef(at, "Accumulate needs an accumulator, not nil; make one with Accumulator")
	}
	return j.b.Add(at, &rdd.Node{Kind: rdd.Narrow, Op: "accumulate", In: []*rdd.Node{in}, Key: in.Key, Val: in.Val, Kernel: k})
}
