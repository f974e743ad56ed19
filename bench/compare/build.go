package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// side is one of the two commits.
type side struct {
	name   string
	binary string
	lab    string          // each has its own data, made by its own loader from the same seed: a log's format may have changed
	loaded map[string]bool // by data set
}

// build makes a binary of bench at a commit, "" for what is checked out here.
func build(ctx context.Context, lab, name, commit string) (s *side, err error) {
	dir := filepath.Join(lab, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s = &side{name: "what is here", binary: filepath.Join(dir, "bench"), lab: filepath.Join(dir, "data"), loaded: map[string]bool{}}
	from := "."
	if commit != "" {
		from = filepath.Join(dir, "tree")
		if err := quietly(ctx, ".", "git", "worktree", "add", "--detach", "--force", from, commit); err != nil {
			return nil, err
		}
		defer func() {
			err = errors.Join(err, quietly(context.WithoutCancel(ctx), ".", "git", "worktree", "remove", "--force", from))
		}()
		full, err := exec.CommandContext(ctx, "git", "-C", from, "log", "-1", "--format=%h %s").Output()
		if err != nil {
			return nil, err
		}
		s.name = strings.TrimSpace(string(full))
	}
	return s, quietly(ctx, from, "go", "build", "-o", s.binary, "./bench")
}

// quietly runs a command in a folder; what it says is in the error.
func quietly(ctx context.Context, dir, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
