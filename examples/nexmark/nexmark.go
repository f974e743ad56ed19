// Package nexmark is the queries of the Nexmark benchmark as Frame jobs: an auction house with persons, auctions and bids
// (https://github.com/nexmark/nexmark). Each query is a function from the three streams to its result, so that it may run on any source; their
// results on a small fixed data set are tested.
package nexmark

import (
	"sync"
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

// House is the three streams with their event times. A job reads those that it asks for.
type House struct{ persons, auctions, bids func() dstream.Frame }

// Persons are those who signed up.
func (h House) Persons() dstream.Frame { return h.persons() }

// Auctions are those that were opened.
func (h House) Auctions() dstream.Frame { return h.auctions() }

// Bids are those that were made.
func (h House) Bids() dstream.Frame { return h.bids() }

// Open reads the streams from topics of the embedded log: person, auction and bid.
func Open(job *dstream.Job) House {
	return open(job, source.LogJSON[Person]("person"), source.LogJSON[Auction]("auction"), source.LogJSON[Bid]("bid"))
}

// OpenKafka reads the streams from Kafka's topics of those names.
func OpenKafka(job *dstream.Job) House {
	return open(job, source.KafkaJSON[Person]("person"), source.KafkaJSON[Auction]("auction"), source.KafkaJSON[Bid]("bid"))
}

func open(job *dstream.Job, persons source.Source[Person], auctions source.Source[Auction], bids source.Source[Bid]) House {
	return House{once(job, persons), once(job, auctions), once(job, bids)}
}

// once is a stream that the job reads if it is asked for, however often.
func once[T any](job *dstream.Job, from source.Source[T]) func() dstream.Frame {
	return sync.OnceValue(func() dstream.Frame { return dstream.From(job, from).Frame().EventTime("date_time", Delay) })
}
