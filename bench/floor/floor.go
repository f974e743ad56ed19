// Package floor is what W4 costs with nothing around it: one goroutine decodes events in memory, filters, looks up and counts. Machines that others use too
// have fast and slow states; a figure means something beside this one.
package floor

import (
	"bytes"

	"github.com/millrace/millrace/bench/gen"
)

// Measure is the CPU time of an event in ns: the least of five passes over n events.
func Measure(n int) (float64, error) {
	mk, err := gen.New("ads", gen.Seed)
	if err != nil {
		return 0, err
	}
	var data []byte
	for i := range n {
		_, val := mk(i, gen.EventMillis(i))
		data = append(append(data, val...), '\n')
	}
	best := 0.0
	for range 5 {
		began := cpu()
		count(data, gen.CampaignOf())
		if took := float64(cpu()-began) / float64(n); best == 0 || took < best {
			best = took
		}
	}
	return best, nil
}

// window is the key of a count.
type window struct {
	campaign string
	start    int64
}

func count(data []byte, campaignOf map[string]string) map[window]int64 {
	counts := map[window]int64{}
	for line := range bytes.Lines(data) {
		ad, rest := text(line, `"ad_id":"`)
		kind, rest := text(rest, `"event_type":"`)
		if string(kind) != "view" {
			continue
		}
		at, _ := text(rest, `"event_time":"`)
		ms := int64(0)
		for _, digit := range at {
			ms = ms*10 + int64(digit-'0')
		}
		counts[window{campaignOf[string(ad)], ms - ms%10_000}]++
	}
	return counts
}
