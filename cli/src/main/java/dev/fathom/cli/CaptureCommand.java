package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.data.Prompt;
import dev.fathom.data.PromptFile;
import dev.fathom.evaluate.CaptureFile;
import dev.fathom.model.PositionSpan;
import dev.fathom.model.SiteAddress;
import dev.fathom.model.SiteNames;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Writes activations to a file.
@Command(
    name = "capture",
    description = "Writes the activations of a model at named sites to a file.",
    footer = {
      "",
      "Examples:",
      "  fathom capture -m M --prompt \"Hello\" --sites resid_post.all --out x.safetensors",
      "  fathom capture -m M --ids 1,2,3 --sites z.3.h7@last,logits --out x.safetensors",
      "  fathom capture -m M --prompts F.jsonl --sites pattern.late:2 --out x.safetensors",
    })
final class CaptureCommand implements Callable<Integer> {
  private final Console console;

  @Option(names = "--prompt", paramLabel = "TEXT", description = "The text to read.")
  private @Nullable String prompt;

  @Option(
      names = "--ids",
      paramLabel = "ID,ID,...",
      description = "Token ids to read, taken as they are.")
  private @Nullable String ids;

  @Option(
      names = "--prompts",
      paramLabel = "F.jsonl",
      description = "Many texts: one JSON object a line, with prompt, and perhaps id and subject.")
  private @Nullable Path prompts;

  @Option(names = "--chat", description = "Put the prompt through the model's chat template.")
  private boolean chat;

  @Option(
      names = "--system",
      paramLabel = "TEXT",
      description = "The system message of the chat template; implies --chat.")
  private @Nullable String system;

  @Option(
      names = "--bos",
      negatable = true,
      description = "Begin with the start token, or do not. Default: as its tokenizer does.")
  private @Nullable Boolean bos;

  @Option(
      names = "--sites",
      paramLabel = "SITE,...",
      required = true,
      description = {
        "What to write: addresses such as resid_post.all, pattern.3, z.10.h7@last,",
        "mlp_act.4-9, logits.",
      })
  private String sites = "";

  @Option(
      names = "--names",
      paramLabel = "TOOL",
      description = "In whose names --sites is, if not in Fathom's: ${COMPLETION-CANDIDATES}.")
  private SiteNames.@Nullable Tool names;

  @Option(
      names = "--out",
      paramLabel = "X.safetensors",
      required = true,
      description = "The file: one f32 tensor a layer, named by its address.")
  private Path out = Path.of("");

  @Mixin private final ModelOptions options = new ModelOptions();
  @Mixin private final JsonOptions output = new JsonOptions();

  CaptureCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (Stream.of(prompt, ids, prompts).filter(given -> given != null).count() != 1) {
      throw new IllegalArgumentException("Give one of --prompt, --ids and --prompts.");
    }
    int[] given = ids == null ? null : parsed(ids);
    var addresses = names == null ? SiteAddress.parseAll(sites) : List.<SiteAddress>of();
    try (var model = LoadedModel.open(console, options)) {
      if (names != null) addresses = translated(model, names);
      var read = new ArrayList<String>();
      var rows = rows(model, given, read);
      check(model, addresses, rows);
      var metadata = metadata(model, read);
      var written = new ArrayList<TensorSpec>();
      var finished = List.copyOf(addresses);
      try (var progress = output.progress(console, "capturing", rows.size())) {
        AtomicFile.write(
            out,
            temporary ->
                written.addAll(
                    CaptureFile.write(
                        model.transformer(),
                        rows,
                        finished,
                        temporary,
                        prompts != null,
                        metadata,
                        progress::advance)));
      }
      report(rows, written);
    }
    return Main.DONE;
  }

  private static int[] parsed(String ids) {
    try {
      return Arrays.stream(ids.split(",", -1))
          .mapToInt(id -> Integer.parseInt(id.strip()))
          .toArray();
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "--ids '%s': expected token ids such as 1,2,3.".formatted(Table.harmless(ids, 60)), e);
    }
  }

  private List<SiteAddress> translated(LoadedModel model, SiteNames.Tool tool) {
    return Arrays.stream(sites.split(",", -1))
        .map(name -> SiteNames.from(tool, name.strip(), model.transformer()))
        .map(site -> SiteAddress.parse(site.toString()))
        .toList();
  }

  private List<CaptureFile.Row> rows(
      LoadedModel model, int @Nullable [] given, List<String> promptIds) {
    if (given != null) return List.of(new CaptureFile.Row(given, Optional.empty()));
    if (prompts == null) {
      return List.of(row(model.prompt(String.valueOf(prompt), how(model)), Optional.empty()));
    }
    var rows = new ArrayList<CaptureFile.Row>();
    PromptFile.forEach(
        prompts,
        line -> {
          try {
            var read = Prompt.of(model.tokenizer(), line.prompt(), how(model));
            read.requireFits(model.transformer().card().context(), 0);
            rows.add(row(read, line.subject()));
            promptIds.add(line.id().orElse(String.valueOf(line.number())));
          } catch (IllegalArgumentException e) {
            throw new FathomException(
                "%s, line %d: %s".formatted(prompts, line.number(), e.getMessage()), e);
          }
        });
    return rows;
  }

  private Prompt.Options how(LoadedModel model) {
    return new Prompt.Options(
        chat || system != null,
        Optional.ofNullable(system),
        Optional.ofNullable(bos),
        model.transformer().card().causal());
  }

  private static CaptureFile.Row row(Prompt prompt, Optional<String> subject) {
    return new CaptureFile.Row(prompt.ids(), subject.map(text -> span(prompt, text)));
  }

  /// The tokens of the last place where the prompt names its subject.
  private static PositionSpan span(Prompt prompt, String subject) {
    int from = prompt.text().lastIndexOf(subject);
    int[] tokens = from < 0 ? new int[0] : prompt.tokens().tokensIn(from, from + subject.length());
    if (tokens.length == 0) {
      throw new IllegalArgumentException(
          "the subject '%s' is not in the prompt".formatted(Table.harmless(subject, 60)));
    }
    return new PositionSpan(tokens[0], tokens[tokens.length - 1]);
  }

  /// Refuses before a file is begun.
  private static void check(
      LoadedModel model, List<SiteAddress> addresses, List<CaptureFile.Row> rows) {
    for (var address : addresses) {
      for (var row : rows) {
        address.slices(model.transformer(), row.subject().orElse(null));
        if (!address.namesSubject()) break;
      }
    }
  }

  private Map<String, String> metadata(LoadedModel model, List<String> promptIds) {
    var card = model.transformer().card();
    var metadata =
        Stream.of(
                Map.entry("format", "pt"),
                Map.entry("made_by", "fathom capture"),
                Map.entry("model", card.name()),
                Map.entry("sites", sites))
            .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
    if (!promptIds.isEmpty()) {
      metadata.put("ids", promptIds.stream().collect(Collectors.joining("\n")));
    }
    return metadata;
  }

  private void report(List<CaptureFile.Row> rows, List<TensorSpec> written) {
    int tokens = rows.stream().mapToInt(row -> row.ids().length).sum();
    if (output.showsText()) {
      var table = Table.of("tensor", "type", "shape", ">bytes");
      for (var spec : written) {
        table.add(spec.name(), spec.type(), spec.shape(), "%,d".formatted(spec.bytes()));
      }
      table.print(console.out());
      console.out().printf("%d prompts, %d tokens -> %s%n", rows.size(), tokens, out);
    }
    if (output.wantsJson()) {
      var tensors =
          written.stream()
              .map(spec ->
                  Document.part()
                      .put("name", spec.name())
                      .put("type", spec.type().name())
                      .put("shape", spec.shape())
                      .put("bytes", spec.bytes()))
              .toList();
      output.writeJson(
          console,
          Document.of("fathom.capture/1")
              .put("out", out.toString())
              .put("prompts", rows.size())
              .put("tokens", tokens)
              .put("tensors", tensors)
              .text());
    }
  }
}
