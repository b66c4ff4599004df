package dev.fathom.cli;

import dev.fathom.arch.Models;
import dev.fathom.evaluate.Invariants;
import dev.fathom.evaluate.Parity;
import dev.fathom.evaluate.SelfTest;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Checks a model on this machine.
@Command(
    name = "verify",
    description = "Checks that a model computes what it should on this machine.",
    footer = {
      "",
      "Examples:",
      "  fathom verify --model M",
      "  fathom verify --model M --reference reference.safetensors",
      "",
      "Exits with 1 when a check fails.",
    })
final class VerifyCommand implements Callable<Integer> {
  private static final int TOKENS = 12;

  private final Console console;

  @Option(
      names = "--reference",
      paramLabel = "FILE",
      description = {
        "Values that another implementation computed, a .safetensors file with input_ids,",
        "attention_mask, logits, hidden_states.L, attentions.L, greedy_ids, embed_grad.",
      })
  private @Nullable Path reference;

  @Mixin private final ModelOptions options = new ModelOptions();
  @Mixin private final JsonOptions output = new JsonOptions();

  VerifyCommand(Console console) {
    this.console = console;
  }

  /// Everything that was found out.
  private record Findings(
      String family,
      List<SelfTest.Row> device,
      List<Invariants.Check> invariants,
      Optional<Parity.Ledger> parity) {
    boolean passed() {
      return device.stream().allMatch(SelfTest.Row::passed)
          && invariants.stream().allMatch(Invariants.Check::passed)
          && parity.map(Parity.Ledger::passed).orElse(true);
    }
  }

  @Override
  public Integer call() {
    try (var model = LoadedModel.open(console, options)) {
      var transformer = model.transformer();
      var findings =
          new Findings(
              transformer.card().family(),
              SelfTest.run(),
              Invariants.check(transformer, ids(transformer)),
              Optional.ofNullable(reference)
                  .map(file -> Parity.of(transformer, file, () -> inF64(model))));
      if (output.showsText()) show(findings);
      if (output.wantsJson()) output.writeJson(console, json(findings));
      return findings.passed() ? Main.DONE : Main.FAILED;
    }
  }

  private static Transformer inF64(LoadedModel model) {
    return Models.load(model.checkpoint().path(), DType.F64);
  }

  /// Some tokens from all over the vocabulary, always the same.
  private static int[] ids(Transformer model) {
    int[] ids = new int[Math.min(TOKENS, model.card().context())];
    long vocabulary = model.embedding().vocabulary();
    for (int i = 0; i < ids.length; i++) ids[i] = (int) ((3 + 2654435761L * i) % vocabulary);
    return ids;
  }

  private void show(Findings findings) {
    var out = console.out();
    var device = Table.of("device", ">gap", ">limit", "");
    for (var row : findings.device()) {
      device.add(row.name(), gap(row.gap()), gap(row.limit()), mark(row.passed()));
    }
    device.print(out);
    out.println();
    var invariants = Table.of("invariant", ">checks", ">largest gap", ">limit", "");
    worst(findings.invariants())
        .forEach((name, checks) -> {
          var worst = checks.getFirst();
          invariants.add(
              name,
              checks.size(),
              gap(worst.gap()),
              gap(worst.tolerance()),
              worst.passed() ? "ok" : "FAIL at " + worst.site());
        });
    invariants.print(out);
    findings.parity().ifPresent(this::show);
    out.println();
    out.println(findings.passed() ? "all passed" : "FAILED");
  }

  private void show(Parity.Ledger ledger) {
    var out = console.out();
    out.println();
    var table = Table.of("reference", ">gap", ">largest", ">limit", ">gap in f64", "");
    for (var row : ledger.rows()) {
      table.add(
          row.name(),
          gap(row.gap()),
          gap(row.largest()),
          gap(row.limit()),
          row.gapInF64().isPresent() ? gap(row.gapInF64().getAsDouble()) : "",
          switch (row.verdict()) {
            case PASSED -> row.note().isEmpty() ? "ok" : "ok, " + row.note();
            case ROUNDING -> "FAIL: rounding, gone in f64";
            case DIFFERENT -> "FAIL: not rounding";
          });
    }
    table.print(out);
    if (!Double.isNaN(ledger.divergence())) {
      out.printf(
          "largest KL divergence %s nats, same top token at %.1f%% of tokens%n",
          gap(ledger.divergence()), 100 * ledger.agreement());
    }
    if (!ledger.ignored().isEmpty()) {
      out.println("not compared: " + Table.harmless(String.join(", ", ledger.ignored()), 200));
    }
  }

  /// The checks by their names, each list with the worst first.
  private static LinkedHashMap<String, List<Invariants.Check>> worst(
      List<Invariants.Check> checks) {
    var byName = new LinkedHashMap<String, List<Invariants.Check>>();
    for (var check : checks) {
      byName.computeIfAbsent(check.name(), _ -> new ArrayList<>()).add(check);
    }
    byName
        .values()
        .forEach(list ->
            list.sort(
                Comparator.comparingDouble((Invariants.Check check) ->
                    Double.isNaN(check.gap())
                        ? Double.NEGATIVE_INFINITY
                        : -check.gap() / check.tolerance())));
    return byName;
  }

  private static String mark(boolean passed) {
    return passed ? "ok" : "FAIL";
  }

  private static String gap(double gap) {
    return gap == Math.rint(gap) && Math.abs(gap) < 1e6
        ? "%.0f".formatted(gap)
        : String.format(Locale.ROOT, "%.2e", gap);
  }

  private static String json(Findings findings) {
    var device =
        findings.device().stream()
            .map(row ->
                Document.part()
                    .put("name", row.name())
                    .put("gap", row.gap())
                    .put("limit", row.limit())
                    .put("passed", row.passed()))
            .toList();
    var invariants =
        findings.invariants().stream()
            .map(check ->
                Document.part()
                    .put("name", check.name())
                    .put("site", check.site().toString())
                    .put("gap", check.gap())
                    .put("limit", check.tolerance())
                    .put("passed", check.passed()))
            .toList();
    return Document.of("fathom.verify/1")
        .put("passed", findings.passed())
        .put("family", findings.family())
        .put("device", device)
        .put("invariants", invariants)
        .put("parity", findings.parity().map(VerifyCommand::document))
        .text();
  }

  private static Document document(Parity.Ledger ledger) {
    var rows =
        ledger.rows().stream()
            .map(row ->
                Document.part()
                    .put("name", row.name())
                    .put("gap", row.gap())
                    .put("largest", row.largest())
                    .put("limit", row.limit())
                    .put("gap_in_f64", row.gapInF64())
                    .put("verdict", row.verdict().name().toLowerCase(Locale.ROOT))
                    .put("note", row.note())
                    .put("passed", row.passed()))
            .toList();
    return Document.part()
        .put("passed", ledger.passed())
        .put("rows", rows)
        .put("kl", ledger.divergence())
        .put("top1", ledger.agreement())
        .put("ignored", ledger.ignored());
  }
}
