package gen

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/zeebo/xxh3"
)

// The bytes of Nexmark's events are a promise as those of the other data sets: the sum is of the first 1,000 records with seed 1, each followed by a newline.
func TestNexmarkBytesAreFixed(t *testing.T) {
	x, h := NewNexmark(1, NexmarkStart(), NexmarkStep), xxh3.New()
	for range 1000 {
		e := x.Next()
		h.Write(append(e.Append(nil), '\n'))
	}
	if got, want := h.Sum64(), uint64(0x7d10e30a6ba9c0be); got != want {
		t.Errorf("sum %#x, want %#x", got, want)
	}
}

// Persons, auctions and bids are 1 : 3 : 46; everything that an event names is there before it; times differ, and so do prices of bids on one auction.
func TestNexmarkIsSound(t *testing.T) {
	const n = 50_007
	x := NewNexmark(7, NexmarkStart(), NexmarkStep)
	var counts [3]int
	persons, auctions := map[int64]bool{}, map[int64]bool{}
	type offer struct{ auction, price int64 }
	prices := map[offer]bool{}
	var last time.Time
	ended, hot := 0, 0
	expires := map[int64]time.Time{}
	for range n {
		e := x.Next()
		counts[e.Kind]++
		if !e.At.After(last) {
			t.Fatalf("event at %v behind one at %v", e.At, last)
		}
		last = e.At
		if !json.Valid(e.Append(nil)) {
			t.Fatalf("no JSON: %s", e.Append(nil))
		}
		switch e.Kind {
		case PersonKind:
			persons[e.ID] = true
		case AuctionKind:
			auctions[e.ID], expires[e.ID] = true, e.Expires
			if !persons[e.Seller] || !e.Expires.After(e.At) {
				t.Fatalf("auction %+v: no such seller, or it never runs", e)
			}
		case BidKind:
			o := offer{e.Auction, e.Price}
			if !persons[e.Bidder] || !auctions[e.Auction] || prices[o] {
				t.Fatalf("bid %+v: no such bidder or auction, or the price is known", e)
			}
			prices[o] = true
			if e.At.After(expires[e.Auction]) {
				ended++
			}
			if (e.Auction-firstID)%hotSpan == 0 {
				hot++
			}
		}
	}
	if counts != NexmarkCount(n) || counts[PersonKind] != 1001 || counts[AuctionKind] != 3003 {
		t.Errorf("%v persons, auctions and bids, NexmarkCount says %v", counts, NexmarkCount(n))
	}
	bids := counts[BidKind]
	if hot < bids*45/100 || hot > bids*55/100 || ended < bids/20 || ended > bids/2 {
		t.Errorf("of %d bids %d on hot auctions, %d on ended ones", bids, hot, ended)
	}
}
