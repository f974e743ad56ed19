package peers;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.WindowStore;
import peers.Model.Ad;
import peers.Model.PageView;
import peers.Model.Profile;

/** W1, W4, W5 in Kafka Streams' DSL. Settings come from the environment. */
public final class StreamsJobs {
    static final String BROKER = Model.env("BROKER", "127.0.0.1:9092");
    static final String COMMIT = Model.env("COMMIT_MS", "100");
    static final boolean LIVE = !Model.env("LIVE", "").isEmpty();
    static final long N = Long.parseLong(Model.env("N", "0"));
    static final long WINDOW_MS = Long.parseLong(Model.env("WINDOW_MS", "10000"));
    static final String GUARANTEE = Model.env("GUARANTEE", "exactly_once_v2");
    static final String CACHE = Model.env("CACHE", "67108864");
    static final String OUT = Model.env("OUT_TOPIC", "");
    static final String STORE = Model.env("STORE", "rocksDB");

    private StreamsJobs() {}

    public static void main(String[] a) throws Exception {
        Meter.start();
        String app = "ks-" + a[0] + "-" + System.currentTimeMillis();
        Properties p = new Properties();
        p.put("application.id", app);
        p.put("bootstrap.servers", BROKER);
        p.put("processing.guarantee", GUARANTEE);
        p.put("num.stream.threads", Model.env("THREADS", "2"));
        p.put("commit.interval.ms", COMMIT);
        p.put("statestore.cache.max.bytes", CACHE);
        p.put("default.dsl.store", STORE);
        p.put("state.dir", Model.env("STATE_DIR", "ks-state"));
        p.put("replication.factor", "1");
        p.put("topology.optimization", "all");
        p.put("consumer.auto.offset.reset", LIVE ? "latest" : "earliest");
        p.put("consumer.max.poll.records", Model.env("MAX_POLL", "5000"));
        p.put("producer.batch.size", "131072");
        p.put("producer.linger.ms", Model.env("LINGER", "100"));
        StreamsBuilder b = new StreamsBuilder();
        switch (a[0]) {
            case "w1" -> w1(b);
            case "w4" -> w4(b);
            case "w5" -> w5(b);
            default -> throw new IllegalArgumentException(a[0]);
        }
        KafkaStreams ks = new KafkaStreams(b.build(p), p);
        ks.setUncaughtExceptionHandler(e -> {
            e.printStackTrace();
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        String settings = GUARANTEE + " commit=" + COMMIT + "ms store=" + STORE;
        ks.start();
        if (LIVE) {
            Thread main = Thread.currentThread();
            Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                Meter.finish("kstreams-" + a[0] + "-live", settings);
                ks.close(Duration.ofSeconds(20));
                cleanup(ks, app);
            }));
            Thread.sleep(Long.MAX_VALUE);
        }
        long perIn = a[0].equals("w1") ? 10 : 1;
        long stable = 0;
        long last = -1;
        long lastChange = System.nanoTime();
        // Done when the last stage has seen everything, or nothing moved for 15 s.
        while (true) {
            Thread.sleep(20);
            long in = Meter.IN.sum();
            long s2 = Meter.STAGE2.sum();
            if (in >= N && s2 >= (a[0].equals("w4") ? Meter.AUX.sum() : perIn * N)) {
                break;
            }
            if (in + s2 != last) {
                last = in + s2;
                lastChange = System.nanoTime();
            } else if (last > 0 && System.nanoTime() - lastChange > 15_000_000_000L) {
                System.err.println("stalled: in=" + in + " stage2=" + s2);
                break;
            }
            if (ks.state() == KafkaStreams.State.ERROR || ks.state() == KafkaStreams.State.NOT_RUNNING) {
                System.err.println("state " + ks.state());
                break;
            }
        }
        Thread.sleep(Long.parseLong(COMMIT) + 50); // the last commit
        Meter.finish("kstreams-" + a[0], settings);
        ks.close(Duration.ofSeconds(30));
        cleanup(ks, app);
        System.exit(0);
    }

    static void cleanup(KafkaStreams ks, String app) {
        try (Admin admin = Admin.create(java.util.Map.of("bootstrap.servers", BROKER))) {
            List<String> mine = new ArrayList<>();
            for (String t : admin.listTopics().names().get()) {
                if (t.startsWith(app)) {
                    mine.add(t);
                }
            }
            admin.deleteTopics(mine).all().get();
            ks.cleanUp();
        } catch (Exception e) {
            e.printStackTrace();
        }
    }

    interface IoFn<A, B> {
        B apply(A a) throws IOException;
    }

    static <T> Serde<T> serde(IoFn<T, byte[]> ser, IoFn<byte[], T> de) {
        Serializer<T> s = (t, v) -> {
            try {
                return v == null ? null : ser.apply(v);
            } catch (IOException e) {
                throw new RuntimeException(e);
            }
        };
        Deserializer<T> d = (t, v) -> {
            try {
                return v == null ? null : de.apply(v);
            } catch (IOException e) {
                throw new RuntimeException(e);
            }
        };
        return Serdes.serdeFrom(s, d);
    }

    static class AdTime implements TimestampExtractor {
        @Override
        public long extract(ConsumerRecord<Object, Object> r, long partitionTime) {
            return ((Ad) r.value()).eventTime;
        }
    }

    static final Serde<Long> TEXT_LONG = serde(v -> Long.toString(v).getBytes(StandardCharsets.UTF_8),
            b -> Long.parseLong(new String(b, StandardCharsets.UTF_8)));

    static void w4(StreamsBuilder b) {
        Serde<Ad> ads = serde(x -> {
            throw new IOException("not written");
        }, x -> {
            Ad ad = new Ad();
            Model.readAd(x, ad);
            return ad;
        });
        HashMap<String, String> table = Model.campaigns();
        byte[] one = new byte[0];
        b.stream(Model.env("ADS", "ads"), Consumed.with(Serdes.ByteArray(), ads).withTimestampExtractor(new AdTime()))
                .peek((k, v) -> Meter.IN.increment())
                .filter((k, v) -> "view".equals(v.eventType))
                .map((k, v) -> {
                    Meter.AUX.increment();
                    return KeyValue.pair(table.get(v.adId), one);
                })
                .repartition(Repartitioned.with(Serdes.String(), Serdes.ByteArray()).withName("views"))
                .peek((k, v) -> Meter.STAGE2.increment())
                .groupByKey(Grouped.with(Serdes.String(), Serdes.ByteArray()))
                .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMillis(WINDOW_MS), Duration.ofDays(1)))
                .count(Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("w4").withCachingEnabled())
                .toStream()
                .map((w, c) -> {
                    Meter.OUT.increment();
                    return KeyValue.pair(w.key(), "{\"campaign\":\"" + w.key() + "\",\"window\":" + w.window().start()
                            + ",\"count\":" + c + "}");
                })
                .to(OUT.isEmpty() ? "out-w4" : OUT, Produced.with(Serdes.String(), Serdes.String()));
    }

    static void w1(StreamsBuilder b) {
        byte[] one = new byte[0];
        b.stream(Model.env("LINES", "lines"), Consumed.with(Serdes.ByteArray(), Serdes.String()))
                .flatMap((k, line) -> {
                    Meter.IN.increment();
                    List<KeyValue<String, byte[]>> l = new ArrayList<>(10);
                    int from = 0;
                    int n = line.length();
                    while (from < n) {
                        int to = line.indexOf(' ', from);
                        if (to < 0) {
                            to = n;
                        }
                        if (to > from) {
                            l.add(KeyValue.pair(line.substring(from, to), one));
                        }
                        from = to + 1;
                    }
                    return l;
                })
                .repartition(Repartitioned.with(Serdes.String(), Serdes.ByteArray()).withName("words"))
                .peek((k, v) -> Meter.STAGE2.increment())
                .groupByKey(Grouped.with(Serdes.String(), Serdes.ByteArray()))
                .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("w1").withCachingEnabled())
                .toStream()
                .peek((k, v) -> Meter.OUT.increment())
                .to(OUT.isEmpty() ? "out-w1" : OUT, Produced.with(Serdes.String(), TEXT_LONG));
    }

    static void w5(StreamsBuilder b) {
        Serde<Profile> profiles = serde(Model::writeProfile, Model::readProfile);
        Serde<PageView> views = serde(x -> {
            throw new IOException("not written");
        }, x -> {
            PageView v = new PageView();
            Model.readPageView(x, v);
            return v;
        });
        KTable<String, Profile> t = b.table(Model.env("PROFILES_TOPIC", "profiles"), Consumed.with(Serdes.String(), profiles),
                Materialized.<String, Profile, KeyValueStore<Bytes, byte[]>>as("w5").withCachingDisabled());
        AtomicLong unused = new AtomicLong();
        b.stream(Model.env("PAGEVIEWS", "pageviews"), Consumed.with(Serdes.String(), views))
                .peek((k, v) -> Meter.IN.increment())
                .leftJoin(t, (v, p) -> {
                    Meter.STAGE2.increment();
                    if (p != null) {
                        Meter.OUT.increment();
                    } else {
                        Meter.AUX.increment();
                    }
                    try {
                        return Model.writeEnriched(v, p);
                    } catch (IOException e) {
                        throw new RuntimeException(e);
                    }
                }, Joined.with(Serdes.String(), views, profiles))
                .to(OUT.isEmpty() ? "out-w5" : OUT, Produced.with(Serdes.String(), Serdes.ByteArray()));
    }
}
