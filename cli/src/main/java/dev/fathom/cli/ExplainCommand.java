package dev.fathom.cli;

import dev.fathom.checkpoint.ArrayFile;
import dev.fathom.concepts.Dictionary;
import dev.fathom.data.Prompt;
import dev.fathom.data.TokenSpan;
import dev.fathom.explain.Question;
import dev.fathom.explain.report.Explanation;
import dev.fathom.render.Html;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.view.Grid;
import dev.fathom.view.Report;
import dev.fathom.view.Section;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// The whole report about one prompt.
@Command(
    name = "explain",
    description = "Explains what a model says next: the report about a prompt.",
    footer = {
      "",
      "Sections: lens, target, exit, ablate, heads, dla, decompose, attribute,",
      "attention, neurons; patch (needs --corrupt); and slow ones: trace (needs",
      "--subject), shap, path (needs --corrupt). Without --sections, all that are not",
      "slow and have what they need; --subject asks for trace. The report names what",
      "it leaves out. With --dictionary it ends with the concepts of each token.",
      "",
      "Examples:",
      "  fathom explain \"The Eiffel Tower is located in the city of\" --html report.html",
      "  fathom explain -m DIR \"The capital of Italy is\" --target Rome --foil Milan",
      "  fathom explain \"The Eiffel Tower is located in the city of\" \\",
      "    --corrupt \"The Brandenburg Gate is located in the city of\"",
      "  fathom explain -m DIR --chat \"What is 2+2?\" --sections lens,dla --json -",
    })
final class ExplainCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final QuestionOptions questions = new QuestionOptions();
  @Mixin private final SweepOptions sweep = new SweepOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--sections",
      paramLabel = "NAME",
      split = ",",
      description = "What to report, in this order, with commas; or all.")
  private List<String> sections = List.of();

  @Option(
      names = "--corrupt",
      paramLabel = "TEXT",
      description = "Another prompt with as many tokens, for patch and path.")
  private @Nullable String corrupt;

  @Option(
      names = "--subject",
      paramLabel = "TEXT",
      description = "The part of the prompt that the fact is about, for trace.")
  private @Nullable String subject;

  @Option(
      names = "--dictionary",
      paramLabel = "DIR",
      description = "Concepts to read each token by, from fathom concepts build.")
  private @Nullable Path dictionary;

  @Option(
      names = "--time-limit",
      paramLabel = "SECONDS",
      description = "Do not begin what is expected to take longer.")
  private @Nullable Double limit;

  ExplainCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    var config = Explanation.Config.standard().of(sections).within(sweep.budget());
    if (limit != null && !(limit > 0)) {
      throw new IllegalArgumentException(
          "--time-limit must be more than 0 seconds, not " + limit + ".");
    }
    if (dictionary != null) {
      Dictionary.open(dictionary).close(); // fails sooner than a model loads
    }
    try (var model = LoadedModel.open(console, modelOptions)) {
      Prompt prompt = questions.prompt(model, console);
      if (subject != null) {
        config = config.withSubject(TokenSpan.of(prompt, subject));
      }
      if (corrupt != null) {
        config = config.withCorrupt(model.prompt(corrupt, questions.reading().promptOptions()));
      }
      Report report = report(model, questions.question(model, prompt), config);
      show(dictionary == null ? report : withConcepts(report, model, prompt, dictionary));
    }
    return Main.DONE;
  }

  private static Report withConcepts(
      Report report, LoadedModel model, Prompt prompt, Path dictionary) {
    var sections = new ArrayList<>(report.sections());
    sections.add(
        Section.of(
            "Concepts",
            ConceptsDecomposeCommand.EXPLANATION,
            ConceptsDecomposeCommand.read(model, prompt, dictionary)));
    return new Report(
        report.title(), report.subtitle(), report.summary(), sections, report.provenance());
  }

  private Report report(LoadedModel model, Question question, Explanation.Config config) {
    try (var progress = Progress.start(console, "explaining", Progress.SHARES)) {
      Explanation.Plan plan =
          Explanation.plan(
              model.transformer(), model.tokenizer(), question, config.telling(progress::show));
      double seconds = plan.seconds();
      if (limit != null && seconds > limit) {
        throw new IllegalArgumentException(
            "This would take about %s, more than the --time-limit of %s s: name fewer --sections than %s."
                .formatted(Explanation.spoken(seconds), limit, String.join(",", plan.sections())));
      }
      console
          .err()
          .println(
              "%s, about %s"
                  .formatted(
                      plan.sections().size() == 1
                          ? "1 section"
                          : plan.sections().size() + " sections",
                      Explanation.spoken(seconds)));
      console.err().flush();
      return plan.run();
    }
  }

  private void show(Report report) {
    if (output.json().showsText()) {
      console.out().print(Terminal.render(report, TerminalStyles.of(console)));
    }
    if (output.json().wantsJson()) {
      output.json().writeJson(console, Json.render(report));
    }
    output.html().ifPresent(file -> AtomicFile.writeText(file, Html.render(report)));
    output.out().ifPresent(file -> ArrayFile.write(file, arrays(report)));
  }

  private static SequencedMap<String, Grid> arrays(Report report) {
    var arrays = new LinkedHashMap<String, Grid>();
    report.sections().forEach(section -> arrays.putAll(section.arrays()));
    return arrays;
  }
}
