package check

import (
	"slices"
	"time"

	"github.com/millrace/millrace/bench/gen"
)

// model computes a query in plain Go: event takes the events in order of time, end follows the last.
type model interface {
	event(e gen.Event)
	end()
}

// models are Nexmark's queries, with the columns of their results.
var models = map[string]struct {
	columns []string
	new     func(out *rows) model
}{
	"q0": {[]string{"auction", "bidder", "price", "date_time"}, func(out *rows) model {
		return perBid(func(e gen.Event) { out.expect(e.At, e.Auction, e.Bidder, e.Price, e.At) })
	}},
	"q1": {[]string{"auction", "bidder", "price", "date_time"}, func(out *rows) model {
		return perBid(func(e gen.Event) { out.expect(e.At, e.Auction, e.Bidder, float64(e.Price*908)/1000, e.At) })
	}},
	"q2": {[]string{"auction", "price"}, func(out *rows) model {
		return perBid(func(e gen.Event) {
			if slices.Contains([]int64{1007, 1020, 2001, 2019, 2087}, e.Auction) {
				out.expect(e.At, e.Auction, e.Price)
			}
		})
	}},
	"q3": {[]string{"name", "city", "state", "id"}, func(out *rows) model { return &localModel{out: out, persons: map[int64]gen.Event{}} }},
	"q4": {[]string{"category", "avg"}, func(out *rows) model { return &averageModel{auctionsModel: newAuctions(), out: out} }},
	"q5": {[]string{"auction", "num"}, func(out *rows) model { return &hotModel{out: out, windows: map[int64]map[int64]int64{}} }},
	"q6": {[]string{"seller", "avg"}, func(out *rows) model { return &recentModel{auctionsModel: newAuctions(), out: out} }},
	"q7": {[]string{"auction", "price", "bidder", "date_time"}, func(out *rows) model { return &highestModel{out: out, windows: map[int64][]gen.Event{}} }},
	"q8": {[]string{"id", "name", "starttime"}, func(out *rows) model {
		return &newcomers{out: out, persons: map[int64]gen.Event{}, opened: map[[2]int64]bool{}}
	}},
}

// perBid is a query of which each row comes from one bid.
type perBid func(e gen.Event)

func (f perBid) event(e gen.Event) {
	if e.Kind == gen.BidKind {
		f(e)
	}
}

func (f perBid) end() {}

// localModel is q3. Sellers have come before their auctions.
type localModel struct {
	out     *rows
	persons map[int64]gen.Event
}

func (m *localModel) event(e gen.Event) {
	switch e.Kind {
	case gen.PersonKind:
		m.persons[e.ID] = e
	case gen.AuctionKind:
		if p := m.persons[e.Seller]; e.Category == 10 && slices.Contains([]string{"or", "id", "ca"}, p.State) {
			m.out.expect(e.At, p.Name, p.City, p.State, e.ID)
		}
	}
}

func (m *localModel) end() {}

// auctionsModel keeps of each auction the highest and the lowest of its bids that came in time.
type auctionsModel struct {
	auctions map[int64]*saleModel
	order    []int64
}

type saleModel struct {
	auction         gen.Event
	highest, lowest int64
	at              time.Time // of the lowest
}

func newAuctions() auctionsModel { return auctionsModel{auctions: map[int64]*saleModel{}} }

func (m *auctionsModel) event(e gen.Event) {
	switch e.Kind {
	case gen.AuctionKind:
		m.auctions[e.ID] = &saleModel{auction: e}
		m.order = append(m.order, e.ID)
	case gen.BidKind:
		s := m.auctions[e.Auction]
		if e.At.After(s.auction.Expires) {
			return
		}
		s.highest = max(s.highest, e.Price)
		if s.lowest == 0 || e.Price < s.lowest {
			s.lowest, s.at = e.Price, e.At
		}
	}
}

// averageModel is q4.
type averageModel struct {
	auctionsModel
	out *rows
}

func (m *averageModel) end() {
	var sums, counts [100]int64
	for _, s := range m.auctions {
		if s.highest > 0 {
			sums[s.auction.Category] += s.highest
			counts[s.auction.Category]++
		}
	}
	for category, n := range counts {
		if n > 0 {
			m.out.expect(time.Time{}, int64(category), float64(sums[category])/float64(n))
		}
	}
}

// recentModel is q6.
type recentModel struct {
	auctionsModel
	out *rows
}

func (m *recentModel) end() {
	bySeller := map[int64][]*saleModel{}
	for _, id := range m.order {
		if s := m.auctions[id]; s.lowest > 0 {
			bySeller[s.auction.Seller] = append(bySeller[s.auction.Seller], s)
		}
	}
	for seller, sales := range bySeller {
		slices.SortFunc(sales, func(a, b *saleModel) int { return a.at.Compare(b.at) })
		for i := range sales {
			sum, recent := int64(0), sales[max(0, i-10):i+1]
			for _, s := range recent {
				sum += s.lowest
			}
			m.out.expect(time.Time{}, seller, float64(sum)/float64(len(recent)))
		}
	}
}

// hotModel is q5: counts by the window's start, in seconds, and auction.
type hotModel struct {
	out     *rows
	windows map[int64]map[int64]int64
}

func (m *hotModel) event(e gen.Event) {
	if e.Kind != gen.BidKind {
		return
	}
	last := e.At.Unix() / 2 * 2
	for start := last; start > last-10; start -= 2 {
		if m.windows[start] == nil {
			m.windows[start] = map[int64]int64{}
		}
		m.windows[start][e.Auction]++
	}
}

func (m *hotModel) end() {
	for start, counts := range m.windows {
		most := int64(0)
		for _, n := range counts {
			most = max(most, n)
		}
		for auction, n := range counts {
			if n == most {
				m.out.expect(behind(time.Unix(start+10, 0)), auction, n)
			}
		}
	}
}

// highestModel is q7: the highest bids of each window so far, by its start in seconds.
type highestModel struct {
	out     *rows
	windows map[int64][]gen.Event
}

func (m *highestModel) event(e gen.Event) {
	if e.Kind != gen.BidKind {
		return
	}
	start := e.At.Unix() / 10 * 10
	switch best := m.windows[start]; {
	case len(best) == 0 || e.Price > best[0].Price:
		m.windows[start] = []gen.Event{e}
	case e.Price == best[0].Price:
		m.windows[start] = append(best, e)
	}
}

func (m *highestModel) end() {
	for start, best := range m.windows {
		for _, e := range best {
			m.out.expect(behind(time.Unix(start+10, 0)), e.Auction, e.Price, e.Bidder, e.At)
		}
	}
}

// newcomers is q8.
type newcomers struct {
	out     *rows
	persons map[int64]gen.Event
	opened  map[[2]int64]bool // seller and the window's start in seconds
}

func (m *newcomers) event(e gen.Event) {
	switch e.Kind {
	case gen.PersonKind:
		m.persons[e.ID] = e
	case gen.AuctionKind:
		m.opened[[2]int64{e.Seller, e.At.Unix() / 10 * 10}] = true
	}
}

func (m *newcomers) end() {
	for o := range m.opened {
		if p := m.persons[o[0]]; p.At.Unix()/10*10 == o[1] {
			start := time.Unix(o[1], 0)
			m.out.expect(behind(start.Add(10*time.Second)), p.ID, p.Name, start)
		}
	}
}
