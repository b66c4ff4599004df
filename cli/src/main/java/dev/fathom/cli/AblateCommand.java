package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.data.PromptFile;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.Ablation;
import dev.fathom.explain.causal.AblationResult;
import dev.fathom.explain.causal.AblationStatistics;
import dev.fathom.explain.causal.AblationStatisticsResult;
import dev.fathom.explain.causal.NeuronAblation;
import dev.fathom.explain.causal.NeuronAblationResult;
import dev.fathom.explain.causal.PromptSet;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Ablation maps of one prompt.
@Command(
    name = "ablate",
    description = "Takes parts of the model away: which does the answer need?",
    footer = {
      "",
      "PART is attn, mlp, both (at each layer and position), attn_to_mlp (attention stays in the",
      "stream, but the MLP of its block does not see it) or head (at all positions); or, alone,",
      "neuron: those of --neurons, or the ones that write most for the target.",
      "",
      "With --prompts and --out-dir, means over prompts with their intervals: by what tokens are where",
      "every line has a \"subject\", position by position where all have one length. A killed run goes",
      "on when the command is given again.",
      "",
      "Examples:",
      "  fathom ablate \"The Eiffel Tower is located in the city of\"",
      "  fathom ablate \"When Mary and John went to the store, John gave a drink to\" -t Mary --foil John",
      "  fathom ablate \"The capital of Italy is\" --part head --instead mean --reference capitals.jsonl",
      "  fathom ablate \"The capital of Italy is\" --neurons mlp_act.3.n17,mlp_act.5.n2@last",
      "  fathom ablate --prompts facts.jsonl --part mlp,head --out-dir needed",
    })
final class AblateCommand implements Callable<Integer> {
  /// What stands in the place of what was taken away.
  enum Instead {
    zero,
    value,
    mean,
    globalMean,
    resample
  }

  private static final Pattern RANGE = Pattern.compile("(\\d{1,6})(?:-(\\d{1,6}))?");

  /// The part that is a ranking.
  private static final String NEURON = "neuron";

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final QuestionOptions questions = new QuestionOptions();
  @Mixin private final SweepOptions sweep = new SweepOptions();
  @Mixin private final SetOptions set = new SetOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--part",
      paramLabel = "PART",
      split = ",",
      description = "What is taken away; several with commas. Default: all.")
  private List<String> parts = List.of();

  @Option(
      names = "--instead",
      paramLabel = "VALUE",
      description =
          "What stands in its place: ${COMPLETION-CANDIDATES}. Default: zero, or value"
              + " with --value. Means are over the prompts of --reference, at each position or over"
              + " all; resample takes the values of --corrupt.")
  private @Nullable Instead instead;

  @Option(
      names = "--value",
      paramLabel = "X",
      description = "The number that stands in its place, for --instead value.")
  private @Nullable Double value;

  @Option(
      names = "--neurons",
      paramLabel = "SITES",
      description =
          "Neurons to take away, one at a time, at all positions: mlp_act.3.n17, at one with @last,"
              + " all of some layers with mlp_act.4-5; several with commas.")
  private @Nullable String neurons;

  @Option(
      names = "--ranked",
      paramLabel = "N",
      description =
          "For --part neuron without --neurons: how many of those that write most for or against the"
              + " target where the answer is read. Default: ${DEFAULT-VALUE}.")
  private int ranked = 20;

  @Option(
      names = "--at",
      paramLabel = "POSITIONS",
      description =
          "Where something is taken away, such as 0,5-8: columns of the maps; a head is taken away at"
              + " all of them at once. Default: everywhere.")
  private @Nullable String at;

  @Option(
      names = "--reference",
      paramLabel = "F.jsonl",
      description = "Prompts to take means over, one JSON object a line, with \"prompt\".")
  private @Nullable Path reference;

  @Option(
      names = "--corrupt",
      paramLabel = "TEXT",
      description = "Another prompt with as many tokens, for --instead resample.")
  private @Nullable String corrupt;

  AblateCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    boolean single = singleNeurons();
    Set<Ablation.Part> chosen = single ? Set.of() : chosen();
    set.requireWith(questions.reading().promptOptions());
    requireSource();
    try (var model = LoadedModel.open(console, modelOptions)) {
      if (questions.reading().promptOptions().source(console)
          instanceof PromptOptions.Source.Lines(Path file)) {
        overPrompts(model, file, chosen);
      } else if (single) {
        neurons(model);
      } else {
        maps(model, chosen);
      }
    }
    return Main.DONE;
  }

  /// Whether single neurons are asked for, which nothing else goes with.
  private boolean singleNeurons() {
    boolean single = neurons != null || parts.contains(NEURON);
    if (single && !parts.stream().allMatch(NEURON::equals)) {
      throw new IllegalArgumentException(
          "Neurons are a ranking, the other parts are maps: give --part neuron alone.");
    }
    if (at != null && (single || questions.reading().promptOptions().givesFile())) {
      throw new IllegalArgumentException(
          "--at is for maps of one prompt; neurons name their own positions, such as @last.");
    }
    if (single && questions.reading().promptOptions().givesFile()) {
      throw new IllegalArgumentException("Single neurons are taken away in one prompt at a time.");
    }
    return single;
  }

  private void maps(LoadedModel model, Set<Ablation.Part> chosen) {
    Prompt prompt = questions.prompt(model, console);
    Question question = questions.question(model, prompt);
    List<Integer> more =
        question.metric() == Metric.LOG_PROB
            ? questions.reading().furtherTokens(model, prompt)
            : List.of();
    if (!more.isEmpty()) {
      model.say(
          List.of(
              "With logprob all %d tokens of the target count, one after another."
                  .formatted(more.size() + 1)));
    }
    List<Integer> positions = positions();
    int columns = positions.isEmpty() ? prompt.length() : positions.size();
    int cells = (more.size() + 1) * cells(model, columns, chosen);
    AblationResult result;
    try (var progress = Progress.start(console, "ablating", cells)) {
      result =
          Ablation.run(
              model.transformer(),
              model.tokenizer(),
              question,
              more,
              config(model, chosen).atPositions(positions).telling(progress::advance));
    }
    ResultOutput.show(
        console,
        output,
        prompt.text(),
        "Ablation",
        "Each cell is what the answer loses when a part of the model is taken away: positive"
            + " parts speak for the answer, negative ones against it.",
        result);
  }

  private void neurons(LoadedModel model) {
    Prompt prompt = questions.prompt(model, console);
    Question question = questions.question(model, prompt);
    List<NeuronAblation.Neuron> asked =
        neurons == null
            ? NeuronAblation.strongest(model.transformer(), model.tokenizer(), question, ranked)
            : NeuronAblation.named(neurons, model.transformer());
    NeuronAblationResult result;
    try (var progress = Progress.start(console, "ablating", asked.size())) {
      result =
          NeuronAblation.run(
              model.transformer(),
              model.tokenizer(),
              question,
              asked,
              NeuronAblation.Config.standard()
                  .with(instead(model))
                  .within(sweep.budget())
                  .telling(progress::advance));
    }
    ResultOutput.show(
        console,
        output,
        prompt.text(),
        "Ablation of single neurons",
        "Each bar is what the answer loses when one neuron is taken away: positive ones speak for"
            + " the answer, negative ones against it.",
        result);
  }

  private void overPrompts(LoadedModel model, Path file, Set<Ablation.Part> chosen) {
    PromptSet prompts = questions.set(model, file, Metric.LOGIT);
    AblationStatisticsResult result;
    try (var items = ItemDirectory.open(set.directory(), settings(model, file, chosen));
        var progress =
            output.json().progress(console, "ablating prompts", prompts.items().size())) {
      result =
          AblationStatistics.run(
              model.transformer(),
              model.tokenizer(),
              prompts,
              config(model, chosen),
              items,
              progress::advance);
    }
    set.show(
        console,
        output,
        file,
        "Ablation over many prompts",
        "Each cell is what answers lose on average when a part of the model is taken away; point at"
            + " it for its 95 % interval.",
        result);
  }

  /// What decides the numbers of a run over prompts.
  private SequencedMap<String, String> settings(
      LoadedModel model, Path file, Set<Ablation.Part> chosen) {
    var card = model.transformer().card();
    var settings = new LinkedHashMap<String, String>();
    settings.put("method", "ablate");
    settings.put("model", card.sha256().get());
    settings.put("dtype", card.dtype().name());
    settings.put("prompts", InputFiles.sha256(file));
    settings.put(
        "part",
        EnumSet.copyOf(chosen).stream().map(Ablation.Part::text).collect(Collectors.joining(",")));
    settings.put("instead", place() + (value == null ? "" : " " + value));
    settings.put("reference", reference == null ? "" : InputFiles.sha256(reference));
    questions.describe(settings);
    return settings;
  }

  private Ablation.Config config(LoadedModel model, Set<Ablation.Part> chosen) {
    return Ablation.Config.standard()
        .of(chosen.toArray(Ablation.Part[]::new))
        .with(instead(model))
        .within(sweep.budget());
  }

  private List<Integer> positions() {
    var positions = new ArrayList<Integer>();
    for (String part : at == null ? new String[0] : at.split(",")) {
      Matcher range = RANGE.matcher(part.strip());
      if (!range.matches()) {
        throw new IllegalArgumentException(
            "--at takes positions from 0 and ranges of them, such as 0,5-8, found '%s'."
                .formatted(part.strip()));
      }
      int first = Integer.parseInt(range.group(1));
      int last = range.group(2) == null ? first : Integer.parseInt(range.group(2));
      IntStream.rangeClosed(first, last).forEach(positions::add);
    }
    return positions;
  }

  private static int cells(LoadedModel model, int columns, Set<Ablation.Part> parts) {
    var transformer = model.transformer();
    int heads = transformer.blocks().getFirst().attention().heads();
    return parts.stream()
        .mapToInt(part -> transformer.layers() * (part == Ablation.Part.HEAD ? heads : columns))
        .sum();
  }

  private Set<Ablation.Part> chosen() {
    var chosen = EnumSet.noneOf(Ablation.Part.class);
    for (String part : parts) {
      chosen.add(
          Arrays.stream(Ablation.Part.values())
              .filter(p -> p.text().equals(part))
              .findFirst()
              .orElseThrow(() ->
                  new IllegalArgumentException(
                      "--part %s: choose from %s."
                          .formatted(
                              part,
                              Arrays.stream(Ablation.Part.values())
                                      .map(Ablation.Part::text)
                                      .collect(Collectors.joining(", "))
                                  + ", neuron"))));
    }
    return chosen.isEmpty() ? EnumSet.allOf(Ablation.Part.class) : chosen;
  }

  private Instead place() {
    return instead == null ? value == null ? Instead.zero : Instead.value : instead;
  }

  /// Means and other values need something to be taken from.
  private void requireSource() {
    if ((place() == Instead.value) != (value != null)) {
      throw new IllegalArgumentException(
          value == null
              ? "--instead value needs --value, the number that stands in the place."
              : "--value is for --instead value.");
    }
    if ((place() == Instead.mean || place() == Instead.globalMean) && reference == null) {
      throw new IllegalArgumentException(
          "--instead %s needs --reference, a file of prompts to take means over."
              .formatted(place()));
    }
    if (place() == Instead.resample && corrupt == null) {
      throw new IllegalArgumentException(
          "--instead resample needs --corrupt, the prompt whose values are taken.");
    }
    if (reference != null && place() != Instead.mean && place() != Instead.globalMean) {
      throw new IllegalArgumentException(
          "--reference is for --instead mean and globalMean, not for %s.".formatted(place()));
    }
    if (corrupt != null && place() != Instead.resample) {
      throw new IllegalArgumentException(
          "--corrupt is for --instead resample, not for %s.".formatted(place()));
    }
  }

  private Ablation.Instead instead(LoadedModel model) {
    return switch (place()) {
      case zero -> new Ablation.Instead.Zero();
      case value -> new Ablation.Instead.Value(Objects.requireNonNull(value));
      case mean, globalMean -> {
        var prompts = new ArrayList<Prompt>();
        PromptFile.forEach(
            Objects.requireNonNull(reference),
            line -> prompts.add(model.prompt(line.prompt(), questions.reading().promptOptions())));
        yield new Ablation.Instead.Mean(prompts, place() == Instead.mean);
      }
      case resample ->
          new Ablation.Instead.Resample(
              model.prompt(Objects.requireNonNull(corrupt), questions.reading().promptOptions()));
    };
  }
}
