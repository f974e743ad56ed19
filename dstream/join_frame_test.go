package dstream_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/dstream/dstreamtest"
	"github.com/millrace/millrace/expr"
)

// lefty and righty are the two sides of joins in tests.
type lefty struct {
	ID *int64
	L  string
}

type righty struct {
	ID *int64
	R  string
	N  int64
}

type both struct {
	ID *int64
	L  *string
	R  *string
	N  *int64
}

// ref joins all rows at once, in the plainest way.
func refJoin(kind dstream.JoinKind, ls []lefty, rs []righty, match func(lefty, righty) bool) (out []both) {
	hit := map[int]bool{}
	for _, l := range ls {
		found := false
		for j, r := range rs {
			if l.ID != nil && r.ID != nil && *l.ID == *r.ID && match(l, r) {
				found, hit[j] = true, true
				if kind != dstream.SemiJoin && kind != dstream.AntiJoin {
					out = append(out, both{l.ID, &l.L, &r.R, &r.N})
				}
			}
		}
		if found && kind == dstream.SemiJoin || !found && (kind == dstream.LeftJoin || kind == dstream.FullJoin || kind == dstream.AntiJoin) {
			out = append(out, both{ID: l.ID, L: &l.L})
		}
	}
	for j, r := range rs {
		if !hit[j] && (kind == dstream.RightJoin || kind == dstream.FullJoin) {
			out = append(out, both{ID: r.ID, R: &r.R, N: &r.N})
		}
	}
	return out
}

// wide brings rows of any kind of join into one form.
func wide(f dstream.Frame, kind dstream.JoinKind) dstream.Stream[both] {
	if kind == dstream.SemiJoin || kind == dstream.AntiJoin {
		return f.As[lefty]().Map(func(l lefty) both { return both{ID: l.ID, L: &l.L} })
	}
	return nullable(f, kind)
}

// nullable reads the columns of a join, which are null where its kind may leave a side out.
func nullable(f dstream.Frame, kind dstream.JoinKind) dstream.Stream[both] {
	type strict struct {
		ID int64
		L  string
		R  string
		N  int64
	}
	type left struct {
		ID *int64
		L  string
		R  *string
		N  *int64
	}
	type right struct {
		ID *int64
		L  *string
		R  string
		N  int64
	}
	switch kind {
	case dstream.LeftJoin:
		return f.As[left]().Map(func(v left) both { return both{v.ID, &v.L, v.R, v.N} })
	case dstream.RightJoin:
		return f.As[right]().Map(func(v right) both { return both{v.ID, v.L, &v.R, &v.N} })
	case dstream.FullJoin:
		return f.As[both]()
	}
	return f.As[strict]().Map(func(v strict) both { return both{&v.ID, &v.L, &v.R, &v.N} })
}

var joinKinds = []dstream.JoinKind{dstream.InnerJoin, dstream.LeftJoin, dstream.RightJoin, dstream.FullJoin, dstream.SemiJoin, dstream.AntiJoin}

func kindName(k dstream.JoinKind) string {
	return [...]string{"inner", "left", "right", "full", "semi", "anti"}[k]
}

// sides are random rows in batches: keys of few values and nulls.
func sides(seed uint64) (ls [][]lefty, rs [][]righty) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	key := func() *int64 {
		if rnd.IntN(6) == 0 {
			return nil
		}
		return new(int64(rnd.IntN(4)))
	}
	for b := range 3 {
		var l []lefty
		for i := range rnd.IntN(9) {
			l = append(l, lefty{key(), fmt.Sprint("l", b, i)})
		}
		var r []righty
		for i := range rnd.IntN(9) {
			r = append(r, righty{key(), fmt.Sprint("r", b, i), int64(rnd.IntN(3))})
		}
		ls, rs = append(ls, l), append(rs, r)
	}
	return append(ls, nil), append(rs, []righty{{new(int64(1)), "last", 1}})
}

func TestJoinInBatch(t *testing.T) {
	conditions := map[string]func(lefty, righty) bool{
		"":       func(lefty, righty) bool { return true },
		"n <> 1": func(_ lefty, r righty) bool { return r.N != 1 },
	}
	for _, kind := range joinKinds {
		for text, match := range conditions {
			t.Run(kindName(kind)+" "+text, func(t *testing.T) {
				ls, rs := sides(uint64(len(text) + int(kind)))
				var want [][]both
				for i := range ls {
					want = append(want, refJoin(kind, ls[i], rs[i], match))
				}
				opts := []dstream.JoinOption{kind, dstream.On("id")}
				if text != "" {
					opts = append(opts, dstream.If(expr.Col("n").Ne(1)))
				}
				dstreamtest.Check2(t, func(a dstream.Stream[lefty], b dstream.Stream[righty]) dstream.Stream[both] {
					return wide(a.Frame().Join(b.Frame(), opts...), kind)
				}, ls, rs, want)
			})
		}
	}
}

func TestJoinMistakes(t *testing.T) {
	job := dstream.NewJob(dstream.JobOptions{})
	l := dstream.From(job, dstreamtest.Input[lefty]("l").Source()).Frame()
	r := dstream.From(job, dstreamtest.Input[righty]("r").Source()).Frame()
	l.Join(r)
	l.Join(r, dstream.On("idd"))
	l.Join(r, dstream.OnEqual(expr.Col("id"), expr.Col("r")))
	l.Join(r, dstream.OnEqual(expr.Col("l"), expr.Col("r")))
	l.Join(r, dstream.On("id"), dstream.If(expr.Col("n")))
	l.Join(l, dstream.On("id"))
	l.Join(l, dstream.On("id"), dstream.Suffix("_2")) // right
	_, err := job.Plan()
	if err == nil {
		t.Fatal("no mistakes")
	}
	for i, want := range []string{
		`join: nothing to join on; name columns with On`,
		`did you mean "id"?`,
		`id is int64 and r is utf8; equal values need one type`,
		`both sides have a column "id"; give those of the right other names with Suffix`,
		`n is int64, not a boolean`,
		`both sides have a column "l"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("mistake %d: %q is not in\n%v", i, want, err)
		}
	}
}
