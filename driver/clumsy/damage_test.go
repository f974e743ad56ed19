package clumsy

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// flip changes one byte of a file; at is from its end if negative.
func (p *place) flip(name string, at int64) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	data, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	if at < 0 {
		at += int64(len(data))
	}
	data[at] ^= 0x55
	if err := os.WriteFile(path, data, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// newest is the last of the files that match, from the place.
func (p *place) newest(pattern string) string {
	p.t.Helper()
	paths, err := filepath.Glob(filepath.Join(p.dir, pattern))
	if err != nil || len(paths) == 0 {
		p.t.Fatalf("%s: %v %v", pattern, paths, err)
	}
	name, err := filepath.Rel(p.dir, paths[len(paths)-1])
	if err != nil {
		p.t.Fatal(err)
	}
	return name
}

// TestDamagedState: a state file that is not what was written is computed again; a batch log that is damaged stops the job.
func TestDamagedState(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		at   int64
		want string // in the refusal; "" where the job goes on
	}{
		"state head": {"ck/state/*", 0, ""},
		"state tail": {"ck/state/*", -2, ""},
		"index":      {"ck/index.db", 16, ""},
		"log head":   {"ck/log/*.seg", 0, "no segment header"},
		"log middle": {"ck/log/*.seg", 300, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			for i := range 3 {
				p.produce("lines", "a b a", fmt.Sprint("w", i))
				p.ok("words", "--checkpoint", "ck", "--until-caught-up")
			}
			p.flip(p.newest(c.file), c.at)
			p.produce("lines", "a c")
			want := map[string]int{"a": 7, "b": 3, "c": 1, "w0": 1, "w1": 1, "w2": 1}
			r := p.run("words", "--checkpoint", "ck", "--until-caught-up")
			if c.want != "" {
				r.refused(t, 1, c.want, "restore")
				want = map[string]int{"a": 6, "b": 3, "w0": 1, "w1": 1, "w2": 1}
			} else if r.code != 0 {
				t.Errorf("status %d:\n%s", r.code, r.err)
			}
			if d := cmp.Diff(want, p.totals("counts")); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestDamagedInput: a damaged log stops the job at once, with file and byte, and nothing of it comes out.
func TestDamagedInput(t *testing.T) {
	p := newPlace(t)
	p.produce("lines", "a", "b")
	p.produce("counts")
	p.flip("log/lines/0/00000000000000000000.log", -1)
	p.run("words", "--checkpoint", "ck", "--until-caught-up").refused(t, 1, "source log:lines partition 0: topic lines", "00000000000000000000.log byte 0: damaged", "restore the file")
	if rows := p.topic("counts"); len(rows) > 0 {
		t.Errorf("rows came out: %q", rows)
	}
}

// TestInputMadeAnew: a log that was deleted and made again has other records under the offsets that were read: the job does not go on with it.
func TestInputMadeAnew(t *testing.T) {
	p := newPlace(t)
	p.produce("lines", "a", "b", "a")
	args := []string{"--checkpoint", "ck", "--to", "files:out", "--until-caught-up"}
	p.ok("words", args...)
	if err := os.RemoveAll(filepath.Join(p.dir, "log")); err != nil {
		t.Fatal(err)
	}
	p.produce("lines", "x")
	p.run("words", args...).refused(t, 1, "it ends at 1, and batches up to offset 3 were planned", "start with a new --checkpoint")
}
