// Package parquetfile answers what rows a small Parquet file holds, as columns of a schema that somebody wants: all of them at once. It is for tables that fit in memory, of
// plain columns. It does not write, and reads through Arrow's low-level reader: its convenient one brings Arrow's compute into every job's binary.
package parquetfile
