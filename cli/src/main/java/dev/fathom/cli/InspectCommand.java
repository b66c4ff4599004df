package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.Inventory;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.edit.Change;
import dev.fathom.edit.EditFile;
import java.lang.reflect.Array;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Shows what lies in a weight file.
@Command(
    name = "inspect",
    description = "Shows metadata and tensors of a weight file, or takes one out.",
    footer = {
      "",
      "Examples:",
      "  fathom inspect model.gguf",
      "  fathom inspect model.safetensors.index.json --json -",
      "  fathom inspect model.gguf --extract output_norm.weight --out x.safetensors",
    })
final class InspectCommand implements Callable<Integer> {
  /// Of longer lists only the first entries are shown.
  private static final int MOST_SHOWN = 8;

  private static final int MOST_CHANGES = 100;

  private final Console console;

  @Parameters(
      paramLabel = "FILE",
      description =
          "A .safetensors or .gguf file, an index.json of shards, or a directory with one of them.")
  private Path file = Path.of("");

  @Option(
      names = "--extract",
      paramLabel = "NAME",
      description = "Write this tensor as f32; needs --out.")
  private @Nullable String extract;

  @Option(names = "--out", paramLabel = "X.safetensors", description = "Where --extract writes to.")
  private @Nullable Path out;

  @Mixin private final JsonOptions output = new JsonOptions();

  InspectCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if ((extract == null) != (out == null)) {
      throw new IllegalArgumentException("--extract and --out belong together: give both.");
    }
    try (var inventory = Inventory.open(file)) {
      if (extract != null && out != null) {
        var path = out;
        var name = extract;
        AtomicFile.write(path, temporary -> inventory.extract(name, temporary));
        if (output.showsText()) {
          var info = Objects.requireNonNull(inventory.tensors().get(name)).info();
          console.out().printf("%s %s -> %s%n", Table.harmless(name, 200), shape(info), path);
        }
      } else if (output.showsText()) {
        show(inventory);
      }
      if (output.wantsJson()) output.writeJson(console, json(inventory));
    }
    return Main.DONE;
  }

  private void show(Inventory inventory) {
    var known = made(inventory);
    known.ifPresent(this::show);
    var metadata = Table.of("key", "value");
    var others = new LinkedHashMap<>(inventory.metadata());
    if (known.isPresent()) others.keySet().removeIf(key -> key.startsWith("fathom."));
    others.forEach((key, value) -> metadata.add(key, text(value)));
    if (!others.isEmpty()) {
      metadata.print(console.out());
      console.out().println();
    }
    var tensors = Table.of("tensor", "type", "shape", ">bytes");
    for (var entry : inventory.tensors().values()) {
      var info = entry.info();
      tensors.add(info.name(), info.type(), shape(info), "%,d".formatted(info.bytes()));
    }
    tensors.print(console.out());
    console
        .out()
        .printf(
            "%n%s: %d tensor%s, %,d numbers, %s%n",
            inventory.format(),
            inventory.tensors().size(),
            inventory.tensors().size() == 1 ? "" : "s",
            numbers(inventory),
            Table.bytes(bytes(inventory)));
  }

  /// What Fathom says about a file that it made from a model.
  ///
  /// @param changes what an edit changes, one line each; empty for other kinds
  private record Made(Card card, List<String> changes) {}

  /// The card of the file, if it is one of Fathom's and sound.
  private static Optional<Made> made(Inventory inventory) {
    if (inventory.files().size() != 1) return Optional.empty();
    Path path = inventory.files().getFirst().path();
    try {
      var card = Card.fromMetadata(inventory.metadata(), path);
      return Optional.of(
          new Made(
              card,
              card.kind().equals("edit")
                  ? EditFile.read(path).changes().stream().map(Change::summary).toList()
                  : List.of()));
    } catch (FathomException e) {
      return Optional.empty(); // the plain metadata then say what there is
    }
  }

  private void show(Made made) {
    var card = made.card;
    var table = Table.of("card", "");
    table.add("kind", card.kind());
    table.add("method", card.method());
    table.add("base", card.baseName());
    table.add("base weights", "%.16s…".formatted(card.baseSha256()));
    card.parameters().forEach(table::add);
    card.seed().ifPresent(seed -> table.add("seed", seed));
    if (!card.data().isEmpty()) table.add("data", card.data());
    table.add("created", card.created());
    table.add("Fathom", card.version());
    table.print(console.out());
    console.out().println();
    made.changes.stream()
        .limit(MOST_CHANGES)
        .forEach(change -> console.out().println(Table.harmless(change, 200)));
    if (made.changes.size() > MOST_CHANGES) {
      console.out().printf("and %,d more changes%n", made.changes.size() - MOST_CHANGES);
    }
    if (!made.changes.isEmpty()) console.out().println();
  }

  private static Document json(Made made) {
    var card = made.card;
    var parameters = Document.part();
    card.parameters().forEach(parameters::put);
    var document =
        Document.part()
            .put("kind", card.kind())
            .put("method", card.method())
            .put("base", card.baseName())
            .put("base_sha256", card.baseSha256())
            .put("parameters", parameters)
            .put("data", card.data())
            .put("created", card.created().toString())
            .put("version", card.version())
            .put("changes", made.changes);
    card.seed().ifPresent(seed -> document.put("seed", seed));
    return document;
  }

  private static long numbers(Inventory inventory) {
    return inventory.tensors().values().stream().mapToLong(e -> e.info().elements()).sum();
  }

  private static long bytes(Inventory inventory) {
    return inventory.tensors().values().stream().mapToLong(e -> e.info().bytes()).sum();
  }

  private static String shape(TensorInfo info) {
    return info.shape().stream().map(String::valueOf).collect(Collectors.joining(", ", "[", "]"));
  }

  /// Metadata for people: long lists only in part.
  private static String text(Object value) {
    var items = items(value);
    if (items == null) return String.valueOf(value);
    var shown = items.first().stream().map(InspectCommand::text).collect(Collectors.joining(", "));
    return items.length() > MOST_SHOWN
        ? "%,d entries: %s, …".formatted(items.length(), shown)
        : "[" + shown + "]";
  }

  private record Items(int length, List<Object> first) {}

  private static @Nullable Items items(Object value) {
    if (value instanceof List<?> list) {
      return new Items(list.size(), List.copyOf(list.subList(0, most(list.size()))));
    }
    if (!value.getClass().isArray()) return null;
    int length = Array.getLength(value);
    var first = new ArrayList<Object>();
    for (int i = 0; i < most(length); i++) first.add(Array.get(value, i));
    return new Items(length, first);
  }

  private static int most(int length) {
    return Math.min(length, MOST_SHOWN);
  }

  private String json(Inventory inventory) {
    var metadata = Document.part();
    inventory.metadata().forEach((key, value) -> metadata.put(key, plain(value)));
    var tensors = new ArrayList<Document>();
    for (var entry : inventory.tensors().values()) {
      var info = entry.info();
      var tensor =
          Document.part()
              .put("name", info.name())
              .put("type", info.type().name())
              .put("shape", info.shape())
              .put("bytes", info.bytes());
      if (inventory.files().size() > 1) {
        tensor.put("file", String.valueOf(entry.file().path().getFileName()));
      }
      tensors.add(tensor);
    }
    var document =
        Document.of("fathom.inspect/1")
            .put("file", file.toString())
            .put("kind", inventory.format());
    made(inventory).ifPresent(made -> document.put("card", json(made)));
    return document
        .put("metadata", metadata)
        .put("tensors", tensors)
        .put("numbers", numbers(inventory))
        .put("bytes", bytes(inventory))
        .text();
  }

  /// Metadata for programs: a long list as its length and its first entries.
  private static Object plain(Object value) {
    var items = items(value);
    if (items == null) return value;
    var first = items.first().stream().map(InspectCommand::plain).toList();
    return items.length() > MOST_SHOWN
        ? Document.part().put("length", items.length()).put("first", first)
        : first;
  }
}
