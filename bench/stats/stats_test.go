package stats

import (
	"math"
	"testing"
)

func TestQuantileAndMedian(t *testing.T) {
	v := []float64{5, 1, 4, 2, 3}
	for _, c := range []struct{ q, want float64 }{{0, 1}, {0.2, 1}, {0.21, 2}, {0.5, 3}, {0.99, 5}, {1, 5}} {
		if got := Quantile(v, c.q); got != c.want {
			t.Errorf("quantile %v: %v, want %v", c.q, got, c.want)
		}
	}
	if v[0] != 5 {
		t.Error("the values were moved")
	}
	if Median(v) != 3 || Median([]float64{4, 1}) != 2.5 || Median(nil) != 0 || Quantile(nil, 0.5) != 0 {
		t.Error("medians")
	}
}

// A machine that becomes twice as slow in the middle changes both sides of each pair, and not the ratio.
func TestPairedLeavesTheMachineOut(t *testing.T) {
	p := Paired([]float64{1, 2, 2, 1}, []float64{1.2, 2.4, 2.2, 1.1})
	if math.Abs(p.Ratio-1.15) > 1e-9 || math.Abs(p.Low-1.1) > 1e-9 || math.Abs(p.High-1.2) > 1e-9 || p.A != 1.5 {
		t.Errorf("%+v", p)
	}
	if p.Worse(1.15) || !p.Worse(1.05) {
		t.Errorf("worse: %+v", p)
	}
	if p := Paired([]float64{0}, []float64{1}); p.Ratio != 0 || p.Worse(1.1) {
		t.Errorf("without a pair: %+v", p)
	}
}

// One wild pair is no verdict.
func TestWorseNeedsMostPairs(t *testing.T) {
	if p := Paired([]float64{1, 1, 1, 1}, []float64{1, 1.05, 1.3, 9}); p.Worse(1.1) {
		t.Errorf("%+v", p)
	}
	if p := Paired([]float64{1, 1, 1, 1}, []float64{1.2, 1.05, 1.3, 9}); !p.Worse(1.1) {
		t.Errorf("%+v", p)
	}
}
