package exampletest

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Check fails t for each exported function ("F"), and each exported method of an exported type ("T.M"), of the package in dir that has no Example with an
// output in the package's own tests. Those in except, by name or by type, need none: the value says why. An exception that is not needed fails too.
func Check(t testing.TB, dir string, except map[string]string) {
	t.Helper()
	problems, err := problems(dir, except)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// Names are the exported functions ("F") and the exported methods of exported types ("T.M") of the package in dir, in the order of its files.
func Names(t testing.TB, dir string) []string {
	t.Helper()
	code, _, err := parse(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, n := range exported(code) {
		list = append(list, n.full())
	}
	return list
}

// problems are what Check reports, in order.
func problems(dir string, except map[string]string) ([]string, error) {
	code, tests, err := parse(dir)
	if err != nil {
		return nil, err
	}
	shown := map[string]bool{}
	var list []string
	for _, e := range doc.Examples(tests...) {
		if e.Output == "" && !e.EmptyOutput {
			list = append(list, fmt.Sprintf("Example%s has no output, so it is not run: end it in a comment // Output:", e.Name))
			continue
		}
		shown[item(e)] = true
	}
	used := map[string]bool{}
	for _, n := range exported(code) {
		reason := n.exception(except)
		switch {
		case shown[n.example()] && except[n.full()] != "":
			list = append(list, fmt.Sprintf("%s has an Example, and an exception that is not needed", n.full()))
		case !shown[n.example()] && reason == "":
			list = append(list, fmt.Sprintf("%s has no Example: write func Example%s() with // Output:, or say in the exceptions why it needs none", n.full(), n.example()))
		}
		used[n.full()], used[n.of] = true, true
	}
	for _, name := range slices.Sorted(maps.Keys(except)) {
		if !used[name] {
			list = append(list, fmt.Sprintf("the exception %s is no exported function, method or type with methods", name))
		}
	}
	slices.Sort(list)
	return list, nil
}

// item is what an example shows: its name without the suffix, which begins with a small letter.
func item(e *doc.Example) string {
	if i := strings.LastIndexByte(e.Name, '_'); i > 0 && !ast.IsExported(e.Name[i+1:]) {
		return e.Name[:i]
	}
	return e.Name
}

// parse reads the package's files and its tests.
func parse(dir string) (code, tests []*ast.File, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("no Go files in %s: %w", dir, fs.ErrNotExist)
	}
	fset := token.NewFileSet()
	for _, path := range paths {
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return nil, nil, err
		}
		if strings.HasSuffix(path, "_test.go") {
			tests = append(tests, f)
		} else {
			code = append(code, f)
		}
	}
	return code, tests, err
}

// name is an exported function, or a method of a type.
type name struct{ of, name string }

func (n name) full() string {
	if n.of == "" {
		return n.name
	}
	return n.of + "." + n.name
}

func (n name) example() string {
	if n.of == "" {
		return n.name
	}
	return n.of + "_" + n.name
}

// exception is why the name needs no Example, "" if it needs one.
func (n name) exception(except map[string]string) string {
	if why := except[n.full()]; why != "" || n.of == "" {
		return why
	}
	return except[n.of]
}

func exported(files []*ast.File) []name {
	var list []name
	for _, f := range files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !fn.Name.IsExported() {
				continue
			}
			if fn.Recv == nil {
				list = append(list, name{"", fn.Name.Name})
			} else if of := typeName(fn.Recv.List[0].Type); ast.IsExported(of) {
				list = append(list, name{of, fn.Name.Name})
			}
		}
	}
	return list
}

// typeName is the name of a receiver's type, without pointer and type parameters.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.IndexListExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
