package checkpoint

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/fault"
)

// SetOperators records the program's stateful operators. Operators that the checkpoint has and ops lacks must be in drop. The state of an operator may have
// more columns than the checkpoint knows: they and their defaults are recorded (Operator.Added), and rows of older files hold these for ever. Another
// order of columns is no change. Any other key or state schema is an error that names the operator, shows both schemas and says what differs.
// An operator in both ops and drop begins anew, with no state. What is dropped
// is gone from Deltas. An operator that keeps more than one table is listed once for each: as NAME, and as NAME/TABLE with Op "…/TABLE"; dropping NAME
// drops them all. Operators of a job that had no state begin at the last committed batch. Nothing is recorded if there is an error, which lists all that is wrong.
func (s *Store) SetOperators(ops []Operator, drop []string) error {
	next := slices.Clone(ops)
	slices.SortFunc(next, func(a, b Operator) int { return cmp.Compare(a.Name, b.Name) })
	s.mu.Lock()
	have := s.ledger.operators
	holding := operatorsOf(s.ledger.deltas)
	s.mu.Unlock()
	dropped, err := compareOperators(have, next, drop)
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", s.dir, err)
	}
	if len(dropped) == 0 && slices.EqualFunc(have, next, sameOperator) {
		return nil
	}
	s.tellChanges(have, next)
	for _, name := range drop { // state without an operator: what is left of an older program
		if slices.Contains(holding, name) && !slices.Contains(dropped, name) {
			dropped = append(dropped, name)
		}
	}
	e := &entry{Operators: &operators{Set: next, Dropped: dropped}}
	goesOn := func(name string) bool { return !slices.Contains(dropped, name) }
	// An operator that goes on may have no file yet (--checkpoint-every): its state is what lineage makes of the batches until now.
	if len(next) > 0 && !slices.ContainsFunc(holding, goesOn) && !slices.ContainsFunc(have, func(h Operator) bool { return goesOn(h.Name) }) {
		if err := s.beginState(e); err != nil {
			return err
		}
	}
	if err := s.write(e); err != nil {
		return err
	}
	return s.writeIndex()
}

func sameOperator(a, b Operator) bool {
	return a.Name == b.Name && a.Op == b.Op && a.Key == b.Key && a.Val == b.Val && slices.Equal(a.Added, b.Added)
}

// tellChanges logs which operators have new columns.
func (s *Store) tellChanges(have, next []Operator) {
	for _, n := range next {
		i := slices.IndexFunc(have, func(h Operator) bool { return h.Name == n.Name })
		if i >= 0 && len(n.Added) > len(have[i].Added) {
			var paths []string
			for _, d := range n.Added[len(have[i].Added):] {
				paths = append(paths, d.Path)
			}
			s.o.Log.Info("state has new fields", "operator", n.Name, "fields", strings.Join(paths, ", "))
		}
	}
}

// beginState lets e say that all state is empty at the last committed batch: no operator has any, and those that the program has
// now begin there, not at batches that may be pruned. A state file without sections stands for it.
func (s *Store) beginState(e *entry) error {
	s.mu.Lock()
	at := s.ledger.committed
	s.mu.Unlock()
	if at == 0 {
		return nil
	}
	ref, err := s.state.Write(at, at-1, "driver", s.epoch, 0, nil)
	if err == nil && !s.o.Volatile {
		err = s.state.sync([]DeltaRef{ref}, at-1, at)
	}
	if err != nil {
		return explain(s.dir, err)
	}
	e.Replaced, e.Durable = &replaced{Deltas: []DeltaRef{ref}}, at
	s.mu.Lock()
	defer s.mu.Unlock()
	s.synced = max(s.synced, at)
	return nil
}

// compareOperators gives the operators of have that are dropped, or all that keeps the program from using the checkpoint. It fills what next says of
// rows in older files.
func compareOperators(have, next []Operator, drop []string) (dropped []string, err error) {
	var errs []error
	for i := range next {
		next[i].Added = nil
	}
	for _, h := range have {
		i := slices.IndexFunc(next, func(n Operator) bool { return n.Name == h.Name })
		owner := h.owner()
		switch {
		case slices.Contains(drop, h.Name) || slices.Contains(drop, owner) && !fault.Planted("P19-tables"):
			dropped = append(dropped, h.Name)
		case i < 0 && owner != h.Name && named(have, owner) && !named(next, owner):
			// the message about its owner says it
		case i < 0:
			errs = append(errs, fmt.Errorf("operator %q (%s) is in the checkpoint and not in the program: put it back, or give its state up with --drop %s", h.Name, h.Op, h.Name))
		default:
			added, why := follow(h, next[i])
			next[i].Added = added
			if fault.Planted("P19-default") {
				next[i].Added = next[i].Defaults
			}
			if len(why) > 0 && !fault.Planted("P19-schema") {
				errs = append(errs, refusal(h, next[i], why))
			}
		}
	}
	return dropped, errors.Join(errs...)
}

func named(ops []Operator, name string) bool {
	return slices.ContainsFunc(ops, func(o Operator) bool { return o.Name == name })
}

// owner is the name of the operator that keeps this table: o's own, but for tables besides an operator's first.
func (o *Operator) owner() string {
	if slash := strings.LastIndexByte(o.Name, '/'); slash > 0 && strings.HasSuffix(o.Op, o.Name[slash:]) {
		return o.Name[:slash]
	}
	return o.Name
}

// schemaDiff shows two schemas of one operator in unified form.
func schemaDiff(have, next Operator) string {
	return "--- checkpoint\n+++ program\n" + fieldDiff("key", have.Key, next.Key) + fieldDiff("state", have.Val, next.Val)
}

func fieldDiff(part, have, next string) string {
	a, b := splitFields(have), splitFields(next)
	var out strings.Builder
	line := func(mark byte, field string) { fmt.Fprintf(&out, "%c %-5s  %s\n", mark, part, field) }
	common := commonFields(a, b)
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(a) > 0 && len(common) > 0 && a[0] == common[0] && len(b) > 0 && b[0] == common[0]:
			line(' ', a[0])
			a, b, common = a[1:], b[1:], common[1:]
		case len(a) > 0 && (len(common) == 0 || a[0] != common[0]):
			line('-', a[0])
			a = a[1:]
		default:
			line('+', b[0])
			b = b[1:]
		}
	}
	return out.String()
}

// splitFields cuts "a: utf8, b: struct<x: int64, y: int64>" at the commas outside of brackets.
func splitFields(text string) []string {
	var fields []string
	depth, start := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '<', '[', '(', '{':
			depth++
		case '>', ']', ')', '}':
			depth--
		case ',':
			if depth == 0 {
				fields = append(fields, strings.TrimSpace(text[start:i]))
				start = i + 1
			}
		}
	}
	if rest := strings.TrimSpace(text[start:]); rest != "" {
		fields = append(fields, rest)
	}
	return fields
}

// commonFields is a longest common subsequence of a and b, which are short.
func commonFields(a, b []string) []string {
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var common []string
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			common = append(common, a[i])
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			i++
		default:
			j++
		}
	}
	return common
}
