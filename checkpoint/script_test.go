package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/clock"
	"github.com/millrace/millrace/internal/goldentest"
	"github.com/millrace/millrace/internal/row"
)

// TestScripts runs testdata/*.txt: a command with arguments, a line of dashes, what it prints, an empty line.
func TestScripts(t *testing.T) {
	goldentest.Scripts(t, func(t *testing.T) func(string) string {
		s := &script{t: t, dir: filepath.Join(t.TempDir(), "ck"), stores: map[string]*crashable{}, refs: map[int64][]DeltaRef{}}
		return func(command string) string { return strings.ReplaceAll(s.run(command), s.dir, "DIR") }
	})
}

// crashable is a store whose process can be ended: what it had not synced is lost.
type crashable struct {
	*Store
	files []*lossyFile
}

// lossyFile keeps writes to itself until they are synced.
type lossyFile struct {
	logFile
	pending []write
	syncs   int
	dead    bool
}

type write struct {
	p   []byte
	off int64
}

func (f *lossyFile) WriteAt(p []byte, off int64) (int, error) {
	f.pending = append(f.pending, write{slices.Clone(p), off})
	return len(p), nil
}

func (f *lossyFile) Sync() error {
	if f.dead {
		return errors.New("sync in a dead process")
	}
	f.syncs++
	for _, w := range f.pending {
		if _, err := f.logFile.WriteAt(w.p, w.off); err != nil {
			return err
		}
	}
	f.pending = nil
	return f.logFile.Sync()
}

// openLossy opens a store that crash can end.
func openLossy(dir string, o Options) (*crashable, *Recovered, error) {
	c := &crashable{}
	o.openFile = func(path string, reserve int64) (logFile, error) {
		f, err := openLogFile(path, reserve)
		if err != nil {
			return nil, err
		}
		l := &lossyFile{logFile: f}
		c.files = append(c.files, l)
		return l, nil
	}
	var r *Recovered
	var err error
	c.Store, r, err = Open(dir, o)
	return c, r, err
}

// crash ends the process: nothing is closed in order.
func (c *crashable) crash() {
	for _, f := range c.files {
		f.dead = true
		_ = f.Close()
	}
	_ = c.index.close()
}

// script is the state of one script. Batches, state rows and stores are named by numbers and letters.
type script struct {
	t      *testing.T
	dir    string
	stores map[string]*crashable
	refs   map[int64][]DeltaRef
	tracts *StateDir // that writes small deltas to tracts; nil: a file for each
}

func (s *script) run(command string) string {
	var out strings.Builder
	for line := range strings.Lines(command) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if err := s.do(&out, words[0], words[1:]); err != nil {
			fmt.Fprintf(&out, "error: %v\n", err)
			if errors.Is(err, ErrDamaged) || errors.Is(err, ErrFenced) {
				fmt.Fprintf(&out, "is: damaged %t, fenced %t\n", errors.Is(err, ErrDamaged), errors.Is(err, ErrFenced))
			}
		}
	}
	return out.String()
}

// split parts key=value words from the others.
func split(words []string) (plain []string, named map[string]string) {
	named = map[string]string{}
	for _, w := range words {
		if k, v, ok := strings.Cut(w, "="); ok {
			named[k] = v
		} else {
			plain = append(plain, w)
		}
	}
	return plain, named
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

func (s *script) do(out *strings.Builder, command string, words []string) error {
	args, named := split(words)
	store := func() *crashable { return s.stores[args[0]] }
	switch command {
	case "open":
		return s.open(out, args[0], named)
	case "append":
		return s.append(store(), named)
	case "crash":
		store().crash()
	case "close":
		return store().Close()
	case "state":
		return s.state(words)
	case "tracts": // from now on, in another process
		var err error
		s.tracts, err = OpenState(s.dir)
		ok(s.t, err)
	case "sync":
		return store().Sync(number(args[1]))
	case "prune":
		err := store().Prune(number(args[1]))
		s.list(out)
		return err
	case "horizon":
		fmt.Fprintf(out, "horizon %d, durable %d\n", store().Horizon(), store().Durable())
	case "finish":
		return store().Finish()
	case "timeline":
		n, err := store().NewTimeline()
		fmt.Fprintf(out, "timeline %d\n", n)
		return err
	case "set":
		return store().PutSetting(args[1], named["value"])
	case "get":
		v, err := store().Setting(args[1])
		fmt.Fprintf(out, "%q\n", v)
		return err
	case "operators":
		return s.operators(words)
	case "recorded":
		s.recorded(out, store().Store)
		return nil
	case "plans":
		plans, err := store().Plans(number(args[1]), number(args[2]))
		for _, p := range plans {
			fmt.Fprintf(out, "%d %s\n", p.Batch, rangeText(p.Ranges))
		}
		return err
	case "replace":
		refs := s.refs[number(args[2])]
		return store().Replace(number(args[1]), refs[len(refs)-1:])
	case "journal":
		d, err := OpenState(s.dir)
		ok(s.t, err)
		return d.WriteJournal(number(args[0]), args[1], 0, []byte(args[2]))
	default:
		return s.look(out, command, args, named)
	}
	return nil
}

// look are the commands that inspect or harm the files.
func (s *script) look(out *strings.Builder, command string, args []string, named map[string]string) error {
	switch command {
	case "files":
		s.list(out)
	case "flip": // flip one bit of the file whose name begins with args[0]
		s.change(args[0], func(b []byte) []byte { b[number(args[1])] ^= 1; return b })
	case "truncate":
		s.change(args[0], func(b []byte) []byte { return b[:number(args[1])] })
	case "remove":
		ok(s.t, os.Remove(s.file(args[0])))
	case "put": // a file that is not ours
		ok(s.t, os.MkdirAll(s.dir, 0o700))
		ok(s.t, os.WriteFile(filepath.Join(s.dir, args[0]), nil, 0o600))
	case "verify":
		r, err := Verify(s.dir)
		if err != nil {
			return err
		}
		for _, n := range r.Notes {
			fmt.Fprintln(out, "note:", n)
		}
		for _, f := range r.Findings {
			fmt.Fprintln(out, f)
		}
		fmt.Fprintf(out, "%d segments, %d files, %d findings\n", r.Segments, r.Files, len(r.Findings))
	case "show", "dump":
		in, err := Inspect(s.dir)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if command == "dump" {
			err = in.Dump(&b, args[0], named["key"])
			out.Write(b.Bytes())
			return err
		}
		sum, err := in.Summarize(10)
		ok(s.t, err)
		ok(s.t, sum.Text(&b))
		for line := range strings.Lines(b.String()) {
			if line = strings.TrimRight(line, " \n"); line != "" {
				fmt.Fprintln(out, line)
			}
		}
	default:
		s.t.Fatalf("unknown command %q", command)
	}
	return nil
}

func (s *script) open(out *strings.Builder, name string, named map[string]string) error {
	o := Options{
		Job: named["job"], roll: number(named["roll"]), Clock: clock.NewManual(time.UnixMicro(1_000_000).UTC()),
		Random: bytes.NewReader(make([]byte, 16)),
	}
	c, r, err := openLossy(s.dir, o)
	if err != nil {
		return err
	}
	s.t.Cleanup(func() { _ = c.Close() })
	s.stores[name] = c
	fmt.Fprintf(out, "fresh %t, epoch %d, committed %d, planned", r.Fresh, r.Epoch, r.Committed)
	for _, p := range r.Planned {
		fmt.Fprintf(out, " %d", p.Batch)
	}
	fmt.Fprintf(out, ", next offset %d, durable %d, torn %d", r.Positions["lines"][0], r.Durable, min(r.TornBytes, 1))
	if r.Timeline != 1 || r.Finished {
		fmt.Fprintf(out, ", timeline %d, finished %t", r.Timeline, r.Finished)
	}
	for _, d := range r.Deltas {
		fmt.Fprintf(out, "\n%s since %d", d.File, d.Since)
	}
	fmt.Fprintln(out)
	return nil
}

// append plan=3 commit=1,2: commits carry the state that was written for their batch.
func (s *script) append(c *crashable, named map[string]string) error {
	var p *Plan
	if b := named["plan"]; b != "" {
		p = plan(number(b))
		if h := named["hash"]; h != "" {
			p.Hash = []byte(h)
		}
	}
	var commits []Commit
	if named["commit"] != "" {
		for b := range strings.SplitSeq(named["commit"], ",") {
			commits = append(commits, commit(number(b), s.refs[number(b)]...))
		}
	}
	return c.Append(p, commits)
}

// state BATCH OPERATOR delta|full FROM-UNTIL key=value …: one file with one section; a key's group is its length. key=- deletes it.
func (s *script) state(words []string) error {
	b, operator, full := number(words[0]), words[1], words[2] == "full"
	from, until, _ := strings.Cut(words[3], "-")
	var changes []change
	for _, w := range words[4:] {
		k, v, _ := strings.Cut(w, "=")
		changes = append(changes, change{len(k), k, number(v), v == "-"})
	}
	d := s.tracts
	if d == nil {
		var err error
		d, err = OpenState(s.dir)
		ok(s.t, err)
		d.most = -1
	}
	ref, err := d.Write(b, b-1, "x1", 1, 0, []SectionData{{operator, int(number(from)), int(number(until)), full, rows(changes...)}})
	if err == nil {
		s.refs[b] = append(s.refs[b], ref)
	}
	return err
}

// defaults reads "level:5,home:null".
func defaults(text string) (list []row.Default) {
	for _, d := range strings.Split(text, ",") {
		path, value, _ := strings.Cut(d, ":")
		if value == "null" {
			list = append(list, row.Default{Path: path, Null: true})
		} else {
			list = append(list, row.Default{Path: path, Value: value})
		}
	}
	return list
}

// recorded prints what the checkpoint says of operators.
func (s *script) recorded(out *strings.Builder, store *Store) {
	for _, o := range store.Operators() {
		fmt.Fprintf(out, "%s: %s -> %s\n", o.Name, o.Key, o.Val)
		for _, d := range o.Added {
			fmt.Fprintf(out, "  older rows have %s %q null %t\n", d.Path, d.Value, d.Null)
		}
	}
}

// operators STORE name|key|value[|op[|defaults]] … [drop=name].
func (s *script) operators(words []string) error {
	plain, named := split(words[1:])
	var ops []Operator
	for _, w := range plain {
		f := strings.Split(strings.ReplaceAll(w, "_", " "), "|")
		op := "runningCount"
		if len(f) > 3 {
			op = f[3]
		}
		ops = append(ops, Operator{Name: f[0], Op: op, Key: f[1], Val: f[2]})
		if len(f) > 4 {
			ops[len(ops)-1].Defaults = defaults(f[4])
		}
	}
	var drop []string
	if d := named["drop"]; d != "" {
		drop = strings.Split(d, ",")
	}
	return s.stores[words[0]].SetOperators(ops, drop)
}

// list prints the checkpoint's files, without the index.
func (s *script) list(out *strings.Builder) {
	for _, dir := range []string{epochDir, logDir, stateDir, journalDir, valueDir} {
		entries, err := os.ReadDir(filepath.Join(s.dir, dir))
		ok(s.t, err)
		for _, e := range entries {
			fmt.Fprintf(out, "%s/%s\n", dir, e.Name())
		}
	}
}

// file finds a file by the beginning of its path within the checkpoint.
func (s *script) file(prefix string) string {
	files, err := filepath.Glob(filepath.Join(s.dir, prefix) + "*")
	if err != nil || len(files) == 0 {
		s.t.Fatalf("no file %s", prefix)
	}
	return files[len(files)-1]
}

func (s *script) change(prefix string, f func([]byte) []byte) {
	path := s.file(prefix)
	ok(s.t, os.WriteFile(path, f(readFile(s.t, path)), 0o600))
}
