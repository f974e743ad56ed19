package executor

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/source"
)

func partitionOf(p int) source.Partition { return source.Partition{Key: fmt.Sprint(p)} }

func connectorOf(t *testing.T, p *rdd.Plan, node int) source.Connector {
	t.Helper()
	c, err := p.Nodes[node].Leaf.(*source.Spec).Open(t.Context(), source.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
