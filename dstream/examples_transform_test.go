package dstream_test

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
)

// A report every third batch, and nothing but the longest word in the others.
func ExampleStream_Transform() {
	longer := func(a, b string) int { return len(a) - len(b) }
	show(func(job *dstream.Job) dstream.Stream[string] {
		return dstream.From(job, words.Source()).Transform(func(b dstream.BatchInfo, r rdd.RDD[string]) rdd.RDD[string] {
			if b.Number%3 == 0 {
				return r.CountByValue().Map(func(word string, n int64) string { return fmt.Sprint(word, "×", n) })
			}
			return r.TopK(1, longer)
		})
	},
		rows(words.Part(0, "a", "mill", "a")),
		rows(words.Part(0, "to", "race")),
		rows(words.Part(0, "a", "mill", "a")))
	// Output:
	// batch 1: mill
	// batch 2: race
	// batch 3: a×2 mill×1
}

// Words that the other stream has in the same batch are left out.
func ExampleStream_TransformWith() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		said, forbidden := dstream.From(job, words.Source()), dstream.From(job, numbers.Source()).Map(func(n int64) string { return fmt.Sprint(n) })
		return said.TransformWith(forbidden, func(_ dstream.BatchInfo, r, not rdd.RDD[string]) rdd.RDD[string] {
			return r.KeyBy(rdd.Self).SubtractByKey(not.KeyBy(rdd.Self)).Keys()
		})
	},
		rows(words.Part(0, "one", "2", "three"), numbers.Part(0, 2, 4)),
		rows(words.Part(0, "2")))
	// Output:
	// batch 1: one three
	// batch 2: 2
}

// Counts of words in odd batches, of lengths in even ones.
func ExampleStream_TransformToKeyed() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return dstream.From(job, words.Source()).TransformToKeyed(func(b dstream.BatchInfo, r rdd.RDD[string]) rdd.Keyed[string, int64] {
			if b.Number%2 == 0 {
				r = r.Map(func(word string) string { return fmt.Sprint(len(word), " letters") })
			}
			return r.CountByValue()
		})
	},
		rows(words.Part(0, "mill", "race", "mill")),
		rows(words.Part(0, "mill", "race", "mile")))
	// Output:
	// batch 1: mill=2 race=1
	// batch 2: 4 letters=3
}

// Words with the numbers of the other stream that have as many digits as they have letters. That stream has keys, and so has the result.
func ExampleStream_TransformWithToKeyed() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[int64, string] {
		said := dstream.From(job, words.Source())
		byDigits := dstream.From(job, numbers.Source()).KeyBy(func(n int64) int64 { return int64(len(fmt.Sprint(n))) })
		return said.TransformWithToKeyed(byDigits, func(_ dstream.BatchInfo, r rdd.RDD[string], o rdd.Keyed[int64, int64]) rdd.Keyed[int64, string] {
			byLetters := r.KeyBy(func(word string) int64 { return int64(len(word)) })
			return byLetters.Join(o, func(word string, n int64) string { return fmt.Sprint(word, n) })
		})
	},
		rows(words.Part(0, "of", "mill"), numbers.Part(0, 10, 3, 20)))
	// Output:
	// batch 1: 2=of10 2=of20
}

// Counts of the batch, and in every second batch of first letters.
func ExampleKeyed_Transform() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, int64] {
		return dstream.From(job, words.Source()).KeyBy(dstream.Self).Transform(
			func(b dstream.BatchInfo, r rdd.Keyed[string, string]) rdd.Keyed[string, int64] {
				if b.Number%2 == 0 {
					r = r.Values().KeyBy(func(word string) string { return word[:1] })
				}
				return r.CountByKey()
			})
	},
		rows(words.Part(0, "mill", "race", "mill")),
		rows(words.Part(0, "mill", "race", "mile")))
	// Output:
	// batch 1: mill=2 race=1
	// batch 2: m=2 r=1
}

// Two keyed streams whose keys differ.
func ExampleKeyed_TransformWith() {
	showKeyed(func(job *dstream.Job) dstream.Keyed[string, string] {
		byWord := dstream.From(job, words.Source()).KeyBy(dstream.Self)
		byNumber := dstream.From(job, numbers.Source()).KeyBy(dstream.Self)
		return byWord.TransformWith(byNumber, func(_ dstream.BatchInfo, r rdd.Keyed[string, string], o rdd.Keyed[int64, int64]) rdd.Keyed[string, string] {
			named := o.Map(func(n, _ int64) string { return strings.Repeat("i", int(n)) }).KeyBy(rdd.Self)
			return r.Join(named, func(word, _ string) string { return "is a number" })
		})
	},
		rows(words.Part(0, "iii", "x"), numbers.Part(0, 3)))
	// Output:
	// batch 1: iii=is a number
}

// The most frequent word of each batch.
func ExampleKeyed_TransformToStream() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		byCount := func(a, b dstream.Pair[string, int64]) int { return int(a.Value - b.Value) }
		return dstream.From(job, words.Source()).CountByValue().TransformToStream(
			func(b dstream.BatchInfo, r rdd.Keyed[string, int64]) rdd.RDD[string] {
				return r.Pairs().TopK(1, byCount).Map(func(p dstream.Pair[string, int64]) string {
					return fmt.Sprintf("%s, %d times in batch %d", p.Key, p.Value, b.Number)
				})
			})
	},
		rows(words.Part(0, "mill", "race", "mill")),
		rows(words.Part(0, "race")))
	// Output:
	// batch 1: mill, 2 times in batch 1
	// batch 2: race, 1 times in batch 2
}

// Counts of the words that the other stream, which has no keys, names as numbers of letters.
func ExampleKeyed_TransformWithToStream() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		counts, lengths := dstream.From(job, words.Source()).CountByValue(), dstream.From(job, numbers.Source())
		return counts.TransformWithToStream(lengths, func(_ dstream.BatchInfo, r rdd.Keyed[string, int64], o rdd.RDD[int64]) rdd.RDD[string] {
			byLength := r.Map(func(word string, n int64) string { return fmt.Sprint(word, "×", n) }).
				KeyBy(func(s string) int64 { return int64(strings.Index(s, "×")) })
			return byLength.Join(o.KeyBy(rdd.Self), func(s string, _ int64) string { return s }).Values()
		})
	},
		rows(words.Part(0, "mill", "of", "mill"), numbers.Part(0, 4)))
	// Output:
	// batch 1: mill×2
}
