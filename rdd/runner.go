package rdd

import (
	"context"
	"fmt"
)

// Runner computes bounded plans; package driver has one.
type Runner interface {
	// Run computes all that the plan's sources hold as one batch and gives the rows that reach its one sink, which has one lane, in (task, row)
	// order. Plans without a source are computed from what they carry. Concurrent calls are fine.
	Run(ctx context.Context, p *Plan) ([]Record, error)
}

type runnerKey struct{}

// WithRunner is a context within which Collect, Count and the like run on r.
func WithRunner(ctx context.Context, r Runner) context.Context {
	return context.WithValue(ctx, runnerKey{}, r)
}

// RunnerOf is the context's runner.
func RunnerOf(ctx context.Context) (Runner, error) {
	r, ok := ctx.Value(runnerKey{}).(Runner)
	if !ok {
		return nil, fmt.Errorf("nothing here can compute an RDD: use the context that driver.RunBatch or ForeachBatch gives")
	}
	return r, nil
}

// gathered is the sink of a plan whose rows are wanted by the program itself.
const gathered = "gathered"

type gatherer struct{}

// PlanText implements Outlet.
func (gatherer) PlanText() string { return "the program" }

// Bounded is a plan that computes what leads to n and gathers its rows. Nodes are copied, so n may be part of any number of plans.
func Bounded(n *Node) (*Plan, error) {
	p := &Plan{}
	twins := map[*Node]*Node{}
	var put func(n *Node) *Node
	put = func(n *Node) *Node {
		if c := twins[n]; c != nil {
			return c
		}
		c := *n
		c.Out, c.Dead = nil, nil
		c.In = make([]*Node, len(n.In))
		for i, in := range n.In {
			c.In[i] = put(in)
		}
		twins[n] = &c
		p.Nodes = append(p.Nodes, &c)
		return &c
	}
	last := put(n)
	p.Nodes = append(p.Nodes, &Node{Kind: Sink, Op: "gather", Name: gathered, In: []*Node{last}, Key: last.Key, Val: last.Val, Outlet: gatherer{}})
	for _, n := range p.Nodes {
		if n.Kind == Wide && (n.Wide.State || len(n.Wide.Tables) > 0) || n.Expand != nil {
			return nil, fmt.Errorf("%s: %s keeps state from batch to batch, and bounded data is one batch", n.Site, n.Op)
		}
	}
	return p, p.Build()
}
