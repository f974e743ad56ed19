package host

import (
	"time"

	"github.com/millrace/millrace/plugins"
)

const (
	maxAnswer  = 256 << 20 // bytes of the answer to a request
	memoryTick = time.Second
)

func or[T int | int64 | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

func startLimit(s plugins.Settings) time.Duration { return or(s.Start, 10*time.Second) }
func callLimit(s plugins.Settings) time.Duration  { return or(s.Call, 30*time.Second) }
func memoryLimit(s plugins.Settings) int64        { return or(s.Memory, 2<<30) }
func grow(s plugins.Settings) int                 { return or(s.Grow, 1000) }

// watch removes what killed hosts left, and looks at what processes have resident, until the pool is closed, and ends those that have too much.
func (p *Pool) watch() {
	sweep(folderBase(), p.clock.Now())
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-p.clock.After(memoryTick):
		}
		groups := map[int]*process{}
		for _, r := range p.list() {
			for _, x := range r.running() {
				groups[x.group()] = x
			}
		}
		if len(groups) == 0 {
			continue
		}
		for group, bytes := range resident(groups) {
			groups[group].overMemory(bytes)
		}
	}
}
