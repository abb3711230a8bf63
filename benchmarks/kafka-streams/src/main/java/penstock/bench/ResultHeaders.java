package penstock.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;

/** A result's headers, as Penstock writes them. One instance a thread. */
final class ResultHeaders {
  private static final byte[] SPEC_VERSION = "1.0".getBytes(UTF_8);
  private static final byte[] TYPE = "penstock.score.v1".getBytes(UTF_8);
  private static final byte[] SOURCE = "penstock/score".getBytes(UTF_8);
  private static final byte[] CONTENT_TYPE = "application/json".getBytes(UTF_8);
  private static final DateTimeFormatter SECOND =
      DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.").withZone(ZoneOffset.UTC);

  private long lastSecond = Long.MIN_VALUE;
  private String lastText = "";

  Headers of(Score score, long modelNanos) {
    Score.Origin origin = score.origin();
    String place = origin.topic() + ":" + origin.partition() + ":" + origin.offset();
    return new RecordHeaders()
        .add("ce_specversion", SPEC_VERSION)
        .add("ce_type", TYPE)
        .add("ce_source", SOURCE)
        .add("content-type", CONTENT_TYPE)
        .add("penstock_timing", timing(modelNanos).getBytes(UTF_8))
        .add("ce_id", (place + ":score:penstock.score.v1:0").getBytes(UTF_8))
        .add("ce_time", time(score.event_time_ms()).getBytes(UTF_8));
  }

  private static String timing(long modelNanos) {
    String model = modelNanos / 1_000_000_000 + "." + padded(modelNanos / 1000 % 1_000_000, 6);
    return "processed=" + System.currentTimeMillis() + ";batch=1;queue=0.000000;model=" + model;
  }

  private String time(long timeMs) {
    long second = Math.floorDiv(timeMs, 1000);
    if (second != lastSecond) {
      lastSecond = second;
      lastText = SECOND.format(Instant.ofEpochSecond(second));
    }
    return lastText + padded(Math.floorMod(timeMs, 1000L), 3) + "Z";
  }

  private static String padded(long number, int digits) {
    String text = Long.toString(number);
    return "0".repeat(digits - text.length()) + text;
  }
}
