package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
)

//go:embed all:templates
var templates embed.FS

const thisModule = "github.com/millrace/millrace"

func pluginNewCommand() *cobra.Command {
	var checkout string
	c := &cobra.Command{
		Use: "new go|python NAME", Short: "Make a folder NAME with a plugin that can be tested and run at once",
		Long: "Make a folder NAME with a plugin: an operator, its test, and a job that sends rows through it. README.md there has the commands.\n\n" +
			"The project needs the module " + thisModule + ": the version that this command was installed from, or the checkout that it was built in.",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			language, name := args[0], args[1]
			p, err := newProject(language, name, checkout)
			if err == nil {
				err = p.write(name)
			}
			if err == nil && p.Checkout == "" {
				err = tidy(name)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is made; next:\n\n", name)
			for _, line := range p.next() {
				fmt.Fprintln(c.OutOrStdout(), "    "+line)
			}
			return nil
		},
	}
	c.Flags().StringVar(&checkout, "checkout", "", "folder with the sources of millrace that the plugin is to be built with (default: what this command was built from)")
	return c
}

// project is what a template is filled with.
type project struct {
	Language, Name string
	Version        string // of this module
	Checkout       string // its sources; "": Version is fetched
}

var projectName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)

// taken are names that mean something to Go or Python.
var taken = []string{"internal", "vendor", "main", "test", "testdata", "plugin", "job", "data", "std", "cmd"}

func newProject(language, name, checkout string) (project, error) {
	p := project{Language: language, Name: name}
	switch {
	case language != "go" && language != "python":
		return p, fmt.Errorf("%w: there is no template for %q; choose go or python", errUsage, language)
	case !projectName.MatchString(name):
		return p, fmt.Errorf("%w: %q cannot be a plugin's name: at most 40 of a to z, 0 to 9, - and _, and a letter first", errUsage, name)
	case slices.Contains(taken, name):
		return p, fmt.Errorf("%w: %q means something else to Go or Python; choose another name", errUsage, name)
	}
	switch _, err := os.Lstat(name); {
	case err == nil:
		return p, fmt.Errorf("%s is there already; choose another name, or remove it", name)
	case !errors.Is(err, fs.ErrNotExist):
		return p, err
	}
	return p, p.findModule(checkout)
}

// findModule finds the version or the sources that this command was built from.
func (p *project) findModule(checkout string) error {
	if checkout != "" {
		root, err := filepath.Abs(checkout)
		if err == nil && !isCheckout(root) {
			err = fmt.Errorf("%s has no go.mod of %s", root, thisModule)
		}
		p.Checkout = root
		return err
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path == thisModule && info.Main.Sum != "" { // out of the module cache: go install made it
		p.Version = info.Main.Version
		return nil
	}
	_, file, _, _ := runtime.Caller(0) // a name of another form if the build trimmed paths
	here, _ := os.Getwd()
	self, _ := os.Executable()
	for _, from := range []string{filepath.Dir(file), filepath.Dir(self), here} {
		for dir := from; filepath.IsAbs(dir) && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			if isCheckout(dir) {
				p.Checkout = dir
				return nil
			}
		}
	}
	return errors.New("the sources that this command was built from are not there any more; name them with --checkout")
}

func isCheckout(dir string) bool {
	b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && bytes.HasPrefix(b, []byte("module "+thisModule+"\n"))
}

// Command is the plugin in the job, as arguments of plugins.Command.
func (p project) Command() string {
	if p.Language == "python" {
		return `"python3", "plugin.py"`
	}
	return `"./` + p.Name + `"`
}

// Requirement is the SDK for pip.
func (p project) Requirement() string {
	if p.Checkout != "" {
		return "millrace-plugin @ file://" + filepath.ToSlash(filepath.Join(p.Checkout, "plugins", "python"))
	}
	return "millrace-plugin @ git+https://" + thisModule + "@" + p.Version + "#subdirectory=plugins/python"
}

// next are the commands of README.md.
func (p project) next() []string {
	if p.Language == "python" {
		return []string{"cd " + p.Name, "python3 -m venv .venv && . .venv/bin/activate && pip install -r requirements.txt", "python3 -m pytest", "go run . --until-caught-up"}
	}
	return []string{"cd " + p.Name, "go test ./...", "go build -o " + p.Name + " .", "go run ./job --until-caught-up"}
}

// files are where templates go.
func (p project) files() map[string]string {
	if p.Language == "python" {
		return map[string]string{
			"plugin.py": "python/plugin.py.tmpl", "test_plugin.py": "python/test_plugin.py.tmpl", "requirements.txt": "python/requirements.txt.tmpl", "README.md": "python/README.md.tmpl", ".gitignore": "gitignore.tmpl",
			"main.go": "job.go.tmpl", "data/visits.json": "visits.json.tmpl",
		}
	}
	return map[string]string{"main.go": "go/main.go.tmpl", "main_test.go": "go/main_test.go.tmpl", "README.md": "go/README.md.tmpl", ".gitignore": "gitignore.tmpl", "job/main.go": "job.go.tmpl", "data/visits.json": "visits.json.tmpl"}
}

// write makes the folder.
func (p project) write(dir string) error {
	for name, from := range p.files() {
		t, err := template.ParseFS(templates, "templates/"+from)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, p); err != nil {
			return err
		}
		if err := put(filepath.Join(dir, name), b.Bytes()); err != nil {
			return err
		}
	}
	mod, sum, err := p.module()
	if err != nil {
		return err
	}
	if sum != nil {
		if err := put(filepath.Join(dir, "go.sum"), sum); err != nil {
			return err
		}
	}
	return put(filepath.Join(dir, "go.mod"), mod)
}

func put(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

// module is go.mod, and with a checkout go.sum: its own, with all that it needs, so that nothing has to be asked for to build. go mod tidy leaves out what the project does not need.
func (p project) module() (mod, sum []byte, err error) {
	if p.Checkout == "" {
		return fmt.Appendf(nil, "module %s\n\ngo %s\n\nrequire %s %s\n", p.Name, goVersion(), thisModule, p.Version), nil, nil
	}
	theirs, err := os.ReadFile(filepath.Join(p.Checkout, "go.mod"))
	if err == nil {
		sum, err = os.ReadFile(filepath.Join(p.Checkout, "go.sum"))
	}
	mod = fmt.Appendf(nil, "module %s\n\n", p.Name)
	inside := false
	for line := range strings.Lines(string(theirs)) {
		switch {
		case strings.HasPrefix(line, "go "), strings.HasPrefix(line, "toolchain "):
			mod = append(mod, line+"\n"...)
		case strings.HasPrefix(line, "require "), inside:
			mod = append(mod, line...)
			inside = !strings.HasPrefix(line, ")") && (inside || strings.Contains(line, "("))
			if !inside {
				mod = append(mod, '\n')
			}
		}
	}
	return fmt.Appendf(mod, "require %s v0.0.0\n\nreplace %s => %s\n", thisModule, thisModule, filepath.ToSlash(p.Checkout)), sum, err
}

// goVersion is the language of go.mod.
func goVersion() string {
	v := strings.TrimPrefix(runtime.Version(), "go")
	if parts := strings.SplitN(v, ".", 3); len(parts) > 1 {
		return parts[0] + "." + parts[1]
	}
	return v
}

// tidy fetches what the project needs.
func tidy(dir string) error {
	c := exec.Command("go", "mod", "tidy")
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s is made, but go mod tidy did not work there: %v\n%s\nrun it again in %s", dir, err, bytes.TrimSpace(out), dir)
	}
	return nil
}
