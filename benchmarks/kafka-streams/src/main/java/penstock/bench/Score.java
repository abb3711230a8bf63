package penstock.bench;

/** A result's value, field for field as Penstock writes it. */
public record Score(
    int schema_version,
    String source_id,
    String event_id,
    long event_time_ms,
    Origin origin,
    String model,
    String model_version,
    double score) {

  /** The input record that a result answers. */
  public record Origin(String topic, int partition, long offset) {}
}
