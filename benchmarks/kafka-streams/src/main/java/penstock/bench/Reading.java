package penstock.bench;

import java.util.Map;

/** One reading: the fields of Penstock's own SensorReading. */
public record Reading(
    String source_id, long event_time_ms, String event_id, Map<String, Double> values) {

  /** Returns the mean of the values. */
  double mean() {
    double sum = 0;
    for (double value : values.values()) {
      sum += value;
    }
    return sum / values.size();
  }
}
