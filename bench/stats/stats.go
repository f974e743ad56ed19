// Package stats sums up repeated measurements.
package stats

import (
	"math"
	"slices"
)

// Quantile is the value below which share q of the values lies, by the nearest rank; 0 of none. values need not be in order, and stay as they are.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	return s[min(len(s)-1, max(0, int(math.Ceil(q*float64(len(s))))-1))]
}

// Median is the middle value, or the mean of the two in the middle; 0 of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// Pairs are two series that were measured in turns: a[i] right before b[i].
type Pairs struct {
	Ratio     float64   // the median of b[i]/a[i]
	Low, High float64   // the spread: the least and the greatest of them
	A, B      float64   // the medians of both
	Ratios    []float64 // in order of time
}

// Paired compares two series. Ratios of neighbours leave out what the machine did in between. Pairs of which one is 0 are left out.
func Paired(a, b []float64) Pairs {
	p := Pairs{A: Median(a), B: Median(b)}
	for i := range min(len(a), len(b)) {
		if a[i] > 0 && b[i] > 0 {
			p.Ratios = append(p.Ratios, b[i]/a[i])
		}
	}
	if len(p.Ratios) > 0 {
		p.Ratio, p.Low, p.High = Median(p.Ratios), slices.Min(p.Ratios), slices.Max(p.Ratios)
	}
	return p
}

// Worse tells whether b costs more than limit times a: the median of the pairs, and more than half of them, say so.
func (p Pairs) Worse(limit float64) bool {
	over := 0
	for _, r := range p.Ratios {
		if r > limit {
			over++
		}
	}
	return p.Ratio > limit && 2*over > len(p.Ratios)
}
