package rdd

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/internal/fault"
	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/state"
)

// Store is one state table of a wide node: its name, and the codecs of its keys and values.
type Store struct {
	Name     string
	Key, Val *row.Codec
	Derived  bool // not in checkpoints: after a restore it is computed from the node's others
}

// Stores are the state tables that a node keeps: that of WideSpec.State first, then WideSpec.More. Names are those of the operators that a checkpoint
// sees: the node's, and NODE/STORE. Other nodes keep none.
func (n *Node) Stores() []Store {
	if n.Kind != Wide || !n.Wide.State {
		return nil
	}
	stores := []Store{{n.Name, n.Wide.StateKey, n.Wide.StateVal, n.Wide.Derive != nil}}
	for _, s := range n.Wide.More {
		stores = append(stores, Store{n.Name + "/" + s.Name, s.Key, s.Val, false})
	}
	return stores
}

// Acts tells whether the node has something to do in a batch of that time in which it has no rows and no due timer. In the final batch every node has.
func (w *WideSpec) Acts(time int64) bool {
	return w.OnEmpty || w.Every > 0 && time%w.Every == 0 && !fault.Planted("P31-pass")
}

// DeriveAt computes the first of a node's tables (in the order of Stores) from the others, which are at version b, where it is one that
// follows from them.
func (w *WideSpec) DeriveAt(b int64, tables []*state.Table) error {
	if w.Derive == nil || b == 0 {
		return nil
	}
	first := tables[0]
	first.LoadedTo(b - 1)
	first.Begin(b)
	if fault.Planted("P15-derive") {
		first.Seal()
		return nil
	}
	if err := w.Derive(first, tables[1:]); err != nil {
		return err
	}
	first.Seal()
	first.Forget(b)
	return nil
}

// badStore says what is wrong with a node's state tables.
func badStore(n *Node) string {
	if n.Kind != Wide || n.Wide == nil {
		return ""
	}
	switch {
	case len(n.Wide.More) > 0 && !n.Wide.State:
		return "more state tables, and not the first"
	case n.Wide.Derive != nil && len(n.Wide.More) == 0:
		return "a table that follows from others, and no others"
	}
	for i, s := range n.Wide.More {
		switch {
		case s.Name == "" || strings.Contains(s.Name, "/"):
			return fmt.Sprintf("a state table of name %q", s.Name)
		case s.Key == nil || s.Val == nil:
			return fmt.Sprintf("a state table %q without schema", s.Name)
		}
		for _, other := range n.Wide.More[:i] {
			if other.Name == s.Name {
				return fmt.Sprintf("two state tables of name %q", s.Name)
			}
		}
	}
	return ""
}
