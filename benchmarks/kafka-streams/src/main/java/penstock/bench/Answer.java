package penstock.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/** Answers each reading with its mean. */
final class Answer implements Processor<byte[], byte[], byte[], byte[]> {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  private final ObjectReader reader = MAPPER.readerFor(Reading.class);
  private final ObjectWriter writer = MAPPER.writerFor(Score.class);
  private final ResultHeaders headers = new ResultHeaders();
  private ProcessorContext<byte[], byte[]> context;

  @Override
  public void init(ProcessorContext<byte[], byte[]> context) {
    this.context = context;
  }

  @Override
  public void process(Record<byte[], byte[]> record) {
    RecordMetadata at = context.recordMetadata().orElseThrow();
    try {
      Reading reading = reader.readValue(record.value());
      long started = System.nanoTime();
      double mean = reading.mean();
      long nanos = System.nanoTime() - started;
      Score score = score(reading, at, mean);
      byte[] value = writer.writeValueAsBytes(score);
      context.forward(
          new Record<>(record.key(), value, record.timestamp(), headers.of(score, nanos)));
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static Score score(Reading reading, RecordMetadata at, double mean) {
    Score.Origin origin = new Score.Origin(at.topic(), at.partition(), at.offset());
    return new Score(
        1,
        reading.source_id(),
        reading.event_id(),
        reading.event_time_ms(),
        origin,
        "mean",
        "1",
        mean);
  }
}
