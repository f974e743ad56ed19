package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/internal/kafkatls"
	"github.com/millrace/millrace/internal/kafkatx"
)

// KafkaOption is a setting of a Kafka sink.
type KafkaOption func(*kafkaOptions)

type kafkaOptions struct {
	partitions int32
	lanes      int
}

// KafkaPartitions is how many partitions the topic is made with, if it does not exist; the default is the broker's.
func KafkaPartitions(n int) KafkaOption { return func(o *kafkaOptions) { o.partitions = int32(n) } }

// KafkaLanes is how many transactions publish one batch, in parallel; the default is one for each four slots of the job, at most one a partition.
// A new number takes effect with the first batch that is not planned yet.
func KafkaLanes(n int) KafkaOption { return func(o *kafkaOptions) { o.lanes = n } }

// KafkaJSON writes rows to a Kafka topic, values as JSON, exactly once: each batch and lane is one transaction that carries its marker
// (P9). Rows with a key go to the partition that Kafka's own clients would choose; rows without go round robin. Consumers
// must read with isolation.level=read_committed.
func KafkaJSON(topic string, opts ...KafkaOption) Sink { return kafkaSink(topic, JSON, opts) }

// KafkaText is KafkaJSON with the bare text of scalar values.
func KafkaText(topic string, opts ...KafkaOption) Sink { return kafkaSink(topic, Text, opts) }

func kafkaSink(topic string, f Format, opts []KafkaOption) Sink {
	o := kafkaOptions{partitions: -1}
	for _, opt := range opts {
		opt(&o)
	}
	spec := &Spec{Name: "kafka:" + topic, Kind: "kafka", Text: fmt.Sprintf("kafka %s %s", topic, f), Durable: true, Encoded: &f}
	if topic == "" {
		spec.Err = errors.New("a Kafka sink needs a topic")
	}
	spec.Check = func(s Schema) error { _, err := newEncoder(s, f); return err }
	spec.Open = func(ctx context.Context, env Env, s Schema) (Output, error) {
		return openKafka(ctx, env, s, topic, f, o)
	}
	return New(spec)
}

// kafkaWait is how long a broker may take to answer before the job gives up at start.
const kafkaWait = 10 * time.Second

// kafkaSlots is how many slots share a lane. A lane does little for a row: slots encode it. Its transaction costs the broker eight requests a batch, however few rows it has.
const kafkaSlots = 4

// kafkaRun is how many rows without a key go to one lane, and within it to one partition, before the next takes over.
const kafkaRun = 512

// kafkaOutput is the topic in one process; its lanes share one client.
type kafkaOutput struct {
	cl         *kgo.Client
	env        Env
	topic      string
	schema     Schema
	format     Format
	opts       kafkaOptions
	partitions int32
	routers    keyRouters
}

func openKafka(ctx context.Context, env Env, s Schema, topic string, f Format, o kafkaOptions) (Output, error) {
	copts := []kgo.Opt{kgo.SeedBrokers(env.Brokers...), kgo.MetadataMinAge(20 * time.Millisecond), kgo.ClientID("millrace-" + env.Job), kgo.MaxVersions(kafkatx.Versions()), kgo.RetryBackoffFn(kafkatx.RetryBackoff)}
	if env.TLS != nil {
		conf, err := kafkatls.Config(env.TLS.Cert, env.TLS.Key, env.TLS.CA)
		if err != nil {
			return nil, err
		}
		copts = append(copts, kgo.DialTLSConfig(conf))
	}
	cl, err := kgo.NewClient(copts...)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	k := &kafkaOutput{cl: cl, env: env, topic: topic, schema: s, format: f, opts: o}
	if err := k.prepare(ctx); err != nil {
		cl.Close()
		return nil, err
	}
	return k, nil
}

// prepare finds the topic, or makes it.
func (k *kafkaOutput) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, kafkaWait)
	defer cancel()
	if err := k.cl.Ping(ctx); err != nil {
		return fmt.Errorf("kafka: no broker of %s answers: %w; start the broker, or set --brokers", strings.Join(k.env.Brokers, ","), err)
	}
	adm := kadm.NewClient(k.cl)
	for tries := 0; ; tries++ {
		topics, err := adm.ListTopics(ctx, k.topic)
		if err != nil {
			return fmt.Errorf("kafka topic %s: %w", k.topic, err)
		}
		t := topics[k.topic]
		if t.Err == nil && len(t.Partitions) > 0 {
			k.partitions = int32(len(t.Partitions))
			return nil
		}
		if t.Err != nil && !errors.Is(t.Err, kerr.UnknownTopicOrPartition) && !kerr.IsRetriable(t.Err) {
			return fmt.Errorf("kafka topic %s: %w", k.topic, t.Err)
		}
		if tries == 0 {
			resp, err := adm.CreateTopic(ctx, k.opts.partitions, -1, nil, k.topic)
			if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) && !errors.Is(resp.Err, kerr.TopicAlreadyExists) {
				return fmt.Errorf("kafka topic %s: create it: %w", k.topic, err)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kafka topic %s: no leader within %s: %w", k.topic, kafkaWait, ctx.Err())
		case <-k.env.Clock.After(20 * time.Millisecond):
		}
	}
}

// Lanes is one for every kafkaSlots slots, at most one a partition, unless KafkaLanes says otherwise.
func (k *kafkaOutput) Lanes(_ context.Context, slots int) (int, error) {
	want := (slots + kafkaSlots - 1) / kafkaSlots
	if k.opts.lanes > 0 {
		want = k.opts.lanes
	}
	return max(1, min(want, int(k.partitions))), nil
}

// Route sends a key to the lane of its Kafka partition.
func (k *kafkaOutput) Route(task int, first int64, rec arrow.Record, lanes int, lane []int32) {
	if k.schema.Keys == 0 || lanes == 1 {
		for i := range lane {
			lane[i] = int32((int64(task) + (first+int64(i))/kafkaRun) % int64(lanes))
		}
		return
	}
	k.routers.route("kafka topic", k.topic, k.schema, rec, int(k.partitions), lane)
	for i := range lane {
		lane[i] %= int32(lanes)
	}
}

func (k *kafkaOutput) Close() error {
	k.cl.Close()
	return nil
}

// Lane takes lane n over: both of its transactional ids are fenced before the marker is read.
func (k *kafkaOutput) Lane(ctx context.Context, n, lanes int, o Owner) (Lane, error) {
	l := &kafkaLane{out: k, n: int32(n), lanes: int32(lanes), owner: o, group: fmt.Sprintf("%s-%s-%d.marker", k.env.Job, o.Sink, n)}
	var err error
	if l.enc, err = newEncoder(k.schema, k.format); err != nil {
		return nil, err
	}
	return l, l.takeOver(ctx)
}

func (l *kafkaLane) takeOver(ctx context.Context) error {
	for i := range l.tx {
		id := fmt.Sprintf("%s-%s-%s-%d-%d", l.out.env.Job, l.owner.UUID, l.owner.Sink, l.n, i)
		p, err := kafkatx.Open(ctx, l.out.cl, l.out.env.Clock, l.out.topic, id)
		if err != nil {
			return err
		}
		l.tx[i] = p
	}
	return l.readMarker(ctx)
}

// readMarker waits for transactions that are being ended: the marker counts only once its transaction is decided.
func (l *kafkaLane) readMarker(ctx context.Context) error {
	l.found, l.marker = false, Marker{}
	for wait := time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		metadata, found, err := l.fetchMarker(ctx)
		if err == nil && !found {
			return nil
		}
		if err == nil {
			if err := json.Unmarshal([]byte(metadata), &l.marker); err != nil {
				return fmt.Errorf("kafka: marker of lane %d in group %s: %w; the group is reserved to millrace: choose another --name", l.n, l.group, err)
			}
			l.found = true
			return nil
		}
		if !kerr.IsRetriable(err) && !errors.Is(err, kerr.UnstableOffsetCommit) {
			return fmt.Errorf("kafka: read the marker of lane %d from group %s: %w", l.n, l.group, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kafka: read the marker of lane %d from group %s: %w", l.n, l.group, ctx.Err())
		case <-l.out.env.Clock.After(wait):
		}
	}
}

// fetchMarker asks for the lane's partition by name. Asked for all partitions of a group, as kadm does, a broker leaves out one whose first offset
// belongs to a transaction that is not decided yet, and the lane would look as if it had no marker.
func (l *kafkaLane) fetchMarker(ctx context.Context) (metadata string, found bool, err error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = true
	t := kmsg.NewOffsetFetchRequestGroupTopic()
	t.Topic, t.Partitions = l.out.topic, []int32{l.n}
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group, g.Topics = l.group, append(g.Topics, t)
	req.Groups = append(req.Groups, g)
	resp, err := req.RequestWith(ctx, l.out.cl)
	if err != nil {
		return "", false, err
	}
	for _, g := range resp.Groups {
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
			return "", false, err
		}
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return "", false, err
				}
				if p.Offset >= 0 && p.Metadata != nil {
					return *p.Metadata, true, nil
				}
			}
		}
	}
	return "", false, nil
}
