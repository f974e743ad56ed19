package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"

	"github.com/millrace/millrace/plugins"
)

// command prepares a plugin's process, whose files are checked. close closes what was opened for it, once it has started.
//
// What is checked is the open file, and that file is what is executed: a path that is renamed over between the two makes no difference. This does not hold for scripts with a
// first line "#!", and for scripts among the arguments, which their interpreter opens by path; nor against who writes into the file itself, which its owner alone may do.
func command(ref plugins.Ref) (cmd *exec.Cmd, close func(), err error) {
	file, err := executable(ref.Path)
	if err != nil {
		return nil, nil, err
	}
	want, err := sums(ref)
	if err != nil {
		return nil, nil, err
	}
	cmd = &exec.Cmd{Path: file, Args: []string{file}, Env: environment(ref.Settings)} // python finds its virtual environment by the first of Args
	for _, a := range ref.Args {
		if !isFile(a) {
			cmd.Args = append(cmd.Args, a)
			continue
		}
		abs, err := filepath.Abs(a) // its working directory is another
		if err != nil {
			return nil, nil, err
		}
		cmd.Args = append(cmd.Args, abs)
		if w := want[a]; w != "" {
			got, err := sumFile(abs)
			if err == nil {
				err = checkSum(ref, a, got, w)
			}
			if err != nil {
				return nil, nil, err
			}
		}
	}
	close = func() {}
	if w := want[ref.Path]; w != "" {
		f, err := os.Open(file)
		if err != nil {
			return nil, nil, err
		}
		got, err := sumOpen(f)
		if err == nil {
			err = checkSum(ref, ref.Path, got, w)
		}
		if err != nil {
			f.Close()
			return nil, nil, err
		}
		executeOpen(cmd, f)
		close = func() { f.Close() }
	}
	return cmd, close, nil
}

// isScript tells whether an open file begins with "#!".
func isScript(f *os.File) bool {
	var head [2]byte
	_, err := f.ReadAt(head[:], 0)
	return err == nil && string(head[:]) == "#!"
}

// environment is a plugin's: little of this process's, since that has secrets that are none of a plugin's business.
func environment(s plugins.Settings) []string {
	var env []string
	add := func(k, v string) {
		if _, ok := s.Env[k]; !ok && v != "" {
			env = append(env, k+"="+v)
		}
	}
	for _, k := range []string{"PATH", "HOME", "LANG", "TZ", "TMPDIR"} {
		add(k, os.Getenv(k))
	}
	add("GOMEMLIMIT", fmt.Sprint(memoryLimit(s)/4*3)) // Go plugins collect more before they are over the limit
	for _, k := range sortedKeys(s.Env) {
		env = append(env, k+"="+s.Env[k])
	}
	return env
}

func sortedKeys(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
