package agg

import (
	"math"
	"math/bits"
	"slices"
)

// hll is a HyperLogLog sketch of 4,096 registers. Register r holds the longest run of leading zeros, plus one, among hashes that begin with r. As long as few
// registers are set they are a sorted list. Which form it has follows from the set of values alone, and so do its bytes.
type hll struct {
	few  []uint32 // register << 8 | run, ascending
	regs []uint8  // all registers, in place of few
}

const (
	hllBits = 12
	hllRegs = 1 << hllBits
	hllFew  = 512 // registers in a list, at most
)

func (h *hll) reset() { h.few, h.regs = h.few[:0], nil }

func (h *hll) add(hash uint64) {
	run := bits.LeadingZeros64(hash<<hllBits|1<<(hllBits-1)) + 1
	h.set(uint32(hash>>(64-hllBits)), uint8(run))
}

func (h *hll) set(reg uint32, run uint8) {
	if h.regs != nil {
		h.regs[reg] = max(h.regs[reg], run)
		return
	}
	at, found := slices.BinarySearchFunc(h.few, reg, func(e, reg uint32) int { return int(e>>8) - int(reg) })
	switch {
	case found:
		h.few[at] = max(h.few[at], reg<<8|uint32(run))
	case len(h.few) < hllFew:
		h.few = slices.Insert(h.few, at, reg<<8|uint32(run))
	default:
		h.regs = make([]uint8, hllRegs)
		for _, e := range h.few {
			h.regs[e>>8] = uint8(e)
		}
		h.few = h.few[:0]
		h.regs[reg] = run
	}
}

// append writes all registers, or the list of those that are set, three bytes each.
func (h *hll) append(b []byte) []byte {
	if h.regs != nil {
		return append(b, h.regs...)
	}
	for _, e := range h.few {
		b = append(b, byte(e>>16), byte(e>>8), byte(e))
	}
	return b
}

func (h *hll) merge(data string) bool {
	if len(data) == hllRegs {
		for r := range hllRegs {
			if data[r] > 0 {
				h.set(uint32(r), data[r])
			}
		}
		return true
	}
	for ; len(data) >= 3; data = data[3:] {
		reg := uint32(data[0])<<8 | uint32(data[1])
		if reg >= hllRegs {
			return false
		}
		h.set(reg, data[2])
	}
	return data == ""
}

// estimate is the number of different hashes, by Ertl's improved estimator: without tables, for small numbers and large.
func (h *hll) estimate() float64 {
	const q = 64 - hllBits
	var count [q + 2]float64 // registers by run
	if h.regs == nil {
		for _, e := range h.few {
			count[min(e&0xff, q+1)]++
		}
		count[0] = float64(hllRegs - len(h.few))
	}
	for _, r := range h.regs {
		count[min(r, q+1)]++
	}
	z := hllRegs * tau(1-count[q+1]/hllRegs)
	for k := q; k >= 1; k-- {
		z = 0.5 * (z + count[k])
	}
	z += hllRegs * sigma(count[0]/hllRegs)
	return hllRegs / (2 * math.Ln2) * hllRegs / z
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x *= x
		before := z
		z += x * y
		y += y
		if z == before {
			return z
		}
	}
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		before := z
		y *= 0.5
		z -= (1 - x) * (1 - x) * y
		if z == before {
			return z / 3
		}
	}
}
