// Package join is joins on columns: rows of two inputs that have equal keys become one row. A Spec describes a join as data. There is one reducer for rows that
// are in the same batch, and one for rows whose event times are within a bound of each other, which keeps rows of both sides until the watermark
// says that nothing can match them any more.
//
// A row whose key has a null in it matches nothing.
package join
