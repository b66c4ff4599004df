package dev.fathom.cli;

import dev.fathom.align.lope.NeuronSurvey;
import dev.fathom.align.study.AlignmentFigures;
import dev.fathom.concepts.map.ConceptFigures;
import dev.fathom.explain.report.Figure;
import dev.fathom.explain.report.Figures;
import dev.fathom.refine.study.StudyFigures;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// The figures of the thesis, for any model.
@Command(
    name = "figures",
    description = "Draws the thesis' figures for a model, and a page of them all.",
    footer = {
      "",
      "Figures that are in DIR already stay; a run that was killed goes on where it was.",
      "The prompts are the thesis' own. Figures about bias (4.9, 4.10, 5.5 to 5.7) need",
      "items of StereoSet, those about concepts (4.5, 4.6) dictionaries, which fathom",
      "concepts build makes. Those about refinement (4.7, 4.8, 5.2 to 5.4, C.1, C.2,",
      "table-5.1 to table-5.3) are drawn from what fathom study left, table-5.4 and",
      "table-5.5 from what fathom align table left, without training anything. The",
      "page says which are missing, and what makes them.",
      "",
      "Examples:",
      "  fathom figures --out-dir figures",
      "  fathom figures -m model.gguf --out-dir figures --only 4.1,4.3",
      "  fathom figures -m DIR --out-dir figures --studies studies",
      "  fathom figures -m DIR --out-dir figures --bias-data dev.json \\",
      "    --alignments runs",
      "  fathom figures -m DIR --out-dir figures --dictionaries concepts/base,concepts/tuned",
    })
final class FiguresCommand implements Callable<Integer> {
  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final SweepOptions sweep = new SweepOptions();

  @Option(
      names = "--out-dir",
      required = true,
      paramLabel = "DIR",
      description = "Where pictures, arrays and index.html go.")
  private Path directory = Path.of("");

  @Option(
      names = "--studies",
      paramLabel = "DIR",
      description = "The --out-dir of fathom study: draw the figures about refinement from it.")
  private @Nullable Path studies;

  @Option(
      names = "--bias-data",
      paramLabel = "FILE",
      description =
          "Items of StereoSet: draw the figures about bias from probes of them. What the model"
              + " computed is kept in the cache folder of --out-dir.")
  private @Nullable Path biasData;

  @Mixin private final StereotypeOptions stereotypes = new StereotypeOptions();

  @Option(
      names = "--alignments",
      paramLabel = "DIR",
      description = "The --out-dir of fathom align table: draw the tables about bias from it.")
  private @Nullable Path alignments;

  @Option(
      names = "--dictionaries",
      split = ",",
      paramLabel = "DIR",
      description =
          "The model's dictionary of concepts, and perhaps a tuned model's after a comma: draw the"
              + " figures about concepts.")
  private List<Path> dictionaries = List.of();

  @Option(
      names = "--around",
      paramLabel = "NAME",
      description = "The concept that figure 4.6 looks at closely. Default: love, if it is there.")
  private @Nullable String around;

  @Option(
      names = "--only",
      split = ",",
      paramLabel = "ID",
      description = "Numbers of the figures, with commas between. Default: all.")
  private List<String> only = List.of();

  @Option(names = "--force", description = "Make again what is there, of whichever model.")
  private boolean force;

  @Option(
      names = {"-q", "--quiet"},
      description = "Say nothing but errors.")
  private boolean quiet;

  FiguresCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    var more = new ArrayList<Figure>(StudyFigures.of(Optional.ofNullable(studies)));
    more.addAll(AlignmentFigures.of(items(), Optional.ofNullable(alignments)));
    more.addAll(ConceptFigures.of(concepts()));
    var config =
        Figures.Config.standard()
            .with(more)
            .of(only.toArray(String[]::new))
            .within(sweep.budget())
            .telling(this::say);
    try (var model = LoadedModel.open(console, modelOptions)) {
      Path page =
          Figures.run(
              model.transformer(), model.tokenizer(), directory, force ? config.forced() : config);
      if (!quiet) {
        console.out().println(page);
      }
    }
    return Main.DONE;
  }

  private Optional<ConceptFigures.Dictionaries> concepts() {
    if (dictionaries.size() > 2) {
      throw new IllegalArgumentException(
          "--dictionaries: one or two are needed, the model's own and a tuned model's; found %d."
              .formatted(dictionaries.size()));
    }
    if (dictionaries.isEmpty() && around != null) {
      throw new IllegalArgumentException(
          "--around %s: give the dictionary it is in by --dictionaries.".formatted(around));
    }
    return dictionaries.stream()
        .findFirst()
        .map(base ->
            new ConceptFigures.Dictionaries(
                base, dictionaries.stream().skip(1).findFirst(), Optional.ofNullable(around)));
  }

  private Optional<AlignmentFigures.Items> items() {
    return Optional.ofNullable(biasData)
        .map(file -> {
          var config =
              stereotypes
                  .config(NeuronSurvey.Config.standard())
                  .withCache(directory.resolve("cache"));
          return new AlignmentFigures.Items(
              String.valueOf(file.getFileName()), stereotypes.items(file), config);
        });
  }

  private void say(String line) {
    if (!quiet) {
      console.err().println(line);
      console.err().flush();
    }
  }
}
