package dstreamtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/dstream"
	"github.com/millrace/millrace/rdd"
	"github.com/millrace/millrace/sink"
)

// keeping is a job whose rows that are set aside can be had from its batches.
func keeping() dstream.JobOptions {
	return dstream.JobOptions{DeadLetter: func(source string) *sink.Spec { return Collect(deadName(source)) }}
}

func deadName(source string) string { return "dead letters of " + source }

// lettersOf are the dead letters of a batch that go where keeping says, sorted. Which reduce partition set a row aside is left out: it depends on the layout.
func (c *claim) lettersOf(b *Batch) []string {
	var all []string
	for _, f := range c.feeds {
		if n := b.plan.Node(f.name); n.Dead != nil && n.Dead.Name == deadName(f.name) {
			for _, d := range b.DeadLetters(f.name) {
				all = append(all, letterText(d))
			}
		}
	}
	slices.Sort(all)
	return all
}

func letterText(d rdd.DeadLetter) string {
	if d.Offset < 0 {
		d.Partition = 0
	}
	return fmt.Sprintf("%s partition %d offset %d: %s: %q %q", d.Source, d.Partition, d.Offset, d.Reason, d.Key, d.Value)
}

// checkAside compares how many rows a batch (from 0) set aside with what the test wants.
func (c *claim) checkAside(i int, letters []string) error {
	if c.set.aside == nil {
		return nil
	}
	want := 0
	if i < len(c.set.aside) {
		want = c.set.aside[i]
	}
	if len(letters) != want {
		return fmt.Errorf("batch %d: %d rows are set aside, not %d: %q", i+1, len(letters), want, letters)
	}
	return nil
}

// judgeLetters compares the dead letters in the checkpoint of a run that is over with those that a Runner gave in the layout.
func (p *production) judgeLetters() error {
	var got []string
	for _, d := range p.in {
		dir := filepath.Join(p.dir, "_dead", url.PathEscape(d.name))
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		files, err := sink.ReadManifest(dir)
		if err != nil {
			return err
		}
		for _, f := range files {
			if got, err = readLetters(f.Path, got); err != nil {
				return err
			}
		}
	}
	slices.Sort(got)
	if d := cmp.Diff(p.letters[p.layout], got); d != "" {
		return fmt.Errorf("dead letters are not those that other runs of the same layout gave (-want +got):\n%s", d)
	}
	return nil
}

// readLetters appends the dead letters of a file.
func readLetters(name string, to []string) ([]string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		var d rdd.DeadLetter // JSON finds fields in any case, and reads base64 as bytes
		if err := json.Unmarshal(s.Bytes(), &d); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		to = append(to, letterText(d))
	}
	return to, nil
}
