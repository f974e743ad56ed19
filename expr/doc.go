// Package expr is what is computed per row, said as data: typed expressions over columns and aggregates. A job builds them with Col, Lit and methods,
//
//	expr.Col("price").Mul(expr.Lit(100)).Gt(expr.Col("limit")).And(expr.Col("state").In("ca", "or"))
//
// and a Frame binds them to its schema when the job is built: unknown columns and types that do not fit are mistakes then, with a near
// name. At run time a bound expression computes whole columns at a time (Eval); what it computes follows from its input alone (I2).
//
// # Types
//
// Columns are booleans, integers of 8 to 64 bits with and without sign, float32 and float64, strings, bytes, timestamps (µs, UTC), decimals of up to 38
// digits, lists, structs and maps. Arithmetic of integers is done and typed in 64 bits (int64; uint64 where both sides are unsigned), of floats in float64; an
// integer beside a float counts as float64, beside a decimal as decimal. A literal takes the other side's type where it fits.
//
// # Nulls and errors
//
// Every function of null is null, but for those that are about null (IsNull, IsNotNull, Coalesce, Case, And, Or). And and Or know three values as SQL does:
// false And null is false, true Or null is true. Filters keep rows that are true. An integer result that does not fit in 64 bits, a decimal of more than 38 digits, and a division of
// integers or decimals by zero are null: one bad row never stops a job. Floats follow IEEE 754.
package expr
