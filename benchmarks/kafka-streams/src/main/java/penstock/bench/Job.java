package penstock.bench;

/** One run, as the bench says it on the command line: JSON with these names. */
public record Job(
    String bootstrap_servers,
    String input,
    String output,
    String group,
    String workload,
    int partitions,
    String folder) {}
