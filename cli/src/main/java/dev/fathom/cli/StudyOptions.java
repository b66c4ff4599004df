package dev.fathom.cli;

import dev.fathom.evaluate.reasoning.ReasoningTask;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import picocli.CommandLine.Option;

/// What a study is about, and where it is kept.
final class StudyOptions {
  @Option(
      names = "--data",
      required = true,
      paramLabel = "DIR",
      description = "Folder of the data sets.")
  private Path data = Path.of("");

  @Option(
      names = "--tasks",
      split = ",",
      paramLabel = "TASK",
      description = "Sets that it is about, with commas between. Default: arc-e.")
  private List<String> tasks = List.of("arc-e");

  @Option(
      names = "--out-dir",
      required = true,
      paramLabel = "DIR",
      description = "Folder of the studies: a killed one goes on there.")
  private Path directory = Path.of("");

  Path data() {
    return data;
  }

  /// @throws IllegalArgumentException if there is no such task
  List<ReasoningTask> tasks() {
    return new LinkedHashSet<>(tasks).stream().map(ReasoningTask::named).toList();
  }

  Path directory() {
    return directory;
  }
}
