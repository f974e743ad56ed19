package host

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/millrace/millrace/plugins"
)

// LockName is the lock file's, in a job's working directory.
const LockName = "millrace-plugins.lock"

const lockHead = "# What millrace's plugins of this job have to be: sha256, size, path, plugin, version. Written by \"millrace plugin lock\", checked at every start.\n"

// Lock is a lock file: which bytes the executables and scripts of plugins must have.
type Lock struct {
	Files []Locked // by path
}

// Locked is a file of a lock.
type Locked struct {
	Sum     string // sha256, 64 hex digits
	Size    int64
	Path    string // as the job writes it
	Plugin  string // name and version of the plugin that it was locked for, for people
	Version string
}

// ReadLock reads a lock file. Its error is fs.ErrNotExist where there is none.
func ReadLock(path string) (*Lock, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no lock file %s, which \"millrace plugin lock\" writes: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	l := &Lock{}
	s := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; s.Scan(); n++ {
		if s.Text() == "" || strings.HasPrefix(s.Text(), "#") {
			continue
		}
		f := strings.Split(s.Text(), "\t")
		bad := func(what string) error {
			return fmt.Errorf("lock file %s line %d: %s: remove the file, and write it again with \"millrace plugin lock\"", path, n, what)
		}
		if len(f) != 5 {
			return nil, bad(fmt.Sprintf("%d fields where there are 5, separated by tabs", len(f)))
		}
		size, err := strconv.ParseInt(f[1], 10, 64)
		switch {
		case !isSum(f[0]):
			return nil, bad(fmt.Sprintf("%q is no sha256", f[0]))
		case err != nil || size < 0:
			return nil, bad(fmt.Sprintf("%q is no size", f[1]))
		}
		if old := l.find(f[2]); old != nil {
			return nil, bad(fmt.Sprintf("path %s comes twice", f[2]))
		}
		l.Files = append(l.Files, Locked{f[0], size, f[2], f[3], f[4]})
	}
	return l, s.Err()
}

func isSum(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && strings.ToLower(s) == s
}

func (l *Lock) find(path string) *Locked {
	for i := range l.Files {
		if l.Files[i].Path == path {
			return &l.Files[i]
		}
	}
	return nil
}

// Put adds files, in place of those of the same path.
func (l *Lock) Put(files ...Locked) {
	for _, f := range files {
		if old := l.find(f.Path); old != nil {
			*old = f
		} else {
			l.Files = append(l.Files, f)
		}
	}
	sort.Slice(l.Files, func(i, j int) bool { return l.Files[i].Path < l.Files[j].Path })
}

// Write replaces a lock file.
func (l *Lock) Write(path string) error {
	var b bytes.Buffer
	b.WriteString(lockHead)
	for _, f := range l.Files {
		for _, s := range []string{f.Path, f.Plugin, f.Version} {
			if strings.ContainsAny(s, "\t\r\n") {
				return fmt.Errorf("lock file %s: %q has a tab or a line break", path, s)
			}
		}
		fmt.Fprintf(&b, "%s\t%d\t%s\t%s\t%s\n", f.Sum, f.Size, f.Path, f.Plugin, f.Version)
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// Check compares a file of the lock with what is there. Relative paths are of the working directory.
func (f Locked) Check() error {
	file, err := executable(f.Path)
	if err != nil {
		return err
	}
	now, err := sumFile(file)
	if err != nil {
		return err
	}
	if now.Sum != f.Sum {
		return fmt.Errorf("%s has sha256 %s (%d bytes), and %s (%d bytes) is locked", f.Path, now.Sum, now.Size, f.Sum, f.Size)
	}
	return nil
}

// lockFiles are the files of a plugin as a lock has them: its executable, and the arguments that are files.
func lockFiles(ref plugins.Ref) ([]Locked, error) {
	var out []Locked
	for i, path := range append([]string{ref.Path}, scripts(ref)...) {
		file := path
		if i == 0 {
			var err error
			if file, err = executable(path); err != nil {
				return nil, err
			}
		}
		f, err := sumFile(file)
		if err != nil {
			return nil, err
		}
		f.Path = path
		out = append(out, f)
	}
	return out, nil
}

// scripts are the arguments that are files.
func scripts(ref plugins.Ref) []string {
	var out []string
	for _, a := range ref.Args {
		if isFile(a) {
			out = append(out, a)
		}
	}
	return out
}

func isFile(path string) bool {
	s, err := os.Stat(path)
	return err == nil && s.Mode().IsRegular()
}

func sumFile(path string) (Locked, error) {
	f, err := os.Open(path)
	if err != nil {
		return Locked{}, err
	}
	defer f.Close()
	return sumOpen(f)
}

func sumOpen(f *os.File) (Locked, error) {
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return Locked{}, err
	}
	return Locked{Sum: hex.EncodeToString(h.Sum(nil)), Size: n}, nil
}

// sums are the sums that the files of a plugin must have, by path as the job writes it; nil: any will do.
func sums(ref plugins.Ref) (map[string]string, error) {
	want := map[string]string{}
	if s := ref.Settings.Sum; s != "" {
		if !isSum(s) {
			return nil, fmt.Errorf("Settings.Sum %q is no sha256: 64 hex digits in lower case are wanted", s)
		}
		want[ref.Path] = s
	}
	path := ref.Settings.Lock
	if path == "" {
		path = LockName
	}
	l, err := ReadLock(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && ref.Settings.Lock == "":
		return want, nil
	case err != nil:
		return nil, err
	}
	for _, p := range append([]string{ref.Path}, scripts(ref)...) {
		if want[p] != "" {
			continue
		}
		f := l.find(p)
		if f == nil && ref.Settings.Sum == "" {
			return nil, fmt.Errorf("%s is not in the lock file %s: if it is meant to run, add it with\n    %s", p, path, lockCommand(ref))
		}
		if f != nil {
			want[p] = f.Sum
		}
	}
	return want, nil
}

// lockCommand is what a person types to have a plugin in the lock file as it is.
func lockCommand(ref plugins.Ref) string {
	words := []string{"millrace", "plugin", "lock"}
	if ref.Settings.Lock != "" {
		words = append(words, "--lock", ref.Settings.Lock)
	}
	words = append(append(words, ref.Path), ref.Args...)
	for i, w := range words {
		if w == "" || strings.ContainsAny(w, " \t\n'\"$\\*?;&|<>()`~#") {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// checkSum says how a file differs from what it must be.
func checkSum(ref plugins.Ref, path string, got Locked, want string) error {
	if got.Sum == want {
		return nil
	}
	from := "the lock file has"
	what := "if the change is meant, lock it again with\n    " + lockCommand(ref)
	if path == ref.Path && ref.Settings.Sum != "" {
		from, what = "Settings.Sum is", "if the change is meant, change Settings.Sum"
	}
	return fmt.Errorf("%s has other bytes than it must have: its sha256 is %s (%d bytes), %s %s: %s", path, got.Sum, got.Size, from, want, what)
}

// executable is the file behind the path of an executable or script, absolute. A bare name is looked for in PATH, and then here.
func executable(path string) (string, error) {
	file, err := exec.LookPath(path)
	switch {
	case err == nil, errors.Is(err, exec.ErrDot):
		return filepath.Abs(file)
	case isFile(path):
		return filepath.Abs(path)
	}
	return "", fmt.Errorf("%q cannot be found: give the path of an executable, absolute or from the job's working directory%s: %w", path, here(), errors.Unwrap(err))
}

// here is the working directory for a message, "" where it is not known.
func here() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	return ", " + dir
}
