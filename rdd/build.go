package rdd

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/millrace/millrace/internal/fault"
)

// Build checks the nodes, numbers them by their place in Nodes and fills everything that follows from them. Before nodes with Expand it
// adds Holes to Nodes. All mistakes are reported together. A plan is immutable once Build has returned nil.
func (p *Plan) Build() error {
	p.names = map[string]*Node{}
	p.feeders = map[EdgeID][]*Node{}
	p.edges = map[int][]EdgeID{}
	p.Sources, p.Wides, p.Sinks = nil, nil, nil
	p.transforms = nil
	p.reserve()
	for i, n := range p.Nodes {
		n.ID, n.Out, n.owned = i, nil, true
	}
	var mistakes []error
	for _, n := range p.Nodes {
		if n.Kind == Hole {
			continue
		}
		if err := p.check(n); err != nil {
			mistakes = append(mistakes, err)
		}
	}
	if err := errors.Join(mistakes...); err != nil {
		return err
	}
	for _, n := range p.Nodes {
		p.place(n)
	}
	p.findEdges()
	if err := p.findEvents(); err != nil {
		return err
	}
	p.project()
	p.Gates = p.findGates()
	if fault.Planted("P32-no-gates") {
		p.Gates = nil
	}
	slices.SortFunc(p.Values, func(a, b Value) int { return cmpString(a.Name, b.Name) })
	p.Text = p.text(false)
	p.Hash = sha256.Sum256([]byte(p.Text))
	return nil
}

// Node is the node of that name, nil if there is none. Names are unique over sources, sinks and operators, the further state tables of wide
// nodes (NODE/STORE) among them.
func (p *Plan) Node(name string) *Node { return p.names[name] }

// check reports what is wrong with one node; inputs must stand before it.
func (p *Plan) check(n *Node) error {
	if what := badStore(n); what != "" {
		return fmt.Errorf("%s: %s %q has %s", n.Site, n.Op, n.Name, what)
	}
	if err := p.takeNames(n); err != nil {
		return err
	}
	for _, in := range n.In {
		if in.ID >= n.ID || p.Nodes[in.ID] != in {
			return fmt.Errorf("%s: an input of %s is not an earlier node of the same plan", n.Site, n.Op)
		}
		if in.Kind == Sink {
			return fmt.Errorf("%s: %s reads from a sink", n.Site, n.Op)
		}
	}
	if what := missing(n); what != "" {
		return fmt.Errorf("%s: %s %q lacks its %s", n.Site, n.Op, n.Name, what)
	}
	for _, s := range n.Stores() {
		if err := s.Val.CheckDefaults(); err != nil {
			return fmt.Errorf("%s: state of %s %q: %w", n.Site, n.Op, s.Name, err)
		}
	}
	return nil
}

// takeNames files a node under its name, and keeps those of its further state tables for it: a checkpoint knows operators by name.
func (p *Plan) takeNames(n *Node) error {
	if n.Name == "" {
		return nil
	}
	names := []string{n.Name}
	if n.Wide != nil {
		for _, s := range n.Stores() {
			if s.Name != n.Name {
				names = append(names, s.Name)
			}
		}
	}
	for _, name := range names {
		if first := p.names[name]; first != nil {
			return fmt.Errorf("%s: the name %q is taken by %s at %s; give one of them another name", n.Site, name, first.Op, first.Site)
		}
		p.names[name] = n
	}
	return nil
}

// missing names the first thing that a node of n's kind needs and n has not.
func missing(n *Node) string {
	switch {
	case n.Val == nil:
		return "row type"
	case n.Kind == Source && n.Leaf == nil:
		return "connector"
	case n.Kind == Narrow && (n.Kernel == nil && n.Expand == nil || len(n.In) == 0):
		return "kernel or input"
	case n.Kind == Wide && (n.Wide == nil || n.Wide.New == nil || len(n.Wide.Inputs) != len(n.In)):
		return "reducer or inputs"
	case n.Kind == Wide && len(n.In) == 0 && (!n.Wide.OnEmpty || n.Wide.State):
		return "inputs; only rows from memory have none, with OnEmpty and without state"
	case n.Kind == Wide && n.Wide.State && (n.Wide.StateKey == nil || n.Wide.StateVal == nil):
		return "state schema"
	case n.Kind == Sink && (n.Outlet == nil || len(n.In) > 1):
		return "connector"
	case n.Name == "" && (n.Kind == Source || n.Kind == Sink || n.Kind == Wide && n.Wide.State):
		return "name"
	}
	return ""
}

// place files a checked node under its kind and with its inputs.
func (p *Plan) place(n *Node) {
	switch n.Kind {
	case Source:
		p.Sources = append(p.Sources, n)
	case Wide:
		p.Wides = append(p.Wides, n)
	case Sink:
		p.Sinks = append(p.Sinks, n)
	}
	if n.Expand != nil {
		p.transforms = append(p.transforms, n)
	}
	for _, in := range n.In {
		if len(in.Out) == 0 || in.Out[len(in.Out)-1] != n {
			in.Out = append(in.Out, n)
		}
	}
}

func cmpString(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
