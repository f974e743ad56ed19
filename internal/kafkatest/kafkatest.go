// Package kafkatest starts a real Kafka broker for tests, through scripts/kafka/kafka.sh.
package kafkatest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Addr is the address of a running broker. MILLRACE_TEST_KAFKA names one that runs already; otherwise one is started on port 19092
// and left running for the tests after this one (`make kafka-stop` ends it). Without Java or Maven the test is skipped with a loud
// message, or fails if MILLRACE_REQUIRE_KAFKA is set, as it is in continuous integration.
func Addr(t testing.TB) string {
	t.Helper()
	if a := os.Getenv("MILLRACE_TEST_KAFKA"); a != "" {
		return a
	}
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool+" is not installed")
		}
	}
	_, file, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(file), "..", "..", "scripts", "kafka", "kafka.sh")
	cmd := exec.Command(script, "start")
	cmd.Env = append(os.Environ(), "KAFKA_PORT=19092")
	if out, err := cmd.CombinedOutput(); err != nil {
		missing(t, "the broker did not start: "+strings.TrimSpace(string(out)))
	}
	return "127.0.0.1:19092"
}

func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("MILLRACE_REQUIRE_KAFKA") != "" {
		t.Fatalf("KAFKA TEST CANNOT RUN: %s", why)
	}
	t.Skipf("\n*** KAFKA TEST SKIPPED: %s ***\n*** install Java 17 and Maven, or name a broker in MILLRACE_TEST_KAFKA ***", why)
}
