package driver

import "testing"

func TestSizer(t *testing.T) {
	var s sizer
	if got := s.limit(100_000); got != firstRecords {
		t.Errorf("first batch: %d records", got)
	}
	// A record takes 10 µs and there is always more: batches grow to a second's worth and stay there.
	last := int64(0)
	for i := range 20 {
		n := s.limit(100_000)
		if i > 0 && n > growth*max(last, firstRecords/growth) {
			t.Errorf("batch %d grew from %d to %d records", i, last, n)
		}
		s.learn(n, n*10)
		last = n
	}
	if last < 90_000 || last > 110_000 {
		t.Errorf("%d records, want about a second's worth, 100,000", last)
	}
	// At a short interval, and with asap, a tenth of a second's.
	for _, interval := range []int64{0, 5_000} {
		if got := s.limit(interval); got < 9_000 || got > 11_000 {
			t.Errorf("interval %d µs: %d records, want about 10,000", interval, got)
		}
	}
	// It gets dearer: batches shrink, but never to a crawl.
	for range 30 {
		s.learn(2_000, 2_000*10_000)
	}
	if got := s.limit(100_000); got != learnFrom {
		t.Errorf("%d records when one takes 10 ms", got)
	}
}

// Tiny batches say nothing about the cost of a record, and do not keep the next one small.
func TestSizerIgnoresSmallBatches(t *testing.T) {
	var s sizer
	for range 10 {
		s.learn(1, 5_000)
	}
	if got := s.limit(100_000); got != firstRecords {
		t.Errorf("after tiny batches: %d records, want %d", got, firstRecords)
	}
}
