package rdd

import "slices"

// Edges are the edges that a task of root writes blocks for, ordered by (node, input).
func (p *Plan) Edges(root *Node) []EdgeID { return p.edges[root.ID] }

// Feeders are the roots whose tasks write blocks for edge, ascending by ID. Blocks of an edge are ordered by
// (root ID, partition) of the task that made them (I7).
func (p *Plan) Feeders(edge EdgeID) []*Node { return p.feeders[edge] }

// Root tells whether n's partitions are tasks of their own.
func (n *Node) Root() bool { return n.Kind == Source || n.Kind == Wide }

func (p *Plan) findEdges() {
	for _, root := range p.Nodes {
		if !root.Root() {
			continue
		}
		found := map[EdgeID]bool{}
		for _, n := range below(root) {
			for _, to := range n.Out {
				for _, e := range edgesInto(n, to) {
					found[e] = true
				}
			}
		}
		if root.Dead != nil {
			found[EdgeID{Node: root.Dead.ID}] = true
		}
		edges := make([]EdgeID, 0, len(found))
		for e := range found {
			edges = append(edges, e)
		}
		slices.SortFunc(edges, func(a, b EdgeID) int {
			if a.Node != b.Node {
				return a.Node - b.Node
			}
			return a.Input - b.Input
		})
		p.edges[root.ID] = edges
		for _, e := range edges {
			p.feeders[e] = append(p.feeders[e], root)
		}
	}
}

// edgesInto are the edges by which to reads n directly: none if to is fused.
func edgesInto(n, to *Node) []EdgeID {
	var edges []EdgeID
	if to.Kind != Wide && to.Kind != Sink {
		return nil
	}
	for i, in := range to.In {
		if in == n {
			edges = append(edges, EdgeID{Node: to.ID, Input: i})
		}
	}
	return edges
}

// below is root and the narrow nodes that are fused into its tasks, ascending by ID.
func below(root *Node) []*Node {
	seen := map[int]bool{root.ID: true}
	nodes := []*Node{root}
	for i := 0; i < len(nodes); i++ {
		for _, to := range nodes[i].Out {
			if to.Kind == Narrow && !seen[to.ID] {
				seen[to.ID] = true
				nodes = append(nodes, to)
			}
		}
	}
	slices.SortFunc(nodes, func(a, b *Node) int { return a.ID - b.ID })
	return nodes
}

// findGates computes which sources wait for which (P32). A source that feeds both a table and a stream joined with it
// cannot wait for itself, and sources that would wait for each other do not wait at all: such a job sees its tables grow.
func (p *Plan) findGates() map[string][]string {
	waits := map[string]map[string]bool{}
	for _, reader := range p.Wides {
		for _, table := range loadedFirst(reader) {
			for _, in := range reader.In {
				for _, s := range sourcesOf(in) {
					for _, t := range sourcesOf(table) {
						if s != t {
							add(waits, s.Name, t.Name)
						}
					}
				}
			}
		}
	}
	reach := closure(waits)
	gates := map[string][]string{}
	for _, s := range p.Sources {
		for _, t := range p.Sources {
			if waits[s.Name][t.Name] && !reach[t.Name][s.Name] {
				gates[s.Name] = append(gates[s.Name], t.Name)
			}
		}
		slices.Sort(gates[s.Name])
	}
	for name, list := range gates {
		if len(list) == 0 {
			delete(gates, name)
		}
	}
	return gates
}

// loadedFirst are the nodes whose sources are read up to their targets before the other sources of a wide node (P32): tables that it
// reads, and inputs that say so.
func loadedFirst(wide *Node) []*Node {
	list := slices.Clone(wide.Wide.First)
	for _, table := range wide.Wide.Tables {
		if table.Wide.Bootstrap {
			list = append(list, table)
		}
	}
	return list
}

// sourcesOf are the sources upstream of n over any number of shuffles, tables that are read on the way left out.
func sourcesOf(n *Node) []*Node {
	seen := map[*Node]bool{n: true}
	nodes := []*Node{n}
	var sources []*Node
	for i := 0; i < len(nodes); i++ {
		if nodes[i].Kind == Source {
			sources = append(sources, nodes[i])
		}
		for _, in := range nodes[i].In {
			if !seen[in] {
				seen[in] = true
				nodes = append(nodes, in)
			}
		}
	}
	return sources
}

func add(m map[string]map[string]bool, from, to string) {
	if m[from] == nil {
		m[from] = map[string]bool{}
	}
	m[from][to] = true
}

// closure is which names can be reached from which. Graphs have as many nodes as a job has sources.
func closure(m map[string]map[string]bool) map[string]map[string]bool {
	reach := map[string]map[string]bool{}
	for from, tos := range m {
		for to := range tos {
			add(reach, from, to)
		}
	}
	for grew := true; grew; {
		grew = false
		for from, tos := range reach {
			for to := range tos {
				for far := range reach[to] {
					if !reach[from][far] {
						reach[from][far], grew = true, true
					}
				}
			}
		}
	}
	return reach
}
