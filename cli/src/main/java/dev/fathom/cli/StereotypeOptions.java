package dev.fathom.cli;

import dev.fathom.align.lope.Lope;
import dev.fathom.align.lope.NeuronSurvey;
import dev.fathom.align.lope.StereotypeSurvey;
import dev.fathom.evaluate.bias.StereoSet;
import dev.fathom.evaluate.bias.StereoSetItem;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// What stereotypes are told from, and which items.
final class StereotypeOptions {
  /// What the positive class stands against.
  enum Labels {
    rest(Lope.Labels.REST),
    anti(Lope.Labels.ANTI),
    unrelated(Lope.Labels.UNRELATED);

    private final Lope.Labels labels;

    Labels(Lope.Labels labels) {
      this.labels = labels;
    }
  }

  @Option(
      names = "--domains",
      split = ",",
      paramLabel = "NAME",
      description = "Only these kinds of bias, such as gender,race. Default: all.")
  private List<String> domains = List.of();

  @Option(
      names = "--labels",
      paramLabel = "KIND",
      description =
          "What stereotypes are told from: anti (anti-stereotypes), unrelated (meaningless"
              + " sentences, which are easy to tell), or rest (both). Default: ${DEFAULT-VALUE}.")
  private Labels labels = Labels.rest;

  @Option(
      names = "--most",
      paramLabel = "N",
      description =
          "Sentences of each kind on which neurons are read, at most. Default:"
              + " ${DEFAULT-VALUE}.")
  private int most = StereotypeSurvey.Config.standard().most();

  @Option(
      names = "--bos",
      negatable = true,
      description =
          "Begin sentences with the start token, or not, whatever the tokenizer's files say.")
  private @Nullable Boolean startToken;

  List<StereoSetItem> items(Path file) {
    StereoSet all = StereoSet.read(file);
    return (domains.isEmpty() ? all : all.of(new LinkedHashSet<>(domains))).items();
  }

  StereotypeSurvey.Config config(NeuronSurvey.Config neurons) {
    return StereotypeSurvey.Config.standard()
        .with(labels.labels)
        .withMost(most)
        .with(startToken == null ? neurons : neurons.withStartToken(startToken));
  }
}
