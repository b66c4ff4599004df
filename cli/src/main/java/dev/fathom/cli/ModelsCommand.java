package dev.fathom.cli;

import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.checkpoint.Checkpoint;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.evaluate.Footprint;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// Lists families, or says what a checkpoint is.
@Command(
    name = "models",
    description = "Lists bundled models and families, or what one checkpoint is.",
    footer = {
      "",
      "Examples:",
      "  fathom models",
      "  fathom models M        parameters, context, and memory by dtype and length",
    })
final class ModelsCommand implements Callable<Integer> {
  private static final int SHORT = 256;

  private final Console console;

  @Parameters(
      arity = "0..1",
      paramLabel = "MODEL",
      description =
          "A bundled model, a Hugging Face directory, a .gguf file, or hf:owner/name[@revision].")
  private @Nullable String model;

  @Option(
      names = {"-m", "--model"},
      paramLabel = "M",
      description = "The same as MODEL.")
  private @Nullable String option;

  @Mixin private final JsonOptions output = new JsonOptions();

  ModelsCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (model != null && option != null) {
      throw new IllegalArgumentException("Give MODEL or --model, not both.");
    }
    var named = model == null ? option : model;
    if (named == null) families();
    else describe(named);
    return Main.DONE;
  }

  private void families() {
    if (output.showsText()) {
      var own = Table.of("bundled", "what it was trained on");
      for (var bundled : Bundled.values()) own.add(bundled.title(), bundled.description());
      own.print(console.out());
      console.out().println();
      var table = Table.of("model_type", "family");
      Models.families().forEach(family -> table.add(family.modelType(), family.title()));
      table.print(console.out());
    }
    if (output.wantsJson()) {
      var families =
          Models.families().stream()
              .map(family ->
                  Document.part()
                      .put("model_type", family.modelType())
                      .put("title", family.title()))
              .toList();
      var bundled =
          Stream.of(Bundled.values())
              .map(model ->
                  Document.part()
                      .put("name", model.title())
                      .put("description", model.description()))
              .toList();
      output.writeJson(
          console,
          Document.of("fathom.families/1")
              .put("bundled", bundled)
              .put("families", families)
              .text());
    }
  }

  private void describe(String named) {
    NativeCache.here().announce(console);
    try (var checkpoint = ModelLocation.of(named).open(console)) {
      try (var described = Models.describe(checkpoint)) {
        var onDisk = onDisk(checkpoint);
        int[] lengths =
            IntStream.of(
                    SHORT, Math.min(2048, described.card().context()), described.card().context())
                .filter(length -> length <= described.card().context())
                .distinct()
                .sorted()
                .toArray();
        if (output.showsText()) show(checkpoint, described, onDisk, lengths);
        if (output.wantsJson()) {
          output.writeJson(console, json(checkpoint, described, onDisk, lengths));
        }
      }
    }
  }

  /// Types of the stored weights, each with how many numbers have it.
  private static Map<String, Long> onDisk(Checkpoint checkpoint) {
    return checkpoint.tensors().values().stream()
        .collect(
            Collectors.groupingBy(
                info -> checkpoint.storedType(info.name()).name(),
                TreeMap::new,
                Collectors.summingLong(TensorInfo::elements)));
  }

  private void show(
      Checkpoint checkpoint, Transformer model, Map<String, Long> onDisk, int[] lengths) {
    var out = console.out();
    var card = model.card();
    var attention = model.blocks().getFirst().attention();
    var facts = Table.of("", "");
    facts.add("family", card.family());
    facts.add(
        "kind", card.causal() ? "decoder" : card.labels().isEmpty() ? "encoder" : "classifier");
    facts.add("parameters", "%,d".formatted(card.parameters()));
    facts.add("layers", model.layers());
    facts.add("d_model", model.dModel());
    facts.add("d_mlp", model.blocks().getFirst().mlp().out().in());
    facts.add(
        "heads",
        attention.heads() == attention.kvHeads()
            ? attention.heads()
            : "%d, %d for keys and values".formatted(attention.heads(), attention.kvHeads()));
    facts.add("d_head", attention.width());
    facts.add("vocabulary", "%,d".formatted(model.embedding().vocabulary()));
    facts.add("context", "%,d".formatted(card.context()));
    if (!card.labels().isEmpty()) facts.add("labels", String.join(", ", card.labels()));
    facts.add(
        "on disk",
        "%s, %s, %s"
            .formatted(
                checkpoint.format(),
                Table.bytes(checkpoint.storedBytes()),
                String.join(" + ", onDisk.keySet())));
    facts.add("tokenizer", LoadedModel.tokenizer(checkpoint).isPresent() ? "yes" : "none");
    facts.print(out);
    out.println();
    var memory =
        Table.of(
            "memory", ">tokens", ">weights", ">prepared", ">kv cache", ">activations", ">total");
    for (var dtype : List.of(DType.F32, DType.BF16)) {
      for (int length : lengths) {
        var footprint = Footprint.of(model, checkpoint, dtype, length);
        memory.add(
            dtype.name().toLowerCase(Locale.ROOT),
            "%,d".formatted(length),
            Table.bytes(footprint.weights()),
            Table.bytes(footprint.prepared()),
            Table.bytes(footprint.kvCache()),
            Table.bytes(footprint.activations()),
            Table.bytes(footprint.total()));
      }
    }
    memory.print(out);
  }

  private static String json(
      Checkpoint checkpoint, Transformer model, Map<String, Long> onDisk, int[] lengths) {
    var card = model.card();
    var attention = model.blocks().getFirst().attention();
    var memory =
        Stream.of(DType.F32, DType.BF16)
            .flatMap(dtype ->
                IntStream.of(lengths)
                    .mapToObj(length -> {
                      var footprint = Footprint.of(model, checkpoint, dtype, length);
                      return Document.part()
                          .put("dtype", dtype.name().toLowerCase(Locale.ROOT))
                          .put("tokens", length)
                          .put("weights_bytes", footprint.weights())
                          .put("prepared_bytes", footprint.prepared())
                          .put("kv_cache_bytes", footprint.kvCache())
                          .put("activations_bytes", footprint.activations())
                          .put("total_bytes", footprint.total());
                    }))
            .toList();
    return Document.of("fathom.model/1")
        .put("model", checkpoint.name())
        .put("family", card.family())
        .put("causal", card.causal())
        .put("parameters", card.parameters())
        .put("layers", model.layers())
        .put("d_model", model.dModel())
        .put("d_mlp", model.blocks().getFirst().mlp().out().in())
        .put("heads", attention.heads())
        .put("kv_heads", attention.kvHeads())
        .put("d_head", attention.width())
        .put("vocabulary", model.embedding().vocabulary())
        .put("context", card.context())
        .put("labels", card.labels())
        .put("file_format", checkpoint.format())
        .put("stored_bytes", checkpoint.storedBytes())
        .put("stored_types", onDisk)
        .put("tokenizer", LoadedModel.tokenizer(checkpoint).isPresent())
        .put("memory", memory)
        .text();
  }
}
