package dev.fathom.bench;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Sets what several runs of both sides wrote against each other: the minimum of each side, their
/// ratio, and whether the aim is reached. Prints a table for people and one JSON line last.
///
/// It reads a directory: `ours-*.json` of [Compare], `theirs-*.json` of the peers (the same layout;
/// a member `versions` may state theirs), `scores-*.json` of the check of the scores.
public final class Ratios {
  private final SequencedMap<Key, Best> found = new LinkedHashMap<>();
  private final SequencedMap<String, String> machine = Machine.describe();
  private final List<JsonNode> scores = new ArrayList<>();
  private int rounds;

  Ratios() {}

  /// A task in one element type.
  private record Key(String task, String dtype) {}

  /// The minima of both sides.
  private static final class Best {
    double ours = Double.NaN;
    double theirs = Double.NaN;
    long ourPeak;
    long theirPeak;
    String unit = "";
  }

  /// Reads the directory named by the only argument. Exits with 2 when there is none, with 1 when
  /// it cannot be read.
  public static void main(String[] words) {
    if (words.length != 1) {
      System.err.println("usage: Ratios DIRECTORY");
      System.exit(2);
    }
    try {
      var ratios = new Ratios();
      ratios.read(Path.of(words[0]));
      System.out.print(ratios.table());
      System.out.println(ratios.json());
    } catch (FathomException | IOException e) {
      System.err.println(e.getMessage());
      System.exit(1);
    }
  }

  void read(Path directory) throws IOException {
    List<Path> files;
    try (var entries = Files.list(directory)) {
      files = entries.sorted().toList();
    }
    for (Path file : files) {
      String name = String.valueOf(file.getFileName());
      if (name.startsWith("ours-")) {
        rounds++;
        add(parsed(file), true);
      } else if (name.startsWith("theirs-")) {
        add(parsed(file), false);
      } else if (name.startsWith("scores-")) {
        scores.add(parsed(file));
      }
    }
  }

  private static JsonNode parsed(Path file) {
    try {
      return JsonMapper.shared().readTree(file);
    } catch (JacksonException e) {
      throw new FathomException("%s: not JSON: %s".formatted(file, e.getOriginalMessage()), e);
    }
  }

  /// Takes one run of one side into the minima.
  void add(JsonNode run, boolean ours) {
    for (Map.Entry<String, JsonNode> entry : run.properties()) {
      JsonNode value = entry.getValue();
      if (entry.getKey().equals("versions")) {
        value
            .properties()
            .forEach(v -> machine.put("peer_" + v.getKey(), v.getValue().asString("unknown")));
        continue;
      }
      var key = new Key(entry.getKey(), value.path("dtype").asString("float32"));
      Best best = found.computeIfAbsent(key, _ -> new Best());
      double seconds = value.path("seconds").asDouble(Double.NaN);
      long peak = value.path("peak_bytes").asLong(0);
      machine.putIfAbsent(
          ours ? "our_threads" : "peer_threads", value.path("threads").asString("unknown"));
      if (ours) {
        best.ours = smaller(best.ours, seconds);
        best.ourPeak = Math.max(best.ourPeak, peak);
        best.unit = value.path("unit").asString("");
      } else {
        best.theirs = smaller(best.theirs, seconds);
        best.theirPeak = Math.max(best.theirPeak, peak);
      }
    }
  }

  private static double smaller(double known, double other) {
    return Double.isNaN(known) ? other : Math.min(known, other);
  }

  private static double ratio(Best best) {
    return best.theirs / best.ours;
  }

  private static OptionalDouble aim(Key key) {
    return Arrays.stream(Task.values()).anyMatch(task -> task.toString().equals(key.task))
        ? Task.of(key.task).aim(key.dtype)
        : OptionalDouble.empty();
  }

  private static @Nullable Boolean reached(Key key, Best best) {
    OptionalDouble aim = aim(key);
    return aim.isEmpty() || Double.isNaN(ratio(best)) ? null : ratio(best) >= aim.getAsDouble();
  }

  String table() {
    var text = new StringBuilder();
    machine.forEach((name, value) -> text.append("%-16s %s%n".formatted(name, value)));
    text.append(
        "%n%-14s %-9s %10s %10s %7s %6s %-7s %8s %9s  %s%n"
            .formatted(
                "task",
                "dtype",
                "ours s",
                "theirs s",
                "ratio",
                "aim",
                "reached",
                "ours MB",
                "theirs MB",
                "unit"));
    found.forEach((key, best) -> text.append(row(key, best)));
    for (JsonNode score : scores) {
      text.append("%nscores         %s%n".formatted(score.path("says").asString("")));
    }
    return text.append(System.lineSeparator()).toString();
  }

  private static String row(Key key, Best best) {
    Boolean reached = reached(key, best);
    return "%-14s %-9s %10s %10s %7s %6s %-7s %8s %9s  %s%n"
        .formatted(
            key.task,
            key.dtype,
            number("%.4f", best.ours),
            number("%.4f", best.theirs),
            number("%.2f", ratio(best)),
            aim(key).isPresent() ? number("%.1f", aim(key).getAsDouble()) : "-",
            reached == null ? "-" : reached ? "yes" : "no",
            best.ourPeak == 0 ? "-" : Long.toString(best.ourPeak >> 20),
            best.theirPeak == 0 ? "-" : Long.toString(best.theirPeak >> 20),
            best.unit);
  }

  private static String number(String format, double value) {
    return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, format, value);
  }

  String json() {
    ObjectNode root = JsonMapper.shared().createObjectNode();
    ObjectNode about = root.putObject("machine");
    machine.forEach(about::put);
    root.put("runs", rounds);
    ArrayNode results = root.putArray("results");
    found.forEach((key, best) -> describe(results.addObject(), key, best));
    ArrayNode checks = root.putArray("scores");
    scores.forEach(checks::add);
    return JsonMapper.shared().writeValueAsString(root);
  }

  private static void describe(ObjectNode into, Key key, Best best) {
    into.put("task", key.task).put("dtype", key.dtype);
    putNumber(into, "ours_seconds", best.ours);
    putNumber(into, "theirs_seconds", best.theirs);
    putNumber(into, "ratio", ratio(best));
    putNumber(into, "aim", aim(key).orElse(Double.NaN));
    into.put("reached", reached(key, best));
    into.put("ours_peak_bytes", best.ourPeak == 0 ? null : best.ourPeak);
    into.put("theirs_peak_bytes", best.theirPeak == 0 ? null : best.theirPeak);
    into.put("unit", best.unit);
  }

  private static void putNumber(ObjectNode into, String name, double value) {
    into.put(name, Double.isNaN(value) ? null : value);
  }
}
