// Package agg computes aggregates of column expressions over groups of rows.
//
// A Set is a list of aggregates bound to a schema. Groups is its memory in one task: numbers by group, in dense arrays, so that a loop over a
// chunk is a load, an operation and a store a row. Whoever groups rows (by key, by window) numbers the groups and gives Add the number of each row.
//
//	rows ──Add──▶ Groups ──Partials──▶ columns: shuffled, kept in state ──Merge──▶ Groups ──Results──▶ rows
//
// Partial states are plain columns. Merging them gives what adding all rows in order would have given, whatever the split: bit for bit, but for floating sums and
// variances, whose last bits depend on it (P27), and aggregates of row order, which are right only if partials are merged in the order of their rows.
//
// Counts, sums, averages and variances can take partials back (Retract). Min, max, first, last, distinct counts, quantiles and lists cannot: what would take
// the place of the value that leaves is not kept.
package agg
