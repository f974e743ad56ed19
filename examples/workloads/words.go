package workloads

import (
	"cmp"
	"strings"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/expr"
)

// wordCount is W1: running count per word, changed counts out in each batch.
func (s *Settings) wordCount(j *dstream.Job) {
	dstream.From(j, s.text("lines")).
		FlatMap(strings.Fields).
		KeyBy(dstream.Self).
		RunningCount("words").
		To(s.output("out-w1"))
}

// wordsOf are those of the lines, a row each.
func (s *Settings) wordsOf(j *dstream.Job) dstream.Frame {
	return dstream.From(j, s.text("lines")).Frame().
		Select(expr.Col("value").Split(" ").As("words")).
		Explode("words", "word")
}

func (s *Settings) wordCountFrame(j *dstream.Job) {
	s.wordsOf(j).
		GroupBy("word").
		Running("words").
		Agg(expr.Count().As("count")).
		KeyBy("word").
		To(s.output("out-w1"))
}

// Wanted is the word that W2 looks for.
const Wanted = "w777"

// Hits is W2's output.
type Hits struct{ Count int64 }

// grep is W2: how many lines of each batch hold a word.
func (s *Settings) grep(j *dstream.Job) {
	dstream.From(j, s.text("lines")).
		Filter(holdsWord).
		Count().
		Map(func(n int64) Hits { return Hits{n} }).
		To(s.output("out-w2"))
}

// holdsWord tells whether the word is in a line, with white space or nothing before and behind it.
func holdsWord(line string) bool {
	for from := 0; ; {
		i := strings.Index(line[from:], Wanted)
		if i < 0 {
			return false
		}
		i, from = from+i, from+i+len(Wanted)
		if (i == 0 || line[i-1] == ' ') && (from == len(line) || line[from] == ' ') {
			return true
		}
	}
}

// grepFrame has a cheap condition before one that is dear and exact.
func (s *Settings) grepFrame(j *dstream.Job) {
	line := expr.Col("value")
	dstream.From(j, s.text("lines")).Frame().
		Where(line.Contains(Wanted)).
		Where(expr.Concat(" ", line, " ").Contains(" " + Wanted + " ")).
		GroupBy().
		Agg(expr.Count().As("count")).
		To(s.output("out-w2"))
}

// TopWindow is the length of W3's window, TopN how many words it shows.
const (
	TopWindow = 30 * time.Second
	TopN      = 10
)

// Ranked is a word of W3's output.
type Ranked struct {
	Word  string
	Count int64
}

// shown is a ranked word with the end of its window.
type shown struct {
	End time.Time
	Ranked
}

// topTen is W3: the most frequent words of a window that slides by the batch interval, by (end of the window): counts from the highest down, equal ones by word.
func (s *Settings) topTen(j *dstream.Job) {
	dstream.From(j, s.text("lines")).
		FlatMap(strings.Fields).
		KeyBy(dstream.Self).
		MapValues(func(string) int64 { return 1 }).
		ReduceByKeyAndWindow("words", func(a, b int64) int64 { return a + b }, TopWindow, s.Slide, dstream.Inverse(func(a, b int64) int64 { return a - b })).
		All().
		Map(func(word string, n int64) Ranked { return Ranked{word, n} }).
		TopK(TopN, func(a, b Ranked) int { return cmp.Or(cmp.Compare(a.Count, b.Count), cmp.Compare(b.Word, a.Word)) }).
		MapTask(func(t dstream.Task, r Ranked) shown { return shown{t.Time(), r} }).
		KeyBy(func(s shown) time.Time { return s.End }).
		MapValues(func(s shown) Ranked { return s.Ranked }).
		To(s.output("out-w3"))
}

func (s *Settings) topTenFrame(j *dstream.Job) {
	s.wordsOf(j).
		Window(dstream.Sliding(TopWindow, s.Slide).ByBatchTime()).
		GroupBy("word").
		Agg("words", expr.Count().As("count")).
		GroupBy("window_end").
		TopN(TopN, expr.Col("count").Desc(), "word").
		Select("window_end", "word", "count").
		KeyBy("window_end").
		To(s.output("out-w3"))
}
