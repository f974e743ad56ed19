package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"syscall"

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
		if !isFile(a) { // what it is, the plugin knows: see lostScript
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

// title is what a plugin is called before it has said its name: the executable, and the script that it is to run.
func title(ref plugins.Ref) string {
	if len(ref.Args) > 0 && isFile(ref.Args[0]) {
		return ref.Path + " " + ref.Args[0]
	}
	return ref.Path
}

// shortName is a title for lines of the log.
func shortName(ref plugins.Ref) string {
	if len(ref.Args) > 0 && isFile(ref.Args[0]) {
		return filepath.Base(ref.Args[0])
	}
	return filepath.Base(ref.Path)
}

// lostScript says that an argument looks like a script, and is no file: an interpreter would look for it in the plugin's own working directory. "" if none does.
func lostScript(ref plugins.Ref) string {
	for _, a := range ref.Args {
		if ext := filepath.Ext(a); len(ext) > 1 && ext[1] >= 'a' && !strings.ContainsAny(a, "= ") && !strings.HasPrefix(a, "-") && !isFile(a) {
			return fmt.Sprintf("the argument %q is no file in the job's working directory%s, and the plugin has another: give the whole path, or run the job where the file is", a, here())
		}
	}
	return ""
}

// cannotStart says what to do about an executable that the system does not start.
func cannotStart(ref plugins.Ref, err error) string {
	var p *os.PathError
	if errors.As(err, &p) { // its path may be that of an open file
		err = p.Err
	}
	text := fmt.Sprintf("it cannot be executed: %v", err)
	if dir := ref.Settings.Dir; dir != "" {
		if _, err := os.Stat(dir); err != nil {
			return fmt.Sprintf("it cannot be started in Settings.Dir: %v: make the folder, or change Settings.Dir", err)
		}
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("%s: if it is a program, chmod +x %s; if it is a script, name its interpreter, as in plugins.Command(\"python3\", %q)", text, ref.Path, ref.Path)
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Sprintf("%s: it must be a program that is built for this machine, %s/%s, or a script whose first line is #! and its interpreter", text, runtime.GOOS, runtime.GOARCH)
	case errors.Is(err, fs.ErrNotExist):
		return text + ": it is there, and the interpreter or loader that it names is not on this machine"
	}
	return text
}
