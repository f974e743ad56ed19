package rdd

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// Collect computes r and gives its rows, in (partition, row) order. ctx comes from driver.RunBatch or ForeachBatch. Mistakes that were made
// while r was described are its error. Everything is in memory at once.
func (r RDD[T]) Collect(ctx context.Context) ([]T, error) {
	if r.b == nil {
		return nil, fmt.Errorf("an RDD that was made from nothing; begin with source.Read or rdd.Parallelize")
	}
	if err := r.b.mistaken(); err != nil {
		return nil, err
	}
	if rows, ok := r.node.Held.([]T); ok {
		return slices.Clone(rows), nil
	}
	recs, err := compute(ctx, r.node)
	if err != nil {
		return nil, err
	}
	return rowsOf[T](r.node, recs, 0)
}

// NumRows computes r and counts its rows; Count is the same as one row of another RDD.
func (r RDD[T]) NumRows(ctx context.Context) (int64, error) {
	if rows, ok := r.node.Held.([]T); ok {
		return int64(len(rows)), r.b.mistaken()
	}
	counts, err := r.Count().Collect(ctx)
	if err != nil || len(counts) == 0 {
		return 0, err
	}
	return counts[0], nil
}

// Take computes r and gives its first n rows, fewer if there are fewer.
func (r RDD[T]) Take(ctx context.Context, n int) ([]T, error) {
	rows, err := r.Collect(ctx)
	return rows[:min(max(n, 0), len(rows))], err
}

// Rows computes r and goes through its rows, in (partition, row) order. An error comes once, with a zero row, and ends it.
func (r RDD[T]) Rows(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		rows, err := r.Collect(ctx)
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		for i := range rows {
			if !yield(rows[i], nil) {
				return
			}
		}
	}
}

// Persist computes r now and gives its rows as an RDD that is not computed again, however much is made of it.
func (r RDD[T]) Persist(ctx context.Context) (RDD[T], error) {
	rows, err := r.Collect(ctx)
	return inMemory(&Builder{}, Caller(), rows), err
}

// Collect computes r and gives its keys and values, in (partition, row) order, see RDD.Collect.
func (r Keyed[K, V]) Collect(ctx context.Context) (keys []K, values []V, err error) {
	if err := r.b.mistaken(); err != nil {
		return nil, nil, err
	}
	if p, ok := r.node.Held.(pairs[K, V]); ok {
		return slices.Clone(p.keys), slices.Clone(p.values), nil
	}
	recs, err := compute(ctx, r.node)
	if err != nil {
		return nil, nil, err
	}
	n := r.node.Key.Schema().NumFields()
	for _, rec := range recs {
		part, err := r.node.Key.Rows(rec.Columns()[:n], nil)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, part.([]K)...)
	}
	values, err = rowsOf[V](r.node, recs, n)
	return keys, values, err
}

// NumRows computes r and counts its rows.
func (r Keyed[K, V]) NumRows(ctx context.Context) (int64, error) {
	if p, ok := r.node.Held.(pairs[K, V]); ok {
		return int64(len(p.keys)), r.b.mistaken()
	}
	return r.Values().NumRows(ctx)
}

// Take computes r and gives its first n keys and values, fewer if there are fewer.
func (r Keyed[K, V]) Take(ctx context.Context, n int) (keys []K, values []V, err error) {
	keys, values, err = r.Collect(ctx)
	n = min(max(n, 0), len(keys))
	return keys[:n], values[:n], err
}

// Rows computes r and goes through its keys and values, in (partition, row) order. Before the loop it gives the error, with an empty sequence.
func (r Keyed[K, V]) Rows(ctx context.Context) (iter.Seq2[K, V], error) {
	keys, values, err := r.Collect(ctx)
	return func(yield func(K, V) bool) {
		for i := range keys {
			if !yield(keys[i], values[i]) {
				return
			}
		}
	}, err
}

// CollectMap computes r and gives its last value of each key.
func CollectMap[K comparable, V any](ctx context.Context, r Keyed[K, V]) (map[K]V, error) {
	keys, values, err := r.Collect(ctx)
	m := make(map[K]V, len(keys))
	for i, k := range keys {
		m[k] = values[i]
	}
	return m, err
}

// compute runs what leads to n.
func compute(ctx context.Context, n *Node) ([]Record, error) {
	run, err := RunnerOf(ctx)
	if err != nil {
		return nil, err
	}
	p, err := Bounded(n)
	if err != nil {
		return nil, err
	}
	return run.Run(ctx, p)
}

// rowsOf are the values of n's rows, whose columns begin at first.
func rowsOf[T any](n *Node, recs []Record, first int) ([]T, error) {
	var rows []T
	for _, rec := range recs {
		part, err := n.Val.Rows(rec.Columns()[first:], nil)
		if err != nil {
			return nil, err
		}
		rows = append(rows, part.([]T)...)
	}
	return rows, nil
}
