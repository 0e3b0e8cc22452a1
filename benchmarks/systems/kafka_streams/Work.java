import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams with exactly_once_v2, one thread, and its record cache, which gathers a user's updates between commits.
 * The one argument is the job as JSON, see benchmarks/job.py; the last line printed is the report.
 *
 * <p>An event counts when it is processed: it is committed at most a commit interval, 100 ms, later.
 */
public final class Work {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String STATES = "states";
  private static final double WARM_SECONDS = 20.0; // the JVM compiles what it has seen often, on the same core

  private Work() {}

  public static void main(String[] arguments) throws Exception {
    JsonNode job = JSON.readTree(arguments[0]);
    CountDownLatch done = new CountDownLatch(1);
    Meter meter = new Meter(job.get("events").asLong(), job.get("seconds").asDouble(), done);
    KafkaStreams streams = new KafkaStreams(topology(job, meter), settings(job));
    streams.start();
    done.await();
    streams.close(Duration.ofSeconds(30));
    System.out.println(meter.report());
  }

  private static Properties settings(JsonNode job) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, job.get("group").asText());
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, job.get("bootstrap").asText());
    settings.put(StreamsConfig.STATE_DIR_CONFIG, job.get("folder").asText());
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 2_000); // as the others
    return settings;
  }

  private static Topology topology(JsonNode job, Meter meter) {
    Topology topology = new Topology();
    topology.addSource(
        "clicks", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), job.get("topic").asText());
    if (job.get("workload").asText().equals("parse")) {
      topology.addProcessor("work", () -> new Parse(meter), "clicks");
      return topology;
    }
    KeyValueBytesStoreSupplier store =
        job.get("store").asText().equals("rocksdb")
            ? Stores.persistentKeyValueStore(STATES)
            : Stores.inMemoryKeyValueStore(STATES);
    topology.addProcessor("work", () -> new Count(meter), "clicks");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(store, Serdes.ByteArray(), Serdes.ByteArray()).withCachingEnabled(), "work");
    topology.addSink(
        "output",
        job.get("output").asText(),
        Serdes.ByteArray().serializer(),
        Serdes.ByteArray().serializer(),
        "work");
    return topology;
  }

  private static JsonNode decode(byte[] value) {
    try {
      return JSON.readTree(value);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Decode and nothing else. */
  private record Parse(Meter meter) implements Processor<byte[], byte[], Void, Void> {
    @Override
    public void process(Record<byte[], byte[]> record) {
      decode(record.value());
      meter.add();
    }
  }

  /** Read and write the user's state, and send one output for each event. */
  private static final class Count implements Processor<byte[], byte[], byte[], byte[]> {
    private final Meter meter;
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> states;

    Count(Meter meter) {
      this.meter = meter;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> given) {
      context = given;
      states = given.getStateStore(STATES);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      JsonNode event = decode(record.value());
      byte[] before = states.get(record.key());
      JsonNode old = before == null ? JSON.createObjectNode() : decode(before);
      ObjectNode state = JSON.createObjectNode();
      state.put("count", old.path("count").asInt() + 1);
      state.put("spent", old.path("spent").asDouble() + event.get("price").asDouble());
      byte[] value;
      try {
        value = JSON.writeValueAsBytes(state);
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      states.put(record.key(), value);
      context.forward(record.withValue(value));
      meter.add();
    }
  }

  /** Counts events and holds the clocks, as in benchmarks/job.py but for the warm-up; used by the one stream thread. */
  private static final class Meter {
    private final long events;
    private final double seconds;
    private final CountDownLatch done;
    private long seen;
    private long first;
    private double warming;
    private double began;
    private double cpuBegan;
    private String report = "";

    Meter(long events, double seconds, CountDownLatch done) {
      this.events = events;
      this.seconds = seconds;
      this.done = done;
    }

    void add() {
      seen++;
      if (!report.isEmpty()) {
        return;
      }
      double now = System.nanoTime() / 1e9;
      if (began > 0) {
        if (seen >= events || now - began >= seconds) {
          report = told(now);
          done.countDown();
        }
        return;
      }
      warming = warming > 0 ? warming : now;
      if (seen >= events / 2 || now - warming >= WARM_SECONDS) {
        first = seen;
        began = now;
        cpuBegan = cpuSeconds();
      }
    }

    String report() {
      return report;
    }

    private String told(double now) {
      long measured = seen - first;
      return String.format(
          Locale.ROOT,
          "{\"events\": %d, \"events_per_second\": %.1f, \"cpu_seconds_per_1k\": %.6f, \"rss_mb\": %.1f}",
          measured,
          measured / (now - began),
          1000 * (cpuSeconds() - cpuBegan) / measured,
          peakMegabytes());
    }

    private static double cpuSeconds() {
      return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getProcessCpuTime() / 1e9;
    }

    private static double peakMegabytes() {
      try {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
          if (line.startsWith("VmHWM:")) {
            return Long.parseLong(line.replaceAll("\\D", "")) / 1024.0;
          }
        }
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      return 0;
    }
  }
}
