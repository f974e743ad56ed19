// Package nexmark is the queries of the Nexmark benchmark as Frame jobs: an auction house with persons, auctions and bids
// (https://github.com/nexmark/nexmark). Each query is a function from the three streams to its result, so that it may run on any source; their
// results on a small fixed data set are tested.
package nexmark

import (
	"time"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/source"
)

// Delay is how far behind the highest event time the watermark of each stream is.
const Delay = 4 * time.Second

// Person signed up.
type Person struct {
	ID           int64     `json:"id"`
	Name         string    `json:"name"`
	EmailAddress string    `json:"email_address"`
	CreditCard   string    `json:"credit_card"`
	City         string    `json:"city"`
	State        string    `json:"state"`
	DateTime     time.Time `json:"date_time"`
}

// Auction was opened by a seller, a person.
type Auction struct {
	ID          int64     `json:"id"`
	ItemName    string    `json:"item_name"`
	Description string    `json:"description"`
	InitialBid  int64     `json:"initial_bid"`
	Reserve     int64     `json:"reserve"`
	DateTime    time.Time `json:"date_time"`
	Expires     time.Time `json:"expires"`
	Seller      int64     `json:"seller"`
	Category    int64     `json:"category"`
}

// Bid was made by a bidder, a person, on an auction.
type Bid struct {
	Auction  int64     `json:"auction"`
	Bidder   int64     `json:"bidder"`
	Price    int64     `json:"price"`
	Channel  string    `json:"channel"`
	URL      string    `json:"url"`
	DateTime time.Time `json:"date_time"`
	Extra    string    `json:"extra"`
}

// House is the three streams with their event times.
type House struct{ Persons, Auctions, Bids dstream.Frame }

// Open reads the streams from topics of those names in the embedded log.
func Open(job *dstream.Job) House {
	return House{
		Persons:  timed(dstream.From(job, source.LogJSON[Person]("person")).Frame()),
		Auctions: timed(dstream.From(job, source.LogJSON[Auction]("auction")).Frame()),
		Bids:     timed(dstream.From(job, source.LogJSON[Bid]("bid")).Frame()),
	}
}

func timed(f dstream.Frame) dstream.Frame { return f.EventTime("date_time", Delay) }
