package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/millrace/millrace"

// levels are the layers of ARCHITECTURE.md: a package imports only from lower ones. The longest prefix counts.
var levels = map[string]int{
	"internal": 0, "expr": 0, "commitlog": 1, "rdd": 2, "source": 3, "sink": 3, "checkpoint": 3, "plugins": 3,
	"dstream": 4, "sql": 5, "executor": 5, "driver": 6,
	"examples": 7, "dstream/dstreamtest": 7, "internal/sim": 7, "internal/kill": 7, "bench": 8, "cmd": 9,
}

// never are imports that the levels would allow.
var never = map[string]string{"executor": "dstream"}

// clocked may read the time or sleep: the clock itself, and programs.
var clocked = []string{"internal/clock/", "internal/sim/", "internal/kill/", "cmd/", "bench/", "examples/"}

type file struct {
	path string // slash-separated, from the root
	ast  *ast.File
}

func files(t *testing.T) (*token.FileSet, []file) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var out []file
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		if ast.IsGenerated(f) {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		out = append(out, file{filepath.ToSlash(rel), f})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fset, out
}

func level(dir string) (prefix string, n int, ok bool) {
	for p := dir; p != "." && p != ""; p = filepath.ToSlash(filepath.Dir(p)) {
		if n, ok := levels[p]; ok {
			return p, n, true
		}
	}
	return "", 0, false
}

// importError says why dir may not import the package dep of this module.
func importError(dir, dep string) string {
	from, n, ok := level(dir)
	if !ok {
		return fmt.Sprintf("%s has no level: add it to levels in internal/lint, and to ARCHITECTURE.md", dir)
	}
	to, m, ok := level(dep)
	switch {
	case !ok:
		return fmt.Sprintf("%s imports %s, which has no level", dir, dep)
	case never[from] == to:
		return fmt.Sprintf("%s must not import %s", dir, dep)
	case from == to, m < n, n == 0 && m == 0:
		return ""
	}
	return fmt.Sprintf("%s (level %d) imports %s (level %d): imports point to lower levels only; move the shared piece down, or pass it in", dir, n, dep, m)
}

func TestImportsPointDown(t *testing.T) {
	fset, fs := files(t)
	for _, f := range fs {
		if strings.HasSuffix(f.path, "_test.go") {
			continue
		}
		dir := filepath.ToSlash(filepath.Dir(f.path))
		for _, imp := range f.ast.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			dep, ok := strings.CutPrefix(path, module+"/")
			if !ok {
				continue
			}
			if why := importError(dir, dep); why != "" {
				t.Errorf("%s: %s", fset.Position(imp.Pos()), why)
			}
		}
	}
}

func TestImportErrorCanFail(t *testing.T) {
	for _, c := range []struct {
		dir, dep string
		ok       bool
	}{
		{"driver", "executor", true}, {"executor", "driver", false}, {"source", "sink", false}, {"executor", "dstream", false},
		{"internal/row", "internal/batch", true}, {"internal/row", "rdd", false}, {"source/sourcetest", "source", true},
		{"dstream", "dstream/dstreamtest", false}, {"nowhere", "rdd", false},
	} {
		if got := importError(c.dir, c.dep) == ""; got != c.ok {
			t.Errorf("importError(%q, %q) allows it: %v, want %v", c.dir, c.dep, got, c.ok)
		}
	}
}

// banned calls and where they may stand. Global math/rand functions are those of the package but for its constructors.
func TestBannedCalls(t *testing.T) {
	fset, fs := files(t)
	for _, f := range fs {
		if strings.HasSuffix(f.path, "_test.go") || allowed(f.path) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok || pkg.Obj != nil {
				return true
			}
			name := pkg.Name + "." + sel.Sel.Name
			switch {
			case name == "time.Now", name == "time.Sleep", name == "time.After", name == "time.Since", name == "time.NewTimer", name == "time.NewTicker", name == "time.AfterFunc":
				t.Errorf("%s: %s: the engine reads time from a clock.Clock that is passed in", fset.Position(call.Pos()), name)
			case pkg.Name == "rand" && !strings.HasPrefix(sel.Sel.Name, "New") && importsMathRand(f.ast):
				t.Errorf("%s: %s: draw from a seeded source that is passed in", fset.Position(call.Pos()), name)
			}
			return true
		})
	}
}

func importsMathRand(f *ast.File) bool {
	for _, imp := range f.Imports {
		if p, _ := strconv.Unquote(imp.Path.Value); p == "math/rand" || p == "math/rand/v2" {
			return true
		}
	}
	return false
}

func allowed(path string) bool {
	for _, p := range clocked {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return strings.HasSuffix(filepath.Dir(path), "test") // kits for tests: sourcetest, sinktest, kafkatest
}

func TestExportedNamesHaveComments(t *testing.T) {
	fset, fs := files(t)
	pkgDocs := map[string]bool{}
	for _, f := range fs {
		dir := filepath.Dir(f.path)
		if strings.HasSuffix(f.path, "_test.go") {
			continue
		}
		pkgDocs[dir] = pkgDocs[dir] || f.ast.Doc != nil
		for _, d := range f.ast.Decls {
			checkComments(t, fset, d)
		}
	}
	var dirs []string
	for d, ok := range pkgDocs {
		if !ok {
			dirs = append(dirs, d)
		}
	}
	sort.Strings(dirs)
	for _, d := range dirs {
		t.Errorf("%s: no package comment: say in doc.go which question the package answers", d)
	}
}

func checkComments(t *testing.T, fset *token.FileSet, d ast.Decl) {
	missing := func(pos token.Pos, name string) {
		t.Errorf("%s: exported %s has no comment: state its contract", fset.Position(pos), name)
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && receiverExported(d) && !trivialMethod(d) {
			missing(d.Pos(), d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
					missing(s.Pos(), s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
						missing(n.Pos(), n.Name)
					}
				}
			}
		}
	}
}

// trivialMethod are methods whose contract is their interface's.
func trivialMethod(d *ast.FuncDecl) bool {
	switch d.Name.Name {
	case "Error", "String", "Len", "Less", "Swap", "Push", "Pop", "Unwrap", "Close":
		return d.Recv != nil
	}
	return false
}

func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}
