package peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** The records of WORKLOADS.md, read with Jackson's streaming parser (only the fields that are needed). */
public final class Model {
    private static final JsonFactory F = new JsonFactory();

    private Model() {}

    public static class Ad {
        public String adId;
        public String eventType;
        public long eventTime;
    }

    public static class Hit {
        public String campaign;
        public long eventTime;
    }

    public static class WindowCount {
        public String campaign;
        public long start;
        public long count;
        public long maxTs;
    }

    public static class Word {
        public String word;
        public long ts;
    }

    public static class WordCount {
        public String word;
        public long count;
        public long ts;
    }

    public static class CountState {
        public long count;
        public long ts;
        public boolean dirty;
        public boolean known;
    }

    public static class Profile {
        public long viewerId;
        public String name;
        public String industry;
        public long version;
    }

    public static class PageView {
        public long eventTime;
        public long viewerId;
        public String page;
        public String referrer;
    }

    public static class Enriched {
        public PageView view;
        public Profile profile;
    }

    public static void readAd(byte[] b, Ad ad) throws IOException {
        ad.adId = null;
        ad.eventType = null;
        int left = 3;
        try (JsonParser p = F.createParser(b)) {
            p.nextToken();
            while (left > 0 && p.nextToken() == JsonToken.FIELD_NAME) {
                String f = p.getCurrentName();
                p.nextToken();
                switch (f) {
                    case "ad_id" -> {
                        ad.adId = p.getText();
                        left--;
                    }
                    case "event_type" -> {
                        ad.eventType = p.getText();
                        left--;
                    }
                    case "event_time" -> {
                        ad.eventTime = Long.parseLong(p.getText());
                        left--;
                    }
                    default -> p.skipChildren();
                }
            }
        }
    }

    public static Profile readProfile(byte[] b) throws IOException {
        Profile o = new Profile();
        try (JsonParser p = F.createParser(b)) {
            p.nextToken();
            while (p.nextToken() == JsonToken.FIELD_NAME) {
                String f = p.getCurrentName();
                p.nextToken();
                switch (f) {
                    case "viewer_id" -> o.viewerId = p.getLongValue();
                    case "name" -> o.name = p.getText();
                    case "industry" -> o.industry = p.getText();
                    case "version" -> o.version = p.getLongValue();
                    default -> p.skipChildren();
                }
            }
        }
        return o;
    }

    public static byte[] writeProfile(Profile o) throws IOException {
        ByteArrayOutputStream s = new ByteArrayOutputStream(160);
        try (JsonGenerator g = F.createGenerator(s)) {
            g.writeStartObject();
            g.writeNumberField("viewer_id", o.viewerId);
            g.writeStringField("name", o.name);
            g.writeStringField("industry", o.industry);
            g.writeNumberField("version", o.version);
            g.writeEndObject();
        }
        return s.toByteArray();
    }

    public static void readPageView(byte[] b, PageView o) throws IOException {
        try (JsonParser p = F.createParser(b)) {
            p.nextToken();
            while (p.nextToken() == JsonToken.FIELD_NAME) {
                String f = p.getCurrentName();
                p.nextToken();
                switch (f) {
                    case "event_time" -> o.eventTime = p.getLongValue();
                    case "viewer_id" -> o.viewerId = p.getLongValue();
                    case "page" -> o.page = p.getText();
                    case "referrer" -> o.referrer = p.getText();
                    default -> p.skipChildren();
                }
            }
        }
    }

    public static byte[] writeEnriched(PageView v, Profile p) throws IOException {
        ByteArrayOutputStream s = new ByteArrayOutputStream(256);
        try (JsonGenerator g = F.createGenerator(s)) {
            g.writeStartObject();
            g.writeNumberField("event_time", v.eventTime);
            g.writeNumberField("viewer_id", v.viewerId);
            g.writeStringField("page", v.page);
            g.writeStringField("referrer", v.referrer);
            if (p != null) {
                g.writeStringField("name", p.name);
                g.writeStringField("industry", p.industry);
            }
            g.writeEndObject();
        }
        return s.toByteArray();
    }

    /** The static table, one "ad_id<separator>campaign_id" a line or one JSON object a line. */
    public static HashMap<String, String> campaigns() {
        try {
            HashMap<String, String> m = new HashMap<>();
            for (String l : Files.readAllLines(Path.of(env("CAMPAIGNS", "campaigns")))) {
                String[] q = l.startsWith("{") ? jsonPair(l) : l.trim().split("[\\s,]+");
                if (q.length == 2) {
                    m.put(q[0], q[1]);
                }
            }
            return m;
        } catch (IOException e) {
            throw new RuntimeException(e);
        }
    }

    private static String[] jsonPair(String l) throws IOException {
        Map<String, String> m = new HashMap<>();
        try (JsonParser p = F.createParser(l)) {
            p.nextToken();
            while (p.nextToken() == JsonToken.FIELD_NAME) {
                String f = p.getCurrentName();
                p.nextToken();
                m.put(f, p.getText());
            }
        }
        return new String[] {m.get("ad_id"), m.get("campaign_id")};
    }

    public static String env(String k, String d) {
        String v = System.getenv(k);
        return v == null || v.isEmpty() ? d : v;
    }
}
