package gen

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

// Nexmark's proportions, in turns of 50 events: a person, three auctions, 46 bids.
const (
	perTurn         = 50
	auctionsPerTurn = 3
	bidsPerTurn     = 46

	// NexmarkStep is the event time between two events of a run that is not paced: 10,000 events a second.
	NexmarkStep = 100 * time.Microsecond

	firstID      = 1000 // of persons and of auctions
	inFlight     = 100  // auctions that are bid on: the last ones
	activePeople = 1000 // persons who sell and bid: the last ones
	hotSpan      = 100  // the hot auction, seller and bidder change so often: the last whose number is a multiple
	priceUnit    = 10_000
)

// Topics of Nexmark's events, by Kind.
var Topics = [...]string{"person", "auction", "bid"}

// Kind is what an event of Nexmark is.
type Kind int

// The kinds.
const (
	PersonKind Kind = iota
	AuctionKind
	BidKind
)

// Event is one of Nexmark's. Which fields count depends on the kind; ID is a person's or an auction's.
type Event struct {
	Kind Kind
	At   time.Time
	ID   int64

	Name, City, State string // person

	Seller, Category, Initial, Reserve int64 // auction
	Expires                            time.Time

	Auction, Bidder, Price int64 // bid
	Channel, URL           string

	noise uint64 // what fills the texts that no query here reads
}

// Nexmark makes the events of an auction house, deterministic from a seed: event i comes at start + i × step. Every time is another one, and so is every price
// among the bids on an auction (its last four digits are the bid's number), so that each query has one answer.
type Nexmark struct {
	r     *rand.Rand
	i     int64
	start time.Time
	step  time.Duration
}

// NewNexmark begins at event 0.
func NewNexmark(seed uint64, start time.Time, step time.Duration) *Nexmark {
	return &Nexmark{r: rand.New(rand.NewPCG(seed, 0x6e65786d61726b)), start: start, step: step}
}

// NexmarkStart is the time of the first event of a run that is not paced.
func NexmarkStart() time.Time { return time.UnixMilli(TimeBase).UTC() }

// NexmarkCount is how many of the first n events go to each topic.
func NexmarkCount(n int) (counts [3]int) {
	turns, rest := n/perTurn, n%perTurn
	counts[PersonKind] = turns + min(rest, 1)
	counts[AuctionKind] = turns*auctionsPerTurn + max(0, min(rest-1, auctionsPerTurn))
	counts[BidKind] = n - counts[PersonKind] - counts[AuctionKind]
	return counts
}

var (
	cities   = []string{"phoenix", "los angeles", "san francisco", "boise", "portland", "bend", "redmond", "seattle", "kent", "cheyenne"}
	states   = []string{"az", "ca", "id", "or", "wa", "wy"}
	channels = []string{"apple", "google", "facebook", "baidu"}
)

// Next is the next event.
func (x *Nexmark) Next() Event {
	turn, at := x.i/perTurn, x.i%perTurn
	e := Event{At: x.start.Add(time.Duration(x.i) * x.step), noise: x.r.Uint64()}
	x.i++
	switch {
	case at == 0:
		x.person(&e, turn)
	case at <= auctionsPerTurn:
		x.auction(&e, turn, turn*auctionsPerTurn+at-1)
	default:
		x.bid(&e, turn, turn*bidsPerTurn+at-auctionsPerTurn-1)
	}
	return e
}

func (x *Nexmark) person(e *Event, number int64) {
	e.Kind, e.ID = PersonKind, firstID+number
	e.Name = firstNames[x.r.IntN(len(firstNames))] + " " + lastNames[x.r.IntN(len(lastNames))]
	e.City, e.State = cities[x.r.IntN(len(cities))], states[x.r.IntN(len(states))]
}

// auction is sold in three of four cases by the hot seller, and ends after the time in which up to 200 more are opened.
func (x *Nexmark) auction(e *Event, lastPerson, number int64) {
	e.Kind, e.ID = AuctionKind, firstID+number
	e.Seller = x.someone(lastPerson)
	e.Category = 10 + x.r.Int64N(5)
	e.Initial = x.price() * priceUnit
	e.Reserve = e.Initial + x.price()*priceUnit
	e.Expires = e.At.Add(time.Duration(1+x.r.Int64N(2*inFlight)) * x.step * perTurn / auctionsPerTurn)
}

// bid is every second time on the hot auction.
func (x *Nexmark) bid(e *Event, lastPerson, number int64) {
	e.Kind = BidKind
	last := (lastPerson+1)*auctionsPerTurn - 1
	e.Auction = firstID + last - x.r.Int64N(min(inFlight, last+1))
	if x.r.IntN(2) == 0 {
		e.Auction = firstID + last/hotSpan*hotSpan
	}
	e.Bidder = x.someone(lastPerson)
	e.Price = x.price()*priceUnit + number%priceUnit
	if c := x.r.IntN(8); c < len(channels) {
		e.Channel, e.URL = channels[c], "https://www.nexmark.com/"+channels[c]+"/item.htm?query=1"
	} else {
		n := strconv.Itoa(x.r.IntN(10_000))
		e.Channel, e.URL = "channel-"+n, "https://www.nexmark.com/a/b/c/item.htm?query=1&channel_id="+n
	}
}

// someone is a person: three times of four the hot one, else one of those who came last.
func (x *Nexmark) someone(last int64) int64 {
	who := last - x.r.Int64N(min(activePeople, last+1))
	if x.r.IntN(4) != 0 {
		who = last / hotSpan * hotSpan
	}
	return firstID + who
}

// price is between 1 and a million, each order of magnitude as often as the others.
func (x *Nexmark) price() int64 { return int64(math.Pow(10, x.r.Float64()*6)) }

// Append adds the event's record, a JSON object, to b: about 190 bytes for a person, 330 for an auction, 230 for a bid.
func (e *Event) Append(b []byte) []byte {
	text := func(name, val string) {
		b = append(append(append(append(append(b, '"'), name...), `":"`...), val...), `",`...)
	}
	number := func(name string, n int64) {
		b = append(strconv.AppendInt(append(append(append(b, '"'), name...), `":`...), n, 10), ',')
	}
	at := func(name string, t time.Time) { text(name, t.UTC().Format("2006-01-02T15:04:05.000000Z")) }
	b = append(b, '{')
	switch e.Kind {
	case PersonKind:
		number("id", e.ID)
		text("name", e.Name)
		text("email_address", e.filler(0, 8)+"@"+e.filler(1, 6)+".com")
		text("credit_card", strconv.FormatUint(1e15+e.noise%9e15, 10))
		text("city", e.City)
		text("state", e.State)
		at("date_time", e.At)
		text("extra", e.filler(2, 20))
	case AuctionKind:
		number("id", e.ID)
		text("item_name", e.filler(0, 12))
		text("description", e.filler(1, 60))
		number("initial_bid", e.Initial)
		number("reserve", e.Reserve)
		at("date_time", e.At)
		at("expires", e.Expires)
		number("seller", e.Seller)
		number("category", e.Category)
		text("extra", e.filler(2, 40))
	case BidKind:
		number("auction", e.Auction)
		number("bidder", e.Bidder)
		number("price", e.Price)
		text("channel", e.Channel)
		text("url", e.URL)
		at("date_time", e.At)
		text("extra", e.filler(0, 30))
	}
	b[len(b)-1] = '}'
	return b
}

// filler is a text of n letters.
func (e *Event) filler(which uint64, n int) string {
	b, h := make([]byte, n), e.noise+which*0x9e3779b97f4a7c15
	for i := range b {
		h = h*6364136223846793005 + 1442695040888963407
		b[i] = 'a' + byte(h>>59)%26
	}
	return string(b)
}
