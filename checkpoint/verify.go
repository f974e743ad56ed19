package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/internal/row"
	"github.com/millrace/millrace/internal/slot"
)

const allGroups = row.Groups

// Report is what Verify found.
type Report struct {
	Findings []string // damage, a line each; none means that the checkpoint is whole
	Notes    []string // what is odd and harmless
	Segments int
	Files    int // state files
	Bytes    int64
}

// Verify reads everything that a restart would need and checks it: each frame and the sequence of the batch log, each state file and each section in it, each
// operator's chain, journals, shared values, and the index if no driver holds it. It changes nothing and may run beside a driver. The error is for
// what keeps it from looking at all.
func Verify(dir string) (*Report, error) {
	if err := isCheckpoint(dir); err != nil {
		return nil, err
	}
	r := &Report{}
	witness := readIndex(dir)
	in, err := Inspect(dir)
	switch {
	case errors.Is(err, ErrDamaged):
		if err := r.segments(dir, err); err != nil {
			return nil, err
		}
		r.Notes = append(r.Notes, "state files were not checked against the log, which is damaged")
		return r, nil
	case err != nil:
		return nil, err
	}
	for _, g := range in.log.segments {
		r.Segments++
		r.Bytes += g.bytes
		if g.void > 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("%s: %d bytes behind byte %d are void: a replaced driver wrote them", segmentName(g.number), g.void, g.bytes))
		}
	}
	if in.TornBytes > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d bytes at the end of the log are torn: the next start cuts them", in.TornBytes))
	}
	r.stateFiles(in)
	r.chains(in)
	r.sealed(filepath.Join(dir, journalDir), func(name string) bool { b, ok := batchOf(name); return ok && b > in.Durable })
	used := in.log.ledger.valuesNamed(in.Horizon)
	r.sealed(filepath.Join(dir, valueDir), func(name string) bool { return used[name] })
	for hash := range used {
		if _, err := os.Stat(filepath.Join(dir, valueDir, hash)); errors.Is(err, os.ErrNotExist) {
			r.finding("%s: shared value is missing, a kept plan names it", filepath.Join(dir, valueDir, hash))
		}
	}
	if err := witness.missing(dir, in.log); err != nil {
		r.finding("%v", err)
	}
	return r, nil
}

func (r *Report) finding(format string, args ...any) {
	r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
}

// segments looks at each segment by itself: a log that is damaged in one place may be so in others. first is what reading it as a whole said.
func (r *Report) segments(dir string, first error) error {
	r.finding("%v", first)
	numbers, err := slot.List(filepath.Join(dir, logDir), "", segmentSuffix)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		r.Segments++
		f, err := readSegmentFile(dir, n)
		if err == nil {
			_, err = scanSegment(n, f.data)
			err = inFile(err, f.path)
		}
		if err != nil && err.Error() != first.Error() {
			r.finding("%v", err)
		}
	}
	return nil
}

// stateFiles checks each file that the log names. A running driver may prune while we look: what is gone is judged by the log of now.
func (r *Report) stateFiles(in *Inspection) {
	names := map[string]bool{}
	var bad []DeltaRef
	var errs []error
	for _, d := range in.Deltas {
		if !names[d.File] {
			names[d.File] = true
			r.Files++
		}
		r.Bytes += d.Bytes
		if err := in.checkFile(d); err != nil {
			bad, errs = append(bad, d), append(errs, err)
		}
	}
	if len(bad) > 0 {
		now, err := Inspect(in.dir)
		for i, d := range bad {
			switch {
			case err == nil && d.Batch < now.Horizon:
			case d.Batch > in.Durable:
				r.finding("%v; batch %d is not durable yet: a restart computes it again", errs[i], d.Batch)
			default:
				r.finding("%v", errs[i])
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(in.dir, stateDir))
	if err != nil {
		r.finding("%v", err)
		return
	}
	left := 0
	for _, e := range entries {
		if b, ok := batchOf(e.Name()); ok && b <= in.Committed && !names[e.Name()] {
			left++
		}
	}
	if left > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d state files are no longer named by the log: they will be pruned", left))
	}
}

// checkFile checks a file's checksum, and that each section can be read, holds rows of its groups, and has or lacks the columns that the log says.
func (in *Inspection) checkFile(d DeltaRef) error {
	if err := in.state.Check(d); err != nil {
		return err
	}
	for _, s := range d.Sections {
		rec, err := in.state.Load(d, s)
		if err != nil {
			return err
		}
		if rec == nil {
			continue
		}
		err = checkRows(rec, s)
		if o := in.operator(s.Operator); err == nil && o != nil {
			if _, err = widened(o, rec); err != nil {
				err = fmt.Errorf("section of operator %q: %w", o.Name, err)
			}
		}
		if err != nil {
			return &damage{filepath.Join(in.dir, stateDir, d.File), s.Off, err.Error()}
		}
	}
	return nil
}

// checkRows checks that rec has the form of state and rows of s's groups only.
func checkRows(rec arrow.Record, s Section) error {
	f, err := stateForm(rec)
	if err != nil {
		return fmt.Errorf("section of operator %q: %w", s.Operator, err)
	}
	for i := range int(rec.NumRows()) {
		if g := int(f.group.Value(i)); g < s.From || g >= s.Until {
			return fmt.Errorf("section of operator %q for key groups %d to %d holds a row of group %d", s.Operator, s.From, s.Until-1, g)
		}
	}
	return nil
}

// chains checks that each operator can be brought to the last version that state files hold, and that plans lead on from the oldest that may be needed.
func (r *Report) chains(in *Inspection) {
	for _, o := range in.Operators {
		if at := in.version(o.Name); at > 0 {
			if _, ok := Chain(in.Deltas, o.Name, 0, allGroups, at); !ok {
				r.finding("operator %q: no chain of state files leads to batch %d", o.Name, at)
			}
		}
	}
	low := in.log.ledger.floor(in.Durable)
	for b := low + 1; b <= in.log.ledger.lastPlanned(); b++ {
		if p, err := in.plan(b); err != nil {
			r.finding("%v", err)
		} else if p == nil {
			r.finding("plan of batch %d is not in the log, though state files reach to batch %d only", b, low)
		}
	}
}

// sealed checks the files of dir that count.
func (r *Report) sealed(dir string, counts func(name string) bool) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.finding("%v", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || !counts(e.Name()) {
			continue
		}
		if _, err := readSealed(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			r.finding("%v", err)
		}
	}
}

// form is a state record's columns in the roles that state.Schema gives them.
type form struct {
	group     *array.Uint8
	deleted   *array.Boolean
	due       *array.Int64
	key, val  []int // columns
	scalarKey bool
	scalarVal bool
}

// stateForm finds the roles of rec's columns, without the Go types.
func stateForm(rec arrow.Record) (form, error) {
	var f form
	fields := rec.Schema().Fields()
	if len(fields) < 4 || fields[0].Name != "_group" || fields[1].Name != "_deleted" || fields[2].Name != "_due" {
		return f, fmt.Errorf("columns %v are not those of state", rec.Schema())
	}
	var ok [3]bool
	f.group, ok[0] = rec.Column(0).(*array.Uint8)
	f.deleted, ok[1] = rec.Column(1).(*array.Boolean)
	f.due, ok[2] = rec.Column(2).(*array.Int64)
	if ok != [3]bool{true, true, true} {
		return f, fmt.Errorf("columns %v are not those of state", rec.Schema())
	}
	f.scalarKey = fields[3].Name == "key"
	for i := 3; i < len(fields); i++ {
		isKey := f.scalarKey && i == 3 || !f.scalarKey && len(f.val) == 0 && strings.HasPrefix(fields[i].Name, "key.")
		if isKey {
			f.key = append(f.key, i)
		} else {
			f.val = append(f.val, i)
		}
	}
	f.scalarVal = len(f.val) == 1 && fields[f.val[0]].Name == "value"
	return f, nil
}
