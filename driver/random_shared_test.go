package driver

import (
	"reflect"
	"slices"
	"strconv"

	"github.com/millrace/millrace/checkpoint"
	"github.com/millrace/millrace/rdd"
)

// load has the broadcast loaded: with another value often, or in vain.
func (s *sim) load() {
	if s.m.broadcasts[0].pin.Version > 0 && s.r.IntN(4) == 0 {
		s.post("", loadFailed{0, "down"})
	}
	s.post("", loaded{0, "r" + strconv.Itoa(s.r.IntN(6)), 2})
}

// recoverVersions gives a new driver the versions of the plans that it runs again, and the newest.
func (s *sim) recoverVersions(u *setup) {
	add := func(p *checkpoint.Plan) {
		for _, pin := range p.Broadcasts {
			if v := idOf(pin); !slices.Contains(u.versions, v) {
				u.versions = append(u.versions, v)
			}
		}
	}
	for i := range u.recovered.Planned {
		add(&u.recovered.Planned[i])
	}
	if u.recovered.Last != nil {
		add(u.recovered.Last)
	}
}

// checkPins checks that an executor can run a batch: it has the versions, and they are those of the plan record (P1).
func (s *sim) checkPins(x *simExec, p *checkpoint.Plan) {
	if len(p.Broadcasts) != 1 || p.Broadcasts[0].Version == 0 {
		s.errorf("batch %d is planned with versions %v", p.Batch, p.Broadcasts)
	}
	if want := s.pins[string(p.Hash)]; !reflect.DeepEqual(want, p.Broadcasts) {
		s.errorf("batch %d runs with versions %v, and was planned with %v (P1)", p.Batch, p.Broadcasts, want)
	}
	for _, pin := range p.Broadcasts {
		if !x.has[idOf(pin)] {
			s.errorf("batch %d comes to %s, which lacks version %s of its broadcast", p.Batch, x.name, pin.Hash)
		}
	}
}

// count checks the totals of a commit: each task counted once, however often it was reported (P17).
func (s *sim) count(c checkpoint.Commit) {
	n := int64(0)
	for _, p := range s.log[:c.Batch] {
		n += int64(len(p.Ranges))
	}
	var want []checkpoint.Total
	if len(s.log[c.Batch-1].Ranges) > 0 { // otherwise nothing was added to it
		want = []checkpoint.Total{{Name: "tasks", Kind: "sum of int64", Amount: rdd.Amount{Int: n, Set: true}}}
	}
	if !reflect.DeepEqual(want, c.Totals) {
		s.errorf("commit of batch %d has totals %v, want %v (P17)", c.Batch, c.Totals, want)
	}
	if want != nil {
		s.totals = c.Totals
	}
}
