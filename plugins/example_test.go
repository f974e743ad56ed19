package plugins_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/plugins"
	"github.com/millrace/millrace/plugins/plugintest"
)

type Order struct {
	Product string
	Pieces  int64
	Cents   int64
}

type Price struct {
	Euros float64
}

var price = plugins.With("price", func(o Order) Price {
	return Price{float64(o.Pieces*o.Cents) / 100}
})

var words = plugins.FlatRows("words", func(l struct{ Text string }, emit func(Word)) {
	for _, w := range strings.Fields(l.Text) {
		emit(Word{w})
	}
})

type Word struct{ Word string }

var large = plugins.Filter("large", func(o struct{ Pieces int64 }) bool { return o.Pieces > 100 })

var host = plugins.TryFunc1("host", func(url string) (string, error) {
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		return "", errors.New("a URL without a scheme")
	}
	name, _, _ := strings.Cut(rest, "/")
	return name, nil
})

type Spread struct{ Low, High int64 }

type Range struct{ Range int64 }

var spread = plugins.Aggregated("spread", Spread{1 << 62, -1 << 62},
	func(s Spread, o Order) Spread { return Spread{min(s.Low, o.Cents), max(s.High, o.Cents)} },
	func(a, b Spread) Spread { return Spread{min(a.Low, b.Low), max(a.High, b.High)} },
	func(s Spread) Range { return Range{s.High - s.Low} })

type Session struct{ Orders int64 }

var sessions = plugins.Stateful("sessions", func(user string, orders []Order, st *plugins.State[Session]) []Session {
	if st.Expired() {
		return []Session{st.Get()}
	}
	st.Set(Session{st.Get().Orders + int64(len(orders))})
	st.ExpireAfter(30 * time.Minute)
	return nil
})

type Discount struct {
	Percent int64  `json:"percent"`
	Product string `json:"product"`
}

var discount = plugins.Configured("discount", func(d Discount) (plugins.Operator, error) {
	if d.Percent < 0 || d.Percent > 100 {
		return plugins.Operator{}, fmt.Errorf("percent is %d; it must be 0 to 100", d.Percent)
	}
	return plugins.With("", func(o Order) struct{ Cents int64 } {
		if o.Product == d.Product {
			o.Cents -= o.Cents * d.Percent / 100
		}
		return struct{ Cents int64 }{o.Cents}
	}), nil
})

// TestExamples runs what docs/plugins.md quotes.
func TestExamples(t *testing.T) {
	tea, soap := Order{"tea", 200, 499}, Order{"soap", 2, 150}
	got := fmt.Sprint(
		plugintest.Apply[Order, Price](t, price, tea, soap),
		plugintest.Apply[struct{ Text string }, Word](t, words, struct{ Text string }{" to be "}),
		len(plugintest.Apply[Order, Order](t, large, tea, soap)),
		plugintest.Total[Order, Range](t, spread, tea, soap),
		plugintest.Apply[Order, Order](t, plugintest.Configure(discount, `{"percent": 10, "product": "tea"}`), tea, soap),
	)
	if want := "[{998} {3}] [{to} {be}] 1 {349} [{tea 200 450} {soap 2 150}]"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	s := plugintest.NewSteps[string, Order, Session](t, sessions)
	s.Batch(0, plugintest.Under("ada", tea), plugintest.Under("ada", soap))
	if got := fmt.Sprint(s.Batch(1800_000_000)); got != "[{ada {2}}]" {
		t.Errorf("a session that ended: %s", got)
	}
	if _, err := host.Scalar(nil); err != nil {
		t.Error(err)
	}
}
