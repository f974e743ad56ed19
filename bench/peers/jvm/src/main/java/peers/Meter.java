package peers;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;

/** Counts records and samples the process's CPU time, so that start-up can be told from steady state. */
public final class Meter {
    public static final LongAdder IN = new LongAdder();
    public static final LongAdder OUT = new LongAdder();
    /** A second counter, for stages after a shuffle (used to tell when a job that never ends is done). */
    public static final LongAdder STAGE2 = new LongAdder();
    public static final LongAdder AUX = new LongAdder();

    private record Sample(long ns, long in, long out, long cpuNs) {}

    /** PROFILE=N: async-profiler (it is among Flink's jars) from the Nth record on; its flat list goes to stderr. */
    private static final long PROFILE = Long.parseLong(Model.env("PROFILE", "0"));
    private static boolean profiling;

    private static String profile(String command) {
        try {
            return one.profiler.AsyncProfiler.getInstance().execute(command);
        } catch (Exception e) {
            return e.toString();
        }
    }

    private static final List<Sample> SAMPLES = new ArrayList<>();
    private static final OperatingSystemMXBean OS =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private static volatile long firstMs;
    private static volatile boolean stop;
    private static Thread sampler;

    private Meter() {}

    private static Sample now() {
        return new Sample(System.nanoTime(), IN.sum(), OUT.sum(), OS.getProcessCpuTime());
    }

    public static void start() {
        sampler = new Thread(() -> {
            long tick = 0;
            while (!stop) {
                Sample s = now();
                synchronized (SAMPLES) {
                    if (s.in > 0 && firstMs == 0) {
                        firstMs = System.currentTimeMillis();
                    }
                    if (PROFILE > 0 && s.in >= PROFILE && !profiling) {
                        profiling = true;
                        profile("start,event=itimer,interval=2ms");
                    }
                    SAMPLES.add(s);
                }
                if (++tick % 200 == 0) {
                    System.err.printf("t=%.1f in=%d stage2=%d out=%d cpu=%.1f%n",
                            tick * 0.025, s.in, STAGE2.sum(), s.out, s.cpuNs / 1e9);
                }
                try {
                    Thread.sleep(25);
                } catch (InterruptedException e) {
                    return;
                }
            }
        }, "meter");
        sampler.setDaemon(true);
        sampler.start();
    }

    public static void finish(String name, String settings) {
        Sample end = now();
        stop = true;
        if (PROFILE > 0) {
            profile("stop");
            System.err.println(profile("flat=60,traces=0"));
            String f = Model.env("PROFILE_OUT", "");
            if (!f.isEmpty()) {
                profile("collapsed,threads,file=" + f);
            }
        }
        List<Sample> s;
        synchronized (SAMPLES) {
            s = new ArrayList<>(SAMPLES);
        }
        Sample first = null;
        for (int i = 0; i < s.size(); i++) {
            if (s.get(i).in > 0) {
                first = s.get(Math.max(0, i - 1));
                break;
            }
        }
        if (first == null) {
            first = end;
        }
        long n = end.in;
        // Steady state: from the sample where 30% had been read to the one where 95% had.
        Sample a = null;
        Sample b = null;
        for (Sample x : s) {
            if (a == null && x.in >= 0.30 * n) {
                a = x;
            }
            if (b == null && x.in >= 0.95 * n) {
                b = x;
            }
        }
        double drain = (end.ns - first.ns) / 1e9;
        double cpu = (end.cpuNs - first.cpuNs) / 1e9;
        double startup = (firstMs - ManagementFactory.getRuntimeMXBean().getStartTime()) / 1e3;
        StringBuilder o = new StringBuilder();
        o.append(String.format("{\"name\":\"%s\",\"settings\":\"%s\",\"n\":%d,\"out\":%d,\"aux\":%d,\"startup_s\":%.2f,"
                        + "\"startup_cpu_s\":%.2f,\"drain_s\":%.2f,\"events_s\":%.0f,\"cpu_s\":%.2f,\"cpu_s_per_M\":%.3f,\"rss_mb\":%d",
                name, settings, n, end.out, AUX.sum(), startup, first.cpuNs / 1e9, drain, n / drain, cpu,
                cpu / (n / 1e6), hwmMb()));
        if (a != null && b != null && b.in > a.in) {
            double m = (b.in - a.in) / 1e6;
            o.append(String.format(",\"steady_events_s\":%.0f,\"steady_cpu_s_per_M\":%.3f",
                    m * 1e6 / ((b.ns - a.ns) / 1e9), (b.cpuNs - a.cpuNs) / 1e9 / m));
        }
        System.out.println(o.append("}"));
        System.out.flush();
    }

    static long hwmMb() {
        try {
            for (String l : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (l.startsWith("VmHWM:")) {
                    return Long.parseLong(l.replaceAll("[^0-9]", "")) / 1024;
                }
            }
        } catch (Exception e) {
            // not Linux
        }
        return -1;
    }
}
