package rdd

import (
	"fmt"
	"strings"
)

// Explain is the plan as a tree for people: Text, with the place in the user's program behind each operator.
func (p *Plan) Explain() string { return p.text(true) }

// text draws one tree a root: the operators that are fused into its tasks, and, behind =>, the edges where its blocks
// go. Without sites it is canonical: equal texts mean plans that compute the same from the same closures.
func (p *Plan) text(sites bool) string {
	w := &drawing{sites: sites, drawn: map[int]bool{}}
	for _, n := range p.Nodes {
		if !n.Root() {
			continue
		}
		w.root(n)
	}
	for _, n := range p.Sinks {
		w.line(0, n, outletText(n))
	}
	for _, s := range p.Sources {
		if gates := p.Gates[s.Name]; len(gates) > 0 {
			fmt.Fprintf(w, "source %q waits until %q is loaded\n", s.Name, gates)
		}
	}
	for _, v := range p.Values {
		fmt.Fprintf(w, "value %q sha256:%x\n", v.Name, v.Hash)
	}
	return w.String()
}

type drawing struct {
	strings.Builder
	sites bool
	drawn map[int]bool // narrow nodes drawn in full already
}

func (w *drawing) root(n *Node) {
	facts := ""
	switch n.Kind {
	case Source:
		facts = fmt.Sprintf("%s -> %s", n.Leaf.PlanText(), schemaText(n))
	case Wide:
		facts = wideText(n)
	}
	w.line(0, n, facts)
	w.below(n, 1)
	if n.Dead != nil {
		fmt.Fprintf(w, "  bad records => #%d %q\n", n.Dead.ID, n.Dead.Name)
	}
}

func (w *drawing) below(n *Node, depth int) {
	for _, to := range n.Out {
		switch {
		case to.Kind != Narrow:
			for _, e := range edgesInto(n, to) {
				fmt.Fprintf(w, "%s=> #%d %s", strings.Repeat("  ", depth), to.ID, to.Op)
				if len(to.In) > 1 {
					fmt.Fprintf(w, " input %d", e.Input)
				}
				fmt.Fprintln(w)
			}
		case w.drawn[to.ID]:
			fmt.Fprintf(w, "%s#%d %s, see above\n", strings.Repeat("  ", depth), to.ID, to.Op)
		default:
			w.drawn[to.ID] = true
			w.line(depth, to, "-> "+schemaText(to))
			w.below(to, depth+1)
		}
	}
}

func (w *drawing) line(depth int, n *Node, facts string) {
	fmt.Fprintf(w, "%s#%d %s", strings.Repeat("  ", depth), n.ID, n.Op)
	if n.Name != "" {
		fmt.Fprintf(w, " %q", n.Name)
	}
	if facts != "" {
		fmt.Fprintf(w, " %s", facts)
	}
	if w.sites && n.Site != "" {
		fmt.Fprintf(w, "  (%s)", n.Site)
	}
	fmt.Fprintln(w)
}

func schemaText(n *Node) string {
	if n.Key == nil {
		return "[" + n.Val.Text() + "]"
	}
	return "[" + n.Key.Text() + "] [" + n.Val.Text() + "]"
}

func wideText(n *Node) string {
	var b strings.Builder
	if n.Wide.State {
		fmt.Fprintf(&b, "state [%s] [%s] ", n.Wide.StateKey.Text(), n.Wide.StateVal.Text())
	}
	if n.Wide.Facts != "" {
		fmt.Fprintf(&b, "%s ", n.Wide.Facts)
	}
	for _, t := range n.Wide.Tables {
		fmt.Fprintf(&b, "reads #%d ", t.ID)
	}
	return b.String() + "-> " + schemaText(n)
}

func outletText(n *Node) string {
	return fmt.Sprintf("%s <- %s", n.Outlet.PlanText(), schemaText(n))
}
