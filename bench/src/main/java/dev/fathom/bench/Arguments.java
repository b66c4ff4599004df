package dev.fathom.bench;

import dev.fathom.tensor.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// The command line of [Compare].
///
/// @param model a Hugging Face directory
/// @param threads of the kernels
/// @param json where the results go too
/// @param stereoset StereoSet's JSON file
/// @param scores where the scores of its sentences go
record Arguments(
    Path model,
    List<Task> tasks,
    DType dtype,
    int threads,
    Optional<Path> json,
    Optional<Path> stereoset,
    Optional<Path> scores) {
  static final String USAGE =
      "usage: Compare MODEL_DIR [--tasks A,B] [--dtype f32|bf16] [--threads N] [--json FILE]"
          + " [--stereoset FILE] [--scores FILE]";

  Arguments {
    tasks = List.copyOf(tasks);
  }

  /// @throws IllegalArgumentException if they are not understood
  static Arguments parse(String... words) {
    var models = new ArrayList<Path>();
    List<Task> tasks = List.of(Task.values());
    DType dtype = DType.F32;
    int threads = Runtime.getRuntime().availableProcessors();
    Optional<Path> json = Optional.empty();
    Optional<Path> stereoset = Optional.empty();
    Optional<Path> scores = Optional.empty();
    for (int i = 0; i < words.length; i++) {
      if (!words[i].startsWith("--")) {
        models.add(Path.of(words[i]));
        continue;
      }
      String option = words[i];
      if (++i == words.length) {
        throw new IllegalArgumentException("%s needs a value%n%s".formatted(option, USAGE));
      }
      String value = words[i];
      switch (option) {
        case "--tasks" -> tasks = Arrays.stream(value.split(",")).map(Task::of).toList();
        case "--dtype" -> dtype = dtype(value);
        case "--threads" -> threads = Integer.parseInt(value);
        case "--json" -> json = Optional.of(Path.of(value));
        case "--stereoset" -> stereoset = Optional.of(Path.of(value));
        case "--scores" -> scores = Optional.of(Path.of(value));
        default -> throw new IllegalArgumentException("no option %s%n%s".formatted(option, USAGE));
      }
    }
    if (models.size() != 1) {
      throw new IllegalArgumentException(
          "expected one model directory, found %s%n%s".formatted(models, USAGE));
    }
    return new Arguments(models.getFirst(), tasks, dtype, threads, json, stereoset, scores);
  }

  private static DType dtype(String name) {
    return switch (name) {
      case "f32" -> DType.F32;
      case "bf16" -> DType.BF16;
      default -> throw new IllegalArgumentException("--dtype is f32 or bf16, found " + name);
    };
  }

  /// The element type as the peers call it.
  String dtypeName() {
    return dtype == DType.BF16 ? "bfloat16" : "float32";
  }
}
