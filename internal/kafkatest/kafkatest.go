// Package kafkatest starts a real Kafka broker for tests, through scripts/kafka/kafka.sh.
package kafkatest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
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

// settleLimit is how long Settled waits for transactions to end.
const settleLimit = 5 * time.Second

// Settled are the offsets, by partition, up to which a topic's records are committed, once no transaction is open there: a broker writes the ends of transactions into
// the partitions behind its answer that they are committed. What is still open after some seconds has lost its owner.
func Settled(ctx context.Context, adm *kadm.Client, topic string) (map[int32]int64, error) {
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		all, err := adm.ListEndOffsets(ctx, topic)
		if err = errors.Join(err, all.Error()); err != nil {
			return nil, err
		}
		committed, err := adm.ListCommittedOffsets(ctx, topic)
		if err = errors.Join(err, committed.Error()); err != nil {
			return nil, err
		}
		open, ends := false, map[int32]int64{}
		committed.Each(func(o kadm.ListedOffset) {
			end, ok := all.Lookup(topic, o.Partition)
			open = open || !ok || o.Offset < end.Offset
			ends[o.Partition] = o.Offset
		})
		if !open || time.Since(began) > settleLimit {
			return ends, nil
		}
	}
}

func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("MILLRACE_REQUIRE_KAFKA") != "" {
		t.Fatalf("KAFKA TEST CANNOT RUN: %s", why)
	}
	t.Skipf("\n*** KAFKA TEST SKIPPED: %s ***\n*** install Java 17 and Maven, or name a broker in MILLRACE_TEST_KAFKA ***", why)
}
