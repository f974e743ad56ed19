package rdd

import (
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/row"
)

// Explain is the plan as a tree for people: Text, with the place in the user's program behind each operator.
func (p *Plan) Explain() string { return p.text(true) }

// text draws one tree a root: the operators that are fused into its tasks, with the types of their rows (key -> value), and,
// behind =>, the edges where a stage ends and its blocks go. Without sites it is canonical: equal texts mean plans that
// compute the same from the same closures.
func (p *Plan) text(sites bool) string {
	w := &drawing{sites: sites, drawn: map[int]bool{}}
	for _, n := range p.Nodes {
		if n.Root() {
			w.root(n)
		}
	}
	for _, n := range p.Sinks {
		w.line(0, n, ": "+schemaText(n)+" to "+n.Outlet.PlanText())
	}
	for _, s := range p.Sources {
		for _, gate := range p.Gates[s.Name] {
			fmt.Fprintf(w, "source %q waits until %q is loaded\n", s.Name, gate)
		}
	}
	for _, v := range p.Values {
		fmt.Fprintf(w, "value %q sha256:%x\n", v.Name, v.Hash)
	}
	for _, a := range p.Accumulators {
		fmt.Fprintf(w, "accumulator %q: %v\n", a.Name, a.Kind)
	}
	for _, b := range p.Broadcasts {
		fmt.Fprintf(w, "broadcast %q", b.Name)
		if sites && b.Site != "" {
			fmt.Fprintf(w, "  (%s)", b.Site)
		}
		fmt.Fprintln(w)
	}
	return w.String()
}

type drawing struct {
	strings.Builder
	sites bool
	drawn map[int]bool // narrow nodes drawn in full already
}

func (w *drawing) root(n *Node) {
	facts := ": " + schemaText(n)
	switch n.Kind {
	case Source:
		facts += " from " + n.Leaf.PlanText()
		if w.sites {
			facts += n.reads
		}
	case Wide:
		facts += wideText(n)
		if w.sites {
			facts += n.reads
		}
	}
	w.line(0, n, facts)
	w.below(n, 1)
	if n.Dead != nil {
		fmt.Fprintf(w, "  bad records => #%d deadLetter %q\n", n.Dead.ID, n.Dead.Name)
	}
}

func (w *drawing) below(n *Node, depth int) {
	indent := strings.Repeat("  ", depth)
	for _, to := range n.Out {
		switch {
		case to.Kind != Narrow:
			for _, e := range edgesInto(n, to) {
				fmt.Fprintf(w, "%s=> #%d %s%s", indent, to.ID, to.Op, quoted(to.Name))
				if len(to.In) > 1 {
					fmt.Fprintf(w, ", input %d", e.Input)
				}
				fmt.Fprintln(w)
			}
		case w.drawn[to.ID]:
			fmt.Fprintf(w, "%s#%d %s%s, see above\n", indent, to.ID, to.Op, quoted(to.Name))
		default:
			w.drawn[to.ID] = true
			facts := ": " + schemaText(to) + exprText(to) + expandText(to) + to.Event.text()
			if to.Facts != "" {
				facts += " = " + to.Facts
			}
			if w.sites {
				facts += to.reads
			}
			w.line(depth, to, facts)
			w.below(to, depth+1)
		}
	}
}

func (w *drawing) line(depth int, n *Node, facts string) {
	fmt.Fprintf(w, "%s#%d %s%s%s", strings.Repeat("  ", depth), n.ID, n.Op, quoted(n.Name), facts)
	if w.sites && n.Site != "" {
		fmt.Fprintf(w, "  (%s)", n.Site)
	}
	fmt.Fprintln(w)
}

func quoted(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" %q", name)
}

func schemaText(n *Node) string {
	if n.Key == nil {
		return typeText(n.Val)
	}
	return typeText(n.Key) + " -> " + typeText(n.Val)
}

// typeText is a scalar's type, or a struct's columns in braces.
func typeText(c *row.Codec) string {
	if c.Scalar() {
		return strings.TrimPrefix(c.Text(), "value: ")
	}
	return "{" + c.Text() + "}"
}

// exprText are the expressions of a node of a Frame.
func exprText(n *Node) string {
	if len(n.Exprs) == 0 {
		return ""
	}
	texts := make([]string, len(n.Exprs))
	for i, e := range n.Exprs {
		texts[i] = e.Expr().String()
	}
	return " = " + strings.Join(texts, ", ")
}

// expandText says of a transform node that what it stands for is not in the plan.
func expandText(n *Node) string {
	if n.Expand == nil {
		return ""
	}
	return fmt.Sprintf(", built for each batch, of at most %d operators", n.Room)
}

func wideText(n *Node) string {
	text := ""
	if n.Wide.State {
		text += ", state " + typeText(n.Wide.StateKey) + " -> " + typeText(n.Wide.StateVal)
	}
	for _, s := range n.Wide.More {
		text += ", " + s.Name + " " + typeText(s.Key) + " -> " + typeText(s.Val)
	}
	if n.Wide.Every > 0 {
		text += fmt.Sprintf(", every %v", time.Duration(n.Wide.Every)*time.Microsecond)
	}
	if n.Wide.Reach > 0 {
		text += fmt.Sprintf(", reach %v", time.Duration(n.Wide.Reach)*time.Microsecond)
	}
	if n.Wide.Event {
		text += ", by event time"
	}
	if n.Wide.Hold > 0 {
		text += fmt.Sprintf(", holds its watermark back by %v", time.Duration(n.Wide.Hold)*time.Microsecond)
	}
	if n.Wide.Facts != "" {
		text += ", " + n.Wide.Facts
	}
	for _, t := range n.Wide.Tables {
		text += fmt.Sprintf(", reads #%d %s%s", t.ID, t.Op, quoted(t.Name))
	}
	return text
}
