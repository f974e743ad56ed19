package rdd

import "slices"

// outcomes tells the operators of the task apart: Counters has one number for all of them.
func (t *Pipeline) outcomes() []Outcome {
	c := t.ctx.Counters
	if c.Late == 0 && c.Ahead == 0 && c.Shed == 0 {
		return nil
	}
	var list []Outcome
	add := func(o Outcome) {
		if o.Late == 0 && o.Ahead == 0 && o.Shed == 0 {
			return
		}
		i := slices.IndexFunc(list, func(x Outcome) bool { return x.Node == o.Node })
		if i < 0 {
			list = append(list, o)
			return
		}
		list[i].Late += o.Late // an operator with two inputs
	}
	root := Outcome{Node: t.root.ID, Late: c.Late, Shed: c.Shed} // only a reducer has state to let go of
	for _, p := range t.edges {
		root.Late -= p.late
		add(Outcome{Node: p.node.ID, Late: p.late})
	}
	for _, s := range t.stages {
		add(Outcome{Node: s.node.ID, Ahead: s.ahead})
	}
	add(root)
	slices.SortFunc(list, func(a, b Outcome) int { return a.Node - b.Node })
	return list
}
