//go:build faults

package kill

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/kafkatest"
)

// proof says which test of this package goes red when a fault is planted.
type proof struct {
	fault string // as in fault.Planted; the part before the dash is the rule that it breaks
	test  string // pattern for -test.run
	with  string // faults that are planted together with it: the second and third wall behind the same rule
}

// proofs are those with real processes. The other packages run their own: each has a test that calls faulttest.Red with a fault and the name of a test.
var proofs = []proof{
	{fault: "I1-publish", test: "TestCrashPoints$/^driver-between-publish-and-record:3$", with: "slow-batch-log"},
	{fault: "I2-seed", test: "TestKillLog$/^words-scripted$"},
	{fault: "I5-executor", test: "TestCrashPoints$/^log-after-publish:3$", with: "I5-log,I5-skip"},
	{fault: "I5-files", test: "TestCrashPoints$/^files-after-slot:3$"},
	{fault: "I5-kafka", test: "TestCrashPoints$/^kafka-after-commit:3$", with: "I5-executor,I5-skip"},
	{fault: "I7-arrival", test: "TestKillLog$/^words-scripted$"},
	{fault: "P1-layout", test: "TestRelayout$/^words-log$"},
	{fault: "P7-foreign", test: "TestForeignMarkers$/^log$"},
	{fault: "P7-future", test: "TestForeignMarkers$/^log$"},
	{fault: "P9-marker", test: "TestCrashPoints$/^kafka-after-commit:3$"},
	{fault: "P20-adopt", test: "TestNoOrphans$"},
	{fault: "P27-groups", test: "TestRelayout$/^words-log$"},
}

// helpers are planted beside a fault and break nothing by themselves.
var helpers = []string{"slow-batch-log"}

// also are the rules that a fault breaks besides the one it is named after.
var also = map[string]string{
	"I4-order": "P6", "P8-early": "P6", "I9-append": "P4", "P7-foreign": "P5",
}

// notBuilt are rules without a fault, and what docs/protocol.md says of them as long as there is nothing to plant one in.
var notBuilt = map[string]string{}

// TestPlantedFaultsAreCaught runs tests of this package, with real processes, once more with a fault on: they have to go red. The other packages have
// such a test each, for theirs.
func TestPlantedFaultsAreCaught(t *testing.T) {
	if os.Getenv("MILLRACE_FAULT") != "" {
		t.Skip("is itself run with a fault")
	}
	needProc(t)
	for _, p := range proofs {
		t.Run(p.fault, func(t *testing.T) {
			if strings.Contains(p.test, "kafka") {
				kafkatest.Addr(t)
			}
			cmd := exec.Command(os.Args[0], "-test.run=^"+p.test, "-test.failfast", "-test.v")
			cmd.Env = append(os.Environ(), "MILLRACE_FAULT="+strings.TrimSuffix(p.fault+","+p.with, ","), "MILLRACE_KILLS=4", "MILLRACE_LONG=")
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: ") {
				t.Errorf("%s is not red with %s (%v):\n%s", p.test, p.fault, err, out)
			}
		})
	}
}

// TestPlantedFaultsAreComplete fails if a fault in the source turns no test red, if this table has one that is not in the source, or if a rule has none.
func TestPlantedFaultsAreComplete(t *testing.T) {
	planted := plantedWhere(t)
	tests := redTests(t)
	rules := map[string]bool{}
	for fault := range planted {
		if len(tests[fault]) == 0 && !slices.Contains(helpers, fault) {
			t.Errorf("fault %s (%v) turns no test red: call faulttest.Red with it, or add it to proofs", fault, planted[fault])
		}
		for _, r := range rulesOf(fault) {
			rules[r] = true
		}
	}
	for _, p := range proofs {
		for _, f := range strings.Split(p.fault+","+p.with, ",") {
			if f != "" && planted[f] == nil {
				t.Errorf("fault %s is not in the source", f)
			}
		}
	}
	protocol, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range allRules() {
		note, missing := notBuilt[r]
		switch {
		case rules[r]:
		case missing && !strings.Contains(string(protocol), note):
			t.Errorf("docs/protocol.md no longer says %q of %s: plant a fault for it", note, r)
		case !missing:
			t.Errorf("%s has no planted fault", r)
		}
	}
}

// redTests are the tests that go red for each fault, "package: test". In other packages they are found by their form, which is that of the arguments of
// faulttest.Red, in the order (fault, test).
func redTests(t *testing.T) map[string][]string {
	found := map[string][]string{}
	for _, p := range proofs {
		name := "`" + strings.NewReplacer("$", "", "^", "").Replace(p.test) + "`"
		if p.with != "" {
			name += " (with `" + strings.ReplaceAll(p.with, ",", "`, `") + "`)"
		}
		found[p.fault] = []string{"internal/kill " + name}
	}
	call := regexp.MustCompile(`"([IP][0-9]+-[a-z0-9-]+)"\s*[:,]\s*(?:"([^"]+)"|(\w+))`)
	variable := regexp.MustCompile(`(?m)^\s*(?:var |const )?(\w+) :?= "(Test[^"]*)"`)
	eachGoFile(t, func(path, text string) {
		if !strings.HasSuffix(path, "_test.go") || !strings.Contains(text, "faulttest.Red") {
			return
		}
		named := map[string]string{}
		for _, m := range variable.FindAllStringSubmatch(text, -1) {
			named[m[1]] = m[2]
		}
		for _, m := range call.FindAllStringSubmatch(text, -1) {
			test := m[2] + named[m[3]]
			line := filepath.ToSlash(filepath.Dir(path)) + " `" + strings.ReplaceAll(test, "|", "`, `") + "`"
			if strings.HasPrefix(test, "Test") && !slices.Contains(found[m[1]], line) {
				found[m[1]] = append(found[m[1]], line)
			}
		}
	})
	return found
}

// rulesOf are the rules that a fault breaks.
func rulesOf(fault string) []string {
	rule, _, _ := strings.Cut(fault, "-")
	if !regexp.MustCompile(`^[IP][0-9]+$`).MatchString(rule) {
		return nil
	}
	return append([]string{rule}, strings.Fields(also[fault])...)
}

// allRules are I1 to I9 and P1 to P32.
func allRules() []string {
	var all []string
	for i := 1; i <= 9; i++ {
		all = append(all, fmt.Sprintf("I%d", i))
	}
	for i := 1; i <= 32; i++ {
		all = append(all, fmt.Sprintf("P%d", i))
	}
	return all
}

// TestPlantedFaultsAreDocumented compares docs/proofs.md with the source.
func TestPlantedFaultsAreDocumented(t *testing.T) {
	const path = "../../docs/proofs.md"
	want := document(t)
	if os.Getenv("MILLRACE_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/proofs.md is behind the source; run the test with -tags faults and MILLRACE_UPDATE=1 (-want +document):\n%s", diff)
	}
}

const preface = `# Proofs

Each rule of [protocol.md](protocol.md), the files whose code upholds it, a violation that is planted there behind the build tag ` + "`faults`" + `, and
the test that goes red when the violation is switched on (` + "`MILLRACE_FAULT=name`" + `). A proof that cannot fail proves nothing. This file is made from the
source and its tests (` + "`internal/kill/planted_faults_test.go`" + `), and a test keeps it so; another one fails if a planted fault turns no test red, or a rule has none.

` + "`make test`" + ` runs every one of them. Those of ` + "`internal/kill`" + ` are the kill test itself, with real processes: drivers and executors are killed with
SIGKILL at random moments and at crash points, and what was published is compared with a model, batch by batch, and with an undisturbed run, row by row.

| rule | upheld in | fault | goes red |
|---|---|---|---|
`

// document is docs/proofs.md.
func document(t *testing.T) string {
	where, tests := plantedWhere(t), redTests(t)
	var b strings.Builder
	b.WriteString(preface)
	for _, rule := range allRules() {
		before := b.Len()
		for _, fault := range slices.Sorted(maps.Keys(where)) {
			if slices.Contains(rulesOf(fault), rule) {
				fmt.Fprintf(&b, "| %s | %s | `%s` | %s |\n", rule, strings.Join(where[fault], ", "), fault, strings.Join(tests[fault], "; "))
			}
		}
		if b.Len() == before {
			fmt.Fprintf(&b, "| %s | | | %s |\n", rule, notBuilt[rule])
		}
	}
	b.WriteString("\n## Crash points\n\nMoments at which TestCrashPoints ends a process (`MILLRACE_CRASH=point:n`), each under the sinks that pass there, at several n:\n\n")
	for _, point := range slices.Sorted(maps.Keys(crashPoints)) {
		fmt.Fprintf(&b, "- `%s`\n", point)
	}
	return b.String()
}

// plantedWhere is the files of each fault.
func plantedWhere(t *testing.T) map[string][]string {
	where := map[string][]string{}
	re := regexp.MustCompile(`fault\.Planted\("([^"]+)"\)`)
	eachSource(t, func(path, text string) {
		for _, m := range re.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(where[m[1]], path) {
				where[m[1]] = append(where[m[1]], path)
			}
		}
	})
	return where
}
