package dstream_test

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/expr"
)

// wordCount is a word with how often it was there.
type wordCount struct {
	Word string
	N    int64
}

func (c wordCount) text() string { return fmt.Sprintf("%s×%d", c.Word, c.N) }

func wordFrame(job *dstream.Job) dstream.Frame {
	return dstream.From(job, words.Source()).Frame().Select(expr.Col("value").As("word"))
}

func ExampleWindowed_Agg() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		return wordFrame(job).
			Window(dstream.Tumbling(2*time.Second).ByBatchTime()).
			GroupBy("word").
			Agg("per 2 s", expr.Count().As("n")).
			Select("word", "n").As[wordCount]().Map(wordCount.text)
	}, some("a b a", "a", "c", "")...)
	// Output:
	// batch 1: nothing
	// batch 2: a×3 b×1
	// batch 3: nothing
	// batch 4: c×1
}

func ExampleOnChange() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		return wordFrame(job).
			Window(dstream.Tumbling(3*time.Second).ByBatchTime(), dstream.OnChange()).
			GroupBy("word").
			Agg("so far", expr.Count().As("n")).
			Select("word", "n").As[wordCount]().Map(wordCount.text)
	}, some("a b", "a", "")...)
	// Output:
	// batch 1: a×1 b×1
	// batch 2: a×2
	// batch 3: nothing
}

func ExampleCountWindow() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		return wordFrame(job).Window(dstream.CountWindow(2)).GroupBy("word").Agg("pairs", expr.Count().As("n")).As[wordCount]().Map(wordCount.text)
	}, some("a b", "a", "b a")...)
	// Output:
	// batch 1: nothing
	// batch 2: a×2
	// batch 3: b×2
}

func ExampleGlobal() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		return wordFrame(job).Window(dstream.Global(), dstream.EveryRows(2)).GroupBy("word").Agg("ever", expr.Count().As("n")).As[wordCount]().Map(wordCount.text)
	}, some("a b", "a", "a a")...)
	// Output:
	// batch 1: nothing
	// batch 2: a×2
	// batch 3: a×4
}

func ExampleWindowed_TopN() {
	show(func(job *dstream.Job) dstream.Stream[string] {
		return wordFrame(job).Window(dstream.Tumbling(2*time.Second).ByBatchTime()).TopN("last words", 2, dstream.Desc("word")).Select("word", expr.Col("rank").As("n")).
			As[wordCount]().Map(wordCount.text)
	}, some("a d", "b c")...)
	// Output:
	// batch 1: nothing
	// batch 2: d×1 c×2
}
