package peers;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.functions.FilterFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.KafkaSourceBuilder;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.co.KeyedCoProcessFunction;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerInterceptor;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import peers.Model.Ad;
import peers.Model.CountState;
import peers.Model.Enriched;
import peers.Model.Hit;
import peers.Model.PageView;
import peers.Model.Profile;
import peers.Model.Word;
import peers.Model.WordCount;
import peers.Model.WindowCount;

/** W1, W4, W5 in Flink's DataStream API on an in-process MiniCluster. Settings come from the environment. */
public final class FlinkJobs {
    static final String BROKER = Model.env("BROKER", "127.0.0.1:9092");
    static final String BACKEND = Model.env("BACKEND", "hashmap");
    static final String INTERVAL = Model.env("CHECKPOINT_MS", "1000");
    static final boolean LIVE = !Model.env("LIVE", "").isEmpty();
    static final long BATCH_MS = Long.parseLong(Model.env("BATCH_MS", "1000"));
    static final String EMIT = Model.env("EMIT", "batch");
    static final long WINDOW_MS = Long.parseLong(Model.env("WINDOW_MS", "10000"));
    static final String GUARANTEE = Model.env("GUARANTEE", "exactly-once");
    static final long PROFILES = Long.parseLong(Model.env("PROFILES", "1000000"));
    static final String PAGEVIEWS = Model.env("PAGEVIEWS", "pageviews");
    static final String OUT = Model.env("OUT_TOPIC", "");

    private FlinkJobs() {}

    public static void main(String[] a) throws Exception {
        Meter.start();
        Configuration c = new Configuration();
        String dir = java.nio.file.Path.of(Model.env("STATE_DIR", "flink-state")).toAbsolutePath().toString();
        c.setString("state.backend.type", BACKEND);
        c.setString("execution.checkpointing.incremental", "true");
        c.setString("execution.checkpointing.storage", "filesystem");
        c.setString("execution.checkpointing.dir", "file://" + dir);
        c.setString("execution.checkpointing.interval", INTERVAL + "ms");
        c.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
        c.setString("pipeline.object-reuse", "true");
        c.setString("taskmanager.memory.managed.size", "1g");
        c.setString("taskmanager.memory.network.min", "128m");
        c.setString("taskmanager.memory.network.max", "128m");
        c.setString("pipeline.auto-watermark-interval", Model.env("WM_MS", "200") + "ms");
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(2, c);
        switch (a[0]) {
            case "w1" -> w1(env);
            case "w4" -> w4(env);
            case "w5" -> w5(env);
            default -> throw new IllegalArgumentException(a[0]);
        }
        if (LIVE) {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> Meter.finish("flink-" + a[0] + "-live", settings())));
        }
        env.execute(a[0]);
        Meter.finish("flink-" + a[0], settings());
        System.exit(0);
    }

    static String settings() {
        return BACKEND + " ckpt=" + INTERVAL + "ms " + GUARANTEE + " emit=" + EMIT;
    }

    static <T> KafkaSource<T> source(String topic, KafkaRecordDeserializationSchema<T> d) {
        KafkaSourceBuilder<T> b = KafkaSource.<T>builder()
                .setBootstrapServers(BROKER)
                .setTopics(topic)
                .setGroupId("flink-" + System.currentTimeMillis())
                .setDeserializer(d);
        if (topic.equals(PAGEVIEWS)) {
            b.setProperty("interceptor.classes", Gate.class.getName());
        }
        if (LIVE) {
            b.setStartingOffsets(OffsetsInitializer.latest());
        } else {
            b.setStartingOffsets(OffsetsInitializer.earliest()).setBounded(OffsetsInitializer.latest());
        }
        return b.build();
    }

    static <T> KafkaSink<T> sink(KafkaRecordSerializationSchema<T> s) {
        Properties p = new Properties();
        p.put("transaction.timeout.ms", "600000");
        p.put("linger.ms", Model.env("LINGER", "5"));
        p.put("batch.size", "131072");
        p.put("compression.type", Model.env("COMPRESSION", "none"));
        DeliveryGuarantee g = GUARANTEE.equals("exactly-once") ? DeliveryGuarantee.EXACTLY_ONCE
                : DeliveryGuarantee.AT_LEAST_ONCE;
        return KafkaSink.<T>builder()
                .setBootstrapServers(BROKER)
                .setKafkaProducerConfig(p)
                .setDeliveryGuarantee(g)
                .setTransactionalIdPrefix("flink-" + System.currentTimeMillis())
                .setRecordSerializer(s)
                .build();
    }

    // ---- W4 ----
    static class AdSchema implements KafkaRecordDeserializationSchema<Ad> {
        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> r, Collector<Ad> out) throws IOException {
            // A new object: the source hands records from the fetcher's thread's batch to the task one by one.
            Ad ad = new Ad();
            Model.readAd(r.value(), ad);
            Meter.IN.increment();
            out.collect(ad);
        }

        @Override
        public TypeInformation<Ad> getProducedType() {
            return TypeInformation.of(Ad.class);
        }
    }

    static class IsView implements FilterFunction<Ad> {
        @Override
        public boolean filter(Ad a) {
            return "view".equals(a.eventType);
        }
    }

    static class ToCampaign extends RichMapFunction<Ad, Hit> {
        private transient HashMap<String, String> table;
        private transient Hit hit;

        @Override
        public void open(OpenContext c) {
            table = Model.campaigns();
            hit = new Hit();
        }

        @Override
        public Hit map(Ad a) {
            hit.campaign = table.get(a.adId);
            hit.eventTime = a.eventTime;
            return hit;
        }
    }

    static class CountAgg implements AggregateFunction<Hit, WindowCount, WindowCount> {
        @Override
        public WindowCount createAccumulator() {
            return new WindowCount();
        }

        @Override
        public WindowCount add(Hit h, WindowCount w) {
            w.count++;
            w.maxTs = Math.max(w.maxTs, h.eventTime);
            return w;
        }

        @Override
        public WindowCount getResult(WindowCount w) {
            return w;
        }

        @Override
        public WindowCount merge(WindowCount a, WindowCount b) {
            a.count += b.count;
            a.maxTs = Math.max(a.maxTs, b.maxTs);
            return a;
        }
    }

    static class Label extends ProcessWindowFunction<WindowCount, WindowCount, String, TimeWindow> {
        @Override
        public void process(String k, Context c, Iterable<WindowCount> in, Collector<WindowCount> out) {
            WindowCount w = in.iterator().next();
            WindowCount o = new WindowCount();
            o.campaign = k;
            o.start = c.window().getStart();
            o.count = w.count;
            o.maxTs = w.maxTs;
            out.collect(o);
        }
    }

    static class WindowSer implements KafkaRecordSerializationSchema<WindowCount> {
        final String topic;

        WindowSer(String topic) {
            this.topic = topic;
        }

        @Override
        public ProducerRecord<byte[], byte[]> serialize(WindowCount w, KafkaSinkContext c, Long ts) {
            Meter.OUT.increment();
            byte[] k = w.campaign.getBytes(StandardCharsets.UTF_8);
            byte[] v = ("{\"campaign\":\"" + w.campaign + "\",\"window\":" + w.start + ",\"count\":" + w.count + "}")
                    .getBytes(StandardCharsets.UTF_8);
            return new ProducerRecord<>(topic, null, w.maxTs, k, v);
        }
    }

    static void w4(StreamExecutionEnvironment env) {
        WatermarkStrategy<Ad> wm = WatermarkStrategy
                .<Ad>forBoundedOutOfOrderness(Duration.ofMillis(Long.parseLong(Model.env("LATE_MS", "0"))))
                .withTimestampAssigner((ad, t) -> ad.eventTime)
                .withIdleness(Duration.ofSeconds(5));
        env.fromSource(source(Model.env("ADS", "ads"), new AdSchema()), wm, "ads")
                .filter(new IsView())
                .map(new ToCampaign())
                .keyBy(h -> h.campaign)
                .window(TumblingEventTimeWindows.of(Duration.ofMillis(WINDOW_MS)))
                .aggregate(new CountAgg(), new Label())
                .sinkTo(sink(new WindowSer(OUT.isEmpty() ? "out-w4" : OUT)));
    }

    // ---- W1 ----
    static class LineSchema implements KafkaRecordDeserializationSchema<Word> {
        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> r, Collector<Word> out) {
            Word w = new Word();
            w.word = new String(r.value(), StandardCharsets.UTF_8);
            w.ts = r.timestamp();
            Meter.IN.increment();
            out.collect(w);
        }

        @Override
        public TypeInformation<Word> getProducedType() {
            return TypeInformation.of(Word.class);
        }
    }

    static class Split extends RichFlatMapFunction<Word, Word> {
        private transient Word w;

        @Override
        public void open(OpenContext c) {
            w = new Word();
        }

        @Override
        public void flatMap(Word line, Collector<Word> out) {
            String s = line.word;
            w.ts = line.ts;
            int from = 0;
            int n = s.length();
            while (from < n) {
                int to = s.indexOf(' ', from);
                if (to < 0) {
                    to = n;
                }
                if (to > from) {
                    w.word = s.substring(from, to);
                    out.collect(w);
                }
                from = to + 1;
            }
        }
    }

    /** Keeps a running count; emits each update, or (emit=batch) the changed counts once every BATCH_MS. */
    static class Count extends KeyedProcessFunction<String, Word, WordCount> {
        private transient ValueState<CountState> state;

        @Override
        public void open(OpenContext c) {
            state = getRuntimeContext().getState(new ValueStateDescriptor<>("count", CountState.class));
        }

        @Override
        public void processElement(Word w, Context c, Collector<WordCount> out) throws Exception {
            CountState s = state.value();
            if (s == null) {
                s = new CountState();
            }
            s.count++;
            s.ts = Math.max(s.ts, w.ts);
            if (EMIT.equals("each")) {
                emit(w.word, s, out);
            } else {
                if (!s.known) {
                    s.known = true;
                    c.timerService().registerEventTimeTimer(Long.MAX_VALUE); // the rest, at the end of the input
                }
                if (!s.dirty) {
                    s.dirty = true;
                    long now = c.timerService().currentProcessingTime();
                    c.timerService().registerProcessingTimeTimer((now / BATCH_MS + 1) * BATCH_MS);
                }
            }
            state.update(s);
        }

        @Override
        public void onTimer(long t, OnTimerContext c, Collector<WordCount> out) throws Exception {
            CountState s = state.value();
            if (s.dirty) {
                s.dirty = false;
                state.update(s);
                emit(c.getCurrentKey(), s, out);
            }
        }

        private static void emit(String k, CountState s, Collector<WordCount> out) {
            WordCount o = new WordCount();
            o.word = k;
            o.count = s.count;
            o.ts = s.ts;
            out.collect(o);
        }
    }

    static class WordSer implements KafkaRecordSerializationSchema<WordCount> {
        final String topic;

        WordSer(String topic) {
            this.topic = topic;
        }

        @Override
        public ProducerRecord<byte[], byte[]> serialize(WordCount w, KafkaSinkContext c, Long ts) {
            Meter.OUT.increment();
            return new ProducerRecord<>(topic, null, w.ts, w.word.getBytes(StandardCharsets.UTF_8),
                    Long.toString(w.count).getBytes(StandardCharsets.UTF_8));
        }
    }

    static void w1(StreamExecutionEnvironment env) {
        env.fromSource(source(Model.env("LINES", "lines"), new LineSchema()), WatermarkStrategy.noWatermarks(), "lines")
                .flatMap(new Split())
                .keyBy(w -> w.word)
                .process(new Count())
                .sinkTo(sink(new WordSer(OUT.isEmpty() ? "out-w1" : OUT)));
    }

    // ---- W5 ----
    static class ProfileSchema implements KafkaRecordDeserializationSchema<Profile> {
        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> r, Collector<Profile> out) throws IOException {
            out.collect(Model.readProfile(r.value()));
        }

        @Override
        public TypeInformation<Profile> getProducedType() {
            return TypeInformation.of(Profile.class);
        }
    }

    static class ViewSchema implements KafkaRecordDeserializationSchema<PageView> {
        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> r, Collector<PageView> out) throws IOException {
            PageView v = new PageView();
            Model.readPageView(r.value(), v);
            Meter.IN.increment();
            out.collect(v);
        }

        @Override
        public TypeInformation<PageView> getProducedType() {
            return TypeInformation.of(PageView.class);
        }
    }

    /**
     * "The table is loaded first": holds page views back until the join has stored every profile. It must not hold the
     * source's task thread: that would keep its checkpoint barrier back, and the join, having had the barrier of the
     * profiles, would wait for it for ever. A consumer's interceptor runs in the fetcher's thread.
     */
    public static class Gate implements ConsumerInterceptor<byte[], byte[]> {
        @Override
        public ConsumerRecords<byte[], byte[]> onConsume(ConsumerRecords<byte[], byte[]> r) {
            while (Meter.AUX.sum() < PROFILES && !r.isEmpty()) {
                try {
                    Thread.sleep(5);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    return r;
                }
            }
            return r;
        }

        @Override
        public void onCommit(Map<TopicPartition, OffsetAndMetadata> o) {}

        @Override
        public void close() {}

        @Override
        public void configure(Map<String, ?> m) {}
    }

    static class Join extends KeyedCoProcessFunction<Long, PageView, Profile, Enriched> {
        private transient ValueState<Profile> state;
        private transient Enriched e;

        @Override
        public void open(OpenContext c) {
            state = getRuntimeContext().getState(new ValueStateDescriptor<>("profile", Profile.class));
            e = new Enriched();
        }

        @Override
        public void processElement1(PageView v, Context c, Collector<Enriched> out) throws Exception {
            e.view = v;
            e.profile = state.value();
            out.collect(e);
        }

        @Override
        public void processElement2(Profile p, Context c, Collector<Enriched> out) throws Exception {
            Profile copy = new Profile(); // object reuse is on: what is kept must be ours
            copy.viewerId = p.viewerId;
            copy.name = p.name;
            copy.industry = p.industry;
            copy.version = p.version;
            state.update(copy);
            Meter.AUX.increment();
        }
    }

    static class EnrichedSer implements KafkaRecordSerializationSchema<Enriched> {
        final String topic;

        EnrichedSer(String topic) {
            this.topic = topic;
        }

        @Override
        public ProducerRecord<byte[], byte[]> serialize(Enriched e, KafkaSinkContext c, Long ts) {
            try {
                if (e.profile != null) {
                    Meter.OUT.increment();
                }
                return new ProducerRecord<>(topic, null, null,
                        Long.toString(e.view.viewerId).getBytes(StandardCharsets.UTF_8),
                        Model.writeEnriched(e.view, e.profile));
            } catch (IOException x) {
                throw new RuntimeException(x);
            }
        }
    }

    static void w5(StreamExecutionEnvironment env) {
        DataStream<Profile> profiles = env.fromSource(source(Model.env("PROFILES_TOPIC", "profiles"), new ProfileSchema()),
                WatermarkStrategy.noWatermarks(), "profiles");
        DataStream<PageView> views = env.fromSource(source(PAGEVIEWS, new ViewSchema()),
                WatermarkStrategy.noWatermarks(), "pageviews");
        views.keyBy(v -> v.viewerId).connect(profiles.keyBy(p -> p.viewerId))
                .process(new Join())
                .sinkTo(sink(new EnrichedSer(OUT.isEmpty() ? "out-w5" : OUT)));
    }
}
