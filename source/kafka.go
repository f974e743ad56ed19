package source

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/kafkafetch"
	"github.com/millrace/millrace/internal/kafkatls"
)

// kafkaOptions are the settings of a Kafka source.
type kafkaOptions struct {
	mutable bool // the topic is compacted
}

// kafkaWait is how long a broker may take to answer before the job gives up at start.
const kafkaWait = 10 * time.Second

// openKafka reads a topic directly, without a consumer group: the engine's checkpoint holds the offsets.
func openKafka(topic string, start Start, o kafkaOptions) func(context.Context, Env) (Connector, error) {
	return func(ctx context.Context, env Env) (Connector, error) {
		c := &kafkaConnector{topic: topic, start: start, env: env, readers: map[int32]*kafkaReader{}}
		dialer, err := c.dialer()
		if err != nil {
			return nil, err
		}
		if c.admin, err = kgo.NewClient(append(c.clientOptions(), kgo.Dialer(dialer))...); err != nil {
			return nil, fmt.Errorf("kafka %s: %w", c.brokers(), err)
		}
		pctx, cancel := context.WithTimeout(ctx, kafkaWait)
		defer cancel()
		if err := c.admin.Ping(pctx); err != nil {
			c.admin.Close()
			return nil, fmt.Errorf("kafka: no broker of %s answers: %w; start the broker, or set --brokers", c.brokers(), err)
		}
		return c, nil
	}
}

// kafkaConnector is one topic in one process. Readers of different partitions share one fetching client.
type kafkaConnector struct {
	topic string
	start Start
	env   Env
	admin *kgo.Client

	mu      sync.Mutex // guards what follows
	fetch   *kafkaFetcher
	readers map[int32]*kafkaReader // the reader that the shared client serves, by partition
}

func (c *kafkaConnector) brokers() string { return strings.Join(c.env.Brokers, ",") }

// clientOptions are those of all clients but for how they connect.
func (c *kafkaConnector) clientOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(c.env.Brokers...),
		kgo.ClientID("millrace-" + c.env.Job),
		kgo.MetadataMinAge(50 * time.Millisecond), // partitions are added while the client runs
	}
}

// kafkaDial is how long connecting to a broker may take.
const kafkaDial = 10 * time.Second

// dialer connects to brokers, with TLS if the job is set to.
func (c *kafkaConnector) dialer() (kafkafetch.DialFunc, error) {
	plain := &net.Dialer{Timeout: kafkaDial}
	if c.env.TLS == nil {
		return plain.DialContext, nil
	}
	conf, err := kafkatls.Config(c.env.TLS.Cert, c.env.TLS.Key, c.env.TLS.CA)
	if err != nil {
		return nil, err
	}
	return (&tls.Dialer{NetDialer: plain, Config: conf}).DialContext, nil
}

// Partitions lists the topic's partitions; new ones have higher numbers.
func (c *kafkaConnector) Partitions(ctx context.Context) ([]Partition, error) {
	adm := kadm.NewClient(c.admin)
	early, err := adm.ListStartOffsets(ctx, c.topic)
	if err != nil {
		return nil, fmt.Errorf("kafka topic %s: list offsets: %w", c.topic, err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, c.topic)
	if err != nil {
		return nil, fmt.Errorf("kafka topic %s: list offsets: %w", c.topic, err)
	}
	begin, err := c.startOffsets(ctx, adm, early, ends)
	if err != nil {
		return nil, err
	}
	var parts []Partition
	for _, p := range sortedPartitions(ends[c.topic]) {
		end := ends[c.topic][p]
		if end.Err != nil {
			return nil, c.explain(p, end.Err)
		}
		parts = append(parts, Partition{Key: strconv.Itoa(int(p)), Start: begin[c.topic][p].Offset, End: end.Offset})
	}
	if len(parts) == 0 {
		return nil, c.explain(-1, kerr.UnknownTopicOrPartition)
	}
	return parts, nil
}

func (c *kafkaConnector) startOffsets(ctx context.Context, adm *kadm.Client, early, ends kadm.ListedOffsets) (kadm.ListedOffsets, error) {
	switch {
	case c.start.isLatest():
		return ends, nil
	case !c.start.time().IsZero():
		at, err := adm.ListOffsetsAfterMilli(ctx, c.start.time().UnixMilli(), c.topic)
		if err != nil {
			return nil, fmt.Errorf("kafka topic %s: find the offsets at %s: %w", c.topic, c.start.time(), err)
		}
		return at, nil
	}
	return early, nil
}

// bounds are a partition's earliest and last stable offsets.
func (c *kafkaConnector) bounds(ctx context.Context, p int32) (first, end int64, err error) {
	adm := kadm.NewClient(c.admin)
	early, err := adm.ListStartOffsets(ctx, c.topic)
	if err != nil {
		return 0, 0, fmt.Errorf("kafka topic %s: list offsets: %w", c.topic, err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, c.topic)
	if err != nil {
		return 0, 0, fmt.Errorf("kafka topic %s: list offsets: %w", c.topic, err)
	}
	return early[c.topic][p].Offset, ends[c.topic][p].Offset, nil
}

func sortedPartitions(m map[int32]kadm.ListedOffset) []int32 {
	ps := make([]int32, 0, len(m))
	for p := range m {
		ps = append(ps, p)
	}
	sort.Slice(ps, func(i, j int) bool { return ps[i] < ps[j] })
	return ps
}

func (c *kafkaConnector) explain(p int32, err error) error {
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("kafka topic %q does not exist on %s; create it, or check its name", c.topic, c.brokers())
	}
	return fmt.Errorf("kafka topic %s partition %d: %w", c.topic, p, err)
}

// Reader reads one partition. The first reader of a partition shares the process's fetching client; a second one at the same time (a
// range that is read again) has its own.
func (c *kafkaConnector) Reader(ctx context.Context, p Partition, from int64) (Reader, error) {
	n, err := strconv.ParseInt(p.Key, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("kafka topic %s: partition %q: %w", c.topic, p.Key, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	part := int32(n)
	shared := c.readers[part] == nil
	if !shared || c.fetch == nil {
		f, err := c.newFetcher()
		if err != nil {
			return nil, err
		}
		if shared {
			c.fetch = f
		} else {
			return f.reader(part, from, false), nil
		}
	}
	r := c.fetch.reader(part, from, true)
	c.readers[part] = r
	return r, nil
}

// Committed tells the brokers how far the job is, in the consumer group that has the job's name, for Kafka's own tools.
func (c *kafkaConnector) Committed(ctx context.Context, offsets map[string]int64) error {
	os := kadm.Offsets{}
	for key, at := range offsets {
		p, err := strconv.ParseInt(key, 10, 32)
		if err != nil {
			return fmt.Errorf("kafka topic %s: partition %q: %w", c.topic, key, err)
		}
		os.AddOffset(c.topic, int32(p), at, -1)
	}
	if _, err := kadm.NewClient(c.admin).CommitOffsets(ctx, c.env.Job, os); err != nil {
		return fmt.Errorf("kafka: commit the job's offsets to group %s: %w", c.env.Job, err)
	}
	return nil
}

func (c *kafkaConnector) Close() error {
	c.mu.Lock()
	f := c.fetch
	c.fetch = nil
	c.mu.Unlock()
	if f != nil {
		f.close()
	}
	c.admin.Close()
	return nil
}
