// Package expr is what is computed per row, said as data: typed expressions over columns and aggregates. A job builds them with Col, Lit and methods,
//
//	expr.Col("price").Mul(100).Gt(expr.Col("limit")).And(expr.Col("state").In("ca", "or"))
//
// and a Frame binds them to its schema when the job is built: unknown columns and types that do not fit are mistakes then, with a near
// name. At run time a bound expression computes whole columns at a time (Eval); what it computes follows from its input alone (I2).
// docs/expressions.md has all functions in a table.
//
// # Types
//
// Columns are booleans, integers of 8 to 64 bits with and without sign, float32 and float64, text, bytes, timestamps (µs, UTC), decimals of up to 38
// digits, lists, structs and maps. Arithmetic of integers is done and typed in 64 bits (int64; uint64 where both sides are unsigned), of floats in float64; an
// integer beside a float counts as float64, beside a decimal as decimal; a decimal beside a float counts as float64. A constant takes the other side's type where it fits
// there without loss, a text beside a timestamp included. Nothing else is converted: see Cast.
//
// # Nulls and errors
//
// Every function of null is null, but for those that are about null (IsNull, IsNotNull, Coalesce, Case, Least, Greatest, And, Or). And and Or know three values as SQL does:
// false And null is false, true Or null is true. Filters keep rows that are true. An integer result that does not fit in 64 bits, a decimal of more than 38 digits, and a division of
// integers or decimals by zero are null: one bad row never stops a job. A uint64 above the range of int64 counts as null beside a signed integer, but for comparisons, which are
// exact. Floats follow IEEE 754.
//
// A Cast, ParseTime or user's function that does not accept a value fails the row: it is left out and set aside (Eval.Failed). What a condition
// keeps from being asked (And, Or, Case, Coalesce) does not fail.
//
// # Places
//
// Places in texts, lists and JSON count from 0; negative ones from the end.
//
// # How it is computed
//
// bind.go resolves names and types and chooses kernels; eval.go is what a task calls; kernel.go has frames (dense rows), the memory of intermediate results and what
// kernels are made of. The rest is functions by group: their constructors, how they are bound, and their loops.
package expr
