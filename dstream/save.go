package dstream

import (
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// SaveAsTextFiles writes each row as a line to files in dir, exactly once: To(sink.FilesText(dir, opts...)). Rows must be scalars. Unlike Spark's it makes
// no directory a batch, and no empty files: files roll by size and time, and dir/_manifest says which count.
func (s Stream[T]) SaveAsTextFiles(dir string, opts ...sink.FileOption) {
	s.job.output(rdd.Caller(), s.node(), sink.FilesText(dir, opts...))
}

// SaveAsJSON writes each row as a line of JSON to files in dir, exactly once: To(sink.FilesJSON(dir, opts...)).
func (s Stream[T]) SaveAsJSON(dir string, opts ...sink.FileOption) {
	s.job.output(rdd.Caller(), s.node(), sink.FilesJSON(dir, opts...))
}

// SaveAsParquet writes the rows to Parquet files in dir, exactly once: To(sink.FilesParquet(dir, opts...)).
func (s Stream[T]) SaveAsParquet(dir string, opts ...sink.FileOption) {
	s.job.output(rdd.Caller(), s.node(), sink.FilesParquet(dir, opts...))
}

// SaveAsTextFiles writes lines "key<tab>value" to files in dir, exactly once, as Stream.SaveAsTextFiles does. Values must be scalars; a key of several columns
// is a JSON object. Lines that look as Spark's pairs do, "(key,value)", come from Pairs and a Map to string.
func (s Keyed[K, V]) SaveAsTextFiles(dir string, opts ...sink.FileOption) {
	s.job.output(rdd.Caller(), s.node(), sink.FilesText(dir, opts...))
}

// SaveAsJSON writes each key and value as a line of JSON to files in dir, exactly once: To(sink.FilesJSON(dir, opts...)).
func (s Keyed[K, V]) SaveAsJSON(dir string, opts ...sink.FileOption) {
	s.job.output(rdd.Caller(), s.node(), sink.FilesJSON(dir, opts...))
}

// SaveAsParquet writes keys and values to Parquet files in dir, exactly once: To(sink.FilesParquet(dir, opts...)).
func (s Keyed[K, V]) SaveAsParquet(dir string, opts ...sink.FileOption) {
	s.job.output(rdd.Caller(), s.node(), sink.FilesParquet(dir, opts...))
}

// Cache is s itself: the rows of a batch are computed once, however many operators and sinks read them, and are kept as long as the batch may have to be
// computed again. It is here so that what people bring from Spark compiles.
func (s Stream[T]) Cache() Stream[T] { return s }

// Persist is Cache.
func (s Stream[T]) Persist() Stream[T] { return s }

// Cache is s itself, see Stream.Cache.
func (s Keyed[K, V]) Cache() Keyed[K, V] { return s }

// Persist is Cache.
func (s Keyed[K, V]) Persist() Keyed[K, V] { return s }
