package driver

// A batch should not take much longer than its interval, or the first one after a downtime would hold everything back: the records of a batch are
// bounded by what batches have cost lately. Behind a backlog latency is lost anyway and larger batches are cheaper a record, so up to
// ten intervals are allowed then.
const (
	firstRecords  = 20_000    // of the first batch, whose cost is unknown
	growth        = 4         // a batch may have so many times the records of the largest before it
	spanIntervals = 10        // how many intervals a batch may take behind a backlog
	spanMin       = 100_000   // µs; also with asap
	spanMax       = 1_000_000 // µs
	learnFrom     = 1_000     // records: smaller batches tell of fixed costs only
)

// sizer bounds the records of a batch. The zero value knows nothing yet.
type sizer struct {
	perRecord float64 // µs, a moving mean
	largest   int64   // records of the largest batch of this run
}

// limit is how many records the next batch may have at this interval (µs, 0: asap).
func (s *sizer) limit(interval int64) int64 {
	if s.largest == 0 {
		return firstRecords
	}
	most := growth * max(s.largest, firstRecords/growth)
	if s.perRecord == 0 {
		return most
	}
	span := min(max(spanIntervals*interval, spanMin), spanMax)
	return min(most, max(int64(float64(span)/s.perRecord), learnFrom))
}

// learn takes in that a batch of so many records was computed in so many µs.
func (s *sizer) learn(records, micros int64) {
	s.largest = max(s.largest, records)
	if records < learnFrom {
		return
	}
	cost := float64(micros) / float64(records)
	if s.perRecord == 0 {
		s.perRecord = cost
		return
	}
	s.perRecord = 0.7*s.perRecord + 0.3*cost
}
