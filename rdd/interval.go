package rdd

import (
	"fmt"
	"time"
)

// Fit reports windows of batch time that a fixed batch interval does not fit: they would end between two batches (P31). The error is Mistakes, nil if all fit.
func (p *Plan) Fit(interval time.Duration) error {
	var all Mistakes
	for _, n := range p.Wides {
		if n.Wide.Every == 0 || n.Wide.Reach == 0 { // what only follows a window fits as it does
			continue
		}
		for _, span := range []struct {
			name   string
			micros int64
		}{{"window", n.Wide.Reach}, {"slide", n.Wide.Every}} {
			d := time.Duration(span.micros) * time.Microsecond
			if below := d / interval * interval; d != below {
				all = append(all, fmt.Sprintf("%s: %s %v is not a multiple of --interval %v: batches come at its multiples; use %v, or another interval, or --interval asap",
					n.Site, span.name, d, interval, below+interval))
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}
