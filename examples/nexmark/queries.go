package nexmark

import (
	"slices"
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/expr"
)

// Query is one of Nexmark's.
type Query struct {
	Build func(House) dstream.Frame
	Key   []string // of a result that changes: the last row of each key counts. nil: all rows count
}

// Queries are those that are here, by their names in the benchmark.
var Queries = map[string]Query{
	"q0":   {Build: passThrough},
	"q1":   {Build: currency},
	"q2":   {Build: selection},
	"q3":   {Build: localItems},
	"q4":   {Build: averagePrice},
	"q5":   {Build: hotItems},
	"q6":   {Build: recentPrices},
	"q7":   {Build: highestBid},
	"q8":   {Build: newUsers},
	"q11":  {Build: sessions},
	"q14":  {Build: calculation},
	"q15":  {Build: daily, Key: []string{"day"}},
	"q17":  {Build: auctionStatistics, Key: []string{"auction", "day"}},
	"q20":  {Build: expanded},
	"q21":  {Build: channels},
	"q22":  {Build: directories},
	"q103": {Build: popular, Key: []string{"auction_id"}},
}

func c(name string) expr.Expr { return expr.Col(name) }

// passThrough is q0: the bids.
func passThrough(h House) dstream.Frame {
	return h.Bids().Select("auction", "bidder", "price", "date_time")
}

// euros is a price in another currency, exactly.
func euros() expr.Expr {
	return expr.Lit("0.908").Cast(expr.Decimal(4, 3)).Mul(c("price").Cast(expr.Decimal(19, 0))).As("price")
}

// currency is q1.
func currency(h House) dstream.Frame {
	return h.Bids().Select("auction", "bidder", euros(), "date_time")
}

// selection is q2: bids on certain auctions.
func selection(h House) dstream.Frame {
	return h.Bids().Where(c("auction").In(1007, 1020, 2001, 2019, 2087)).Select("auction", "price")
}

// localItems is q3: who sells in a category in certain states.
func localItems(h House) dstream.Frame {
	return h.Auctions().Where(c("category").Eq(10)).
		JoinWithin("q3", h.Persons().Where(c("state").In("or", "id", "ca")).Rename("id", "person"), dstream.Within(24*time.Hour, 24*time.Hour),
			dstream.OnEqual(c("seller"), c("person")), dstream.Suffix("_person")).
		Select("name", "city", "state", "id")
}

// placed is auctions with the bids that were placed while they ran. The join keeps a day of both: only what the queries ask for.
func placed(h House, name string) dstream.Frame {
	return h.Auctions().Select("id", "seller", "category", "date_time", "expires").
		JoinWithin(name, h.Bids().Select("auction", "price", "date_time"), dstream.Within(0, 24*time.Hour),
			dstream.OnEqual(c("id"), c("auction")), dstream.Suffix("_bid"), dstream.If(c("date_time_bid").Le(c("expires"))))
}

// averagePrice is q4: the average of the winning bids in each category.
func averagePrice(h House) dstream.Frame {
	return placed(h, "q4").
		Window(dstream.Global()).GroupBy("id", "category").Agg("q4 winners", expr.Max("price").As("final")).
		Window(dstream.Global()).GroupBy("category").Agg("q4 averages", expr.Avg("final").As("avg")).
		Select("category", "avg")
}

// hotItems is q5: the auctions with the most bids in each window. All results of a window come in one batch, so those are ranked batch by batch.
func hotItems(h House) dstream.Frame {
	counts := h.Bids().Window(dstream.Sliding(10*time.Second, 2*time.Second)).GroupBy("auction").Agg("q5", expr.Count().As("num"))
	most := counts.GroupBy("window_start").Agg(expr.Max("num").As("most"))
	return counts.Join(most.Rename("window_start", "start"), dstream.OnEqual(c("window_start"), c("start")), dstream.If(c("num").Eq(c("most")))).Select("auction", "num")
}

// sold is an auction with the bid that decided it.
type sold struct {
	ID     int64
	Seller int64
	Price  *int64
	At     *time.Time
}

// average is a seller's, over some auctions.
type average struct {
	Seller int64
	Avg    float64
}

// recentPrices is q6, as the data set has it: for each auction the lowest bid, and over those of a seller, in order of time, the average of each and the ten before it. What no
// expression says is a function over rows: Frame to rows and back.
func recentPrices(h House) dstream.Frame {
	return placed(h, "q6").
		Window(dstream.Global()).GroupBy("id", "seller").Agg("q6 lowest", expr.Min("price").As("price"), expr.MinBy("date_time_bid", "price").As("at")).
		As[sold]().
		KeyBy(func(s sold) int64 { return s.Seller }).
		GroupByKey().
		FlatMapValues(averages).Values().Frame()
}

// averages are those of one seller's auctions.
func averages(all []sold) []average {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b sold) int { return a.At.Compare(*b.At) })
	var out []average
	for i, s := range all {
		recent, sum := all[max(0, i-10):i+1], 0.0
		for _, r := range recent {
			sum += float64(*r.Price)
		}
		out = append(out, average{s.Seller, sum / float64(len(recent))})
	}
	return out
}

// highestBid is q7: the highest bids of each window.
func highestBid(h House) dstream.Frame {
	highest := h.Bids().Window(dstream.Tumbling(10*time.Second)).Agg("q7 highest", expr.Max("price").As("highest"))
	return h.Bids().Select("auction", "price", "bidder", "date_time").
		JoinWithin("q7", highest, dstream.Within(time.Microsecond, 10*time.Second-time.Microsecond), dstream.OnEqual(c("price"), c("highest"))).
		Select("auction", "price", "bidder", "date_time")
}

// newUsers is q8: persons who opened an auction in the window in which they came.
func newUsers(h House) dstream.Frame {
	window := dstream.Tumbling(10 * time.Second)
	came := h.Persons().Window(window).GroupBy("id", "name").Agg("q8 persons", expr.Count().As("came"))
	opened := h.Auctions().Window(window).GroupBy("seller").Agg("q8 sellers", expr.Count().As("opened"))
	return came.JoinWithin("q8", opened, dstream.Within(0, 0), dstream.OnEqual(c("id"), c("seller")), dstream.Suffix("_auction")).
		Select("id", "name", c("window_start").As("starttime"))
}

// sessions is q11: bids of each bidder until there was none for ten seconds.
func sessions(h House) dstream.Frame {
	return h.Bids().Window(dstream.Session(10*time.Second)).GroupBy("bidder").Agg("q11", expr.Count().As("bid_count")).
		Select("bidder", "bid_count", c("window_start").As("starttime"), c("window_end").As("endtime"))
}

// calculation is q14.
func calculation(h House) dstream.Frame {
	hour := c("date_time").Extract("hour")
	return h.Bids().Select("auction", "bidder", euros(),
		expr.When(hour.Between(8, 18), "dayTime").When(hour.Le(6).Or(hour.Ge(20)), "nightTime").Else("otherTime").As("bidTimeType"),
		"date_time", c("extra").Length().Sub(c("extra").Replace("c", "").Length()).As("c_counts")).
		Where(c("price").Gt(1_000_000).And(c("price").Lt(50_000_000)))
}

// rank is a condition on the price, from 1.
func rank(n int) expr.Expr {
	return []expr.Expr{c("price").Lt(10_000), c("price").Between(10_000, 999_999), c("price").Ge(1_000_000)}[n-1]
}

// ranked is an aggregate of all bids, and of those of each rank.
func ranked(name string, of expr.Agg) []expr.Agg {
	return []expr.Agg{
		of.As("total_" + name), of.Where(rank(1)).As("rank1_" + name), of.Where(rank(2)).As("rank2_" + name), of.Where(rank(3)).As("rank3_" + name),
	}
}

// days are the bids with their day.
func days(h House) dstream.Frame { return h.Bids().With("day", c("date_time").Format("2006-01-02")) }

// daily is q15: statistics of each day.
func daily(h House) dstream.Frame {
	aggs := append(ranked("bids", expr.Count()), ranked("bidders", expr.CountDistinct("bidder"))...)
	return days(h).GroupBy("day").Running("q15").Agg(append(aggs, ranked("auctions", expr.CountDistinct("auction"))...)...)
}

// auctionStatistics is q17: of each auction and day.
func auctionStatistics(h House) dstream.Frame {
	return days(h).GroupBy("auction", "day").Running("q17").Agg(append(ranked("bids", expr.Count()),
		expr.Min("price").As("min_price"), expr.Max("price").As("max_price"), expr.Avg("price").As("avg_price"), expr.Sum("price").As("sum_price"))...)
}

// expanded is q20: bids with their auctions of a category.
func expanded(h House) dstream.Frame {
	return h.Bids().JoinWithin("q20", h.Auctions().Where(c("category").Eq(10)).Rename("date_time", "auction_date_time"), dstream.Within(24*time.Hour, 24*time.Hour),
		dstream.OnEqual(c("auction"), c("id"))).
		Select("auction", "bidder", "price", "channel", c("date_time").As("bid_date_time"), "initial_bid", "reserve", "auction_date_time", "expires", "seller", "category")
}

// channels is q21: known channels by name, others by what their address says.
func channels(h House) dstream.Frame {
	name := c("channel").Lower()
	return h.Bids().Select("auction", "bidder", "price", "channel",
		expr.When(name.Eq("apple"), "0").When(name.Eq("google"), "1").When(name.Eq("facebook"), "2").When(name.Eq("baidu"), "3").
			Else(c("url").ExtractRegexp("(&|^)channel_id=([^&]*)", 2)).As("channel_id")).
		Where(c("channel_id").IsNotNull())
}

// directories is q22: parts of the address.
func directories(h House) dstream.Frame {
	part := func(i int, name string) expr.Expr { return c("url").SplitPart("/", i).As(name) }
	return h.Bids().Select("auction", "bidder", "price", "channel", part(3, "dir1"), part(4, "dir2"), part(5, "dir3"))
}

// popular is q103: auctions with twenty bids and more.
func popular(h House) dstream.Frame {
	return h.Bids().GroupBy("auction").Running("q103").Agg(expr.Count().As("bids")).Where(c("bids").Ge(20)).Select(c("auction").As("auction_id"))
}
